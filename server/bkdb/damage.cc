#include "server/bkdb/damage.h"

#include "common/error/error.h"
#include "common/text/escape.h"

#include <fmt/format.h>

#include <cstdio>

namespace bk::bkdb {
namespace {

void tell(const std::string& path, const std::string& text) {
  std::fputs(fmt::format("bkdb: {}: {}\n", quoted(path), text).c_str(), stderr);
}

}  // namespace

void Findings::damage(const std::string& path, const std::string& text) {
  ++damaged;
  if (listener) return listener(true, path, text);
  tell(path, "damaged: " + text);
}

void Findings::cannot_read(const std::string& path, const std::string& text) {
  ++unreadable;
  if (listener) return listener(false, path, text);
  tell(path, "cannot read: " + text);
}

void Findings::leave_out(const std::string& path, const std::string& text) {
  ++left_out;
  if (listener) return listener(false, path, text);
  tell(path, text);
}

int Findings::status() const {
  if (damaged > 0) return kExitCorrupt;
  if (unreadable > 0) return kExitIo;
  return left_out > 0 ? kExitPartial : kExitDone;
}

}  // namespace bk::bkdb
