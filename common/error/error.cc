#include "common/error/error.h"

#include <cstdio>
#include <cstdlib>
#include <system_error>

namespace bk {

Error::Error(Kind kind, const std::string& what) : std::runtime_error(what), kind_(kind), text_(what) {}

void Error::add_context(std::string_view doing) {
  std::string text(doing);
  text += ": ";
  text += text_;
  text_ = std::move(text);
}

std::string system_words(int code) { return std::generic_category().message(code); }

Error sys_error(int code, std::string_view doing) {
  std::string text(doing);
  text += ": ";
  text += system_words(code);
  Error error(Kind::Io, text);
  error.errno_ = code;
  return error;
}

int exit_status(Kind kind) noexcept {
  switch (kind) {
    case Kind::Usage:
      return kExitUsage;
    case Kind::Config:
      return kExitConfig;
    case Kind::Transient:
      return kExitTryLater;
    case Kind::Refused:
      return kExitRefused;
    case Kind::Protocol:
      return kExitProtocol;
    case Kind::Corrupt:
      return kExitCorrupt;
    case Kind::NotFound:
      return kExitNotFound;
    case Kind::Io:
      return kExitIo;
    case Kind::Cancelled:
      return 130;
  }
  return kExitIo;
}

void bug(const char* file, int line, std::string_view text) noexcept {
  std::fprintf(stderr, "backline: bug at %s:%d: %.*s\n", file, line, static_cast<int>(text.size()),
               text.data());
  std::abort();
}

}  // namespace bk
