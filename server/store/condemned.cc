#include "server/store/condemned.h"

#include "common/error/error.h"
#include "common/io/crash.h"
#include "common/io/file.h"
#include "common/text/document.h"
#include "common/text/escape.h"
#include "common/text/number.h"

namespace bk::store {
namespace {

constexpr std::uint64_t kMaxHeader = 64U << 20U;

std::string header_of(const Layout& layout) { return layout.condemned() + "/header"; }

std::string shown(const StoreId& store) {
  return hex_encode({reinterpret_cast<const char*>(store.data()), store.size()});
}

Condemned::Terms parse(const std::string& text, const StoreId& store) {
  const Document doc = Document::parse(text, "bk-condemned");
  if (doc.get("store") != shown(store)) throw Error(Kind::Protocol, "of another store");
  Condemned::Terms out;
  out.run = doc.get("run");
  out.waits = doc.all("waits");
  for (const std::string& line : doc.all("removals")) {
    const std::size_t space = line.find(' ');
    const auto count =
        space == std::string::npos ? std::nullopt : parse_int<std::uint64_t>(line.substr(space + 1));
    if (!count) throw Error(Kind::Protocol, "removals needs a client and a number");
    out.removals[line.substr(0, space)] = *count;
  }
  return out;
}

}  // namespace

std::unique_ptr<Condemned> Condemned::load(const Layout& layout, const StoreId& store, std::string* problem) {
  const std::optional<std::string> text = try_read_file(header_of(layout), kMaxHeader);
  if (!text) {
    if (problem != nullptr) *problem = quoted(header_of(layout)) + " is missing";
    return nullptr;
  }
  try {
    std::unique_ptr<Condemned> out(new Condemned);
    out->terms_ = parse(*text, store);
    out->run_ = std::make_unique<Run>(layout.condemned() + "/" + out->terms_.run, store, RunKind::Keys);
    return out;
  } catch (const Error& error) {
    if (error.kind() != Kind::Protocol && error.kind() != Kind::Corrupt && error.sys_errno() != ENOENT) throw;
    if (problem != nullptr) *problem = quoted(layout.condemned()) + ": " + error.what();
    return nullptr;
  }
}

void Condemned::publish(const Layout& layout, const StoreId& store, const Terms& terms) {
  Document doc("bk-condemned", 1);
  doc.add("store", shown(store)).add("run", terms.run);
  for (const std::string& name : terms.waits) doc.add("waits", name);
  for (const auto& [client, lines] : terms.removals)
    doc.add("removals", client + " " + std::to_string(lines));
  replace_durably(header_of(layout), doc.write());
  crash_point("store.clean.condemned");
}

void Condemned::clear(const Layout& layout) {
  if (!is_directory(layout.condemned())) return;
  remove_durably(header_of(layout));
  for (const std::string& name : list_directory(layout.condemned()))
    remove_durably(layout.condemned() + "/" + name);
}

bool Condemned::applies(const Key& key, std::uint64_t pack) const {
  const Run::Range found = run_->find(key);
  return found.first != found.second && run_->covered(pack) != 0;
}

}  // namespace bk::store
