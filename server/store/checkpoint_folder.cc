#include "server/store/checkpoint_folder.h"

#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/io/temporary.h"
#include "common/text/escape.h"
#include "server/store/bad_sectors.h"

namespace bk::store {
namespace {

constexpr std::string_view kEnding = ".checkpoint";

// Without it the source is read again, and that is all.
bool is_unusable(const Error& error) {
  return error.kind() == Kind::Protocol || error.kind() == Kind::Corrupt || is_media_error(error);
}

}  // namespace

std::string source_key(const Domain* domain, const std::string& client, const std::string& module,
                       const std::string& method, const std::string& name) {
  const std::string source = client + '\0' + module + '\0' + method + '\0' + name;
  return domain != nullptr ? domain->source_key(source) : Sha256::of(source).hex().substr(0, 32);
}

CheckpointFolder::CheckpointFolder(const Layout& layout, std::string client)
    : folder_(layout.snapshots() + "/" + client), client_(std::move(client)), domain_(layout.domain) {}

bool CheckpointFolder::is_name(std::string_view file) { return file.ends_with(kEnding); }

std::string CheckpointFolder::path_of(const std::string& module, const std::string& method,
                                      const std::string& name) const {
  return folder_ + "/" + source_key(domain_.get(), client_, module, method, name) + std::string(kEnding);
}

void CheckpointFolder::save(const CheckpointRecord& record) const {
  BK_CHECK(record.client == client_);
  ensure_directory(folder_);
  (void)remove_abandoned_in(folder_);
  const std::string path = path_of(record.module, record.method, record.name);
  const std::string text = write_checkpoint(record);
  replace_durably(path, domain_ ? domain_->cover(base_name(path), text) : text);
}

// Throws Protocol for one that cannot be parsed, or stands under another source's name.
std::optional<CheckpointRecord> CheckpointFolder::read(const std::string& path) const {
  std::optional<std::string> text = try_read_file(path, 2 * kMaxCheckpointBytes);
  if (!text) return std::nullopt;
  if (domain_) text = domain_->uncover(base_name(path), *text);
  if (!text) throw Error(Kind::Protocol, "does not open with the store's key");
  if (text->size() > kMaxCheckpointBytes) throw Error(Kind::Protocol, "is too large");
  CheckpointRecord record = parse_checkpoint(*text);
  if (record.client != client_ || path_of(record.module, record.method, record.name) != path)
    throw Error(Kind::Protocol, "is another source's");
  return record;
}

std::optional<CheckpointRecord> CheckpointFolder::find(const std::string& module, const std::string& method,
                                                       const std::string& name) const {
  try {
    return read(path_of(module, method, name));
  } catch (const Error& error) {
    if (!is_unusable(error)) throw;
    return std::nullopt;
  }
}

bool CheckpointFolder::remove(const std::string& module, const std::string& method,
                              const std::string& name) const {
  const std::string path = path_of(module, method, name);
  if (!path_exists(path)) return false;
  remove_durably(path);
  return true;
}

std::vector<CheckpointRecord> CheckpointFolder::all() const {
  std::vector<CheckpointRecord> out;
  if (!is_directory(folder_)) return out;
  for (const std::string& file : list_directory(folder_)) {
    if (!is_name(file)) continue;
    try {
      if (auto record = read(folder_ + "/" + file)) out.push_back(*std::move(record));
    } catch (const Error& error) {
      if (!is_unusable(error)) throw;
    }
  }
  return out;
}

void CheckpointFolder::check(const std::function<void(const PackProblem&)>& report) const {
  for (const std::string& file : list_directory(folder_)) {
    if (!is_name(file)) continue;
    try {
      (void)read(folder_ + "/" + file);
    } catch (const Error& error) {
      report({quoted(folder_ + "/" + file) + ": " + error.what() +
                  "; no snapshot is touched, the unfinished pull will read again; remove the file",
              error.kind() == Kind::Io});
    }
  }
}

}  // namespace bk::store
