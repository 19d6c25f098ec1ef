#include "common/text/document.h"

#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "common/text/escape.h"
#include "common/text/number.h"

#include <algorithm>

namespace bk {
namespace {

[[noreturn]] void refuse(int line, const std::string& why) {
  throw Error(Kind::Protocol, "line " + std::to_string(line) + ": " + why);
}

bool is_key(std::string_view key) {
  if (key.empty() || key.size() > 64 || key.front() < 'a' || key.front() > 'z') return false;
  return std::all_of(key.begin(), key.end(),
                     [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

std::string seal_of(std::string_view text) { return "sha256 " + Sha256::of(text).hex(); }

}  // namespace

Document& Document::add(std::string_view key, std::string_view value) {
  BK_CHECK(is_key(key) && key != "end");
  fields_.push_back({std::string(key), std::string(value), 0});
  return *this;
}

Document& Document::add(std::string_view key, std::uint64_t value) { return add(key, std::to_string(value)); }

std::optional<std::string> Document::find(std::string_view key) const {
  const Field* found = nullptr;
  for (const Field& field : fields_) {
    if (field.key != key) continue;
    if (found != nullptr) refuse(field.line, "key " + quoted(key) + " appears twice");
    found = &field;
  }
  if (found == nullptr) return std::nullopt;
  return found->value;
}

std::string Document::get(std::string_view key) const {
  std::optional<std::string> value = find(key);
  if (!value || value->empty()) throw Error(Kind::Protocol, "key " + quoted(key) + " is missing");
  return *std::move(value);
}

std::optional<std::uint64_t> Document::find_number(std::string_view key, std::uint64_t high) const {
  const std::optional<std::string> value = find(key);
  if (!value) return std::nullopt;
  const std::optional<std::uint64_t> number = parse_int<std::uint64_t>(*value, 0, high);
  if (!number)
    throw Error(Kind::Protocol, "key " + quoted(key) + ": " + quoted(*value) + " is not a number up to " +
                                    std::to_string(high));
  return number;
}

std::uint64_t Document::get_number(std::string_view key, std::uint64_t high) const {
  (void)get(key);
  return *find_number(key, high);
}

std::vector<std::string> Document::all(std::string_view key) const {
  std::vector<std::string> values;
  for (const Field& field : fields_) {
    if (field.key == key) values.push_back(field.value);
  }
  return values;
}

void Document::allow_only(std::initializer_list<std::string_view> keys) const {
  for (const Field& field : fields_) {
    if (field.key.starts_with("x-")) continue;
    if (std::find(keys.begin(), keys.end(), field.key) == keys.end())
      refuse(field.line, "unknown key " + quoted(field.key));
  }
}

std::string Document::write() const {
  std::string out = format_ + " " + std::to_string(version_) + "\n";
  for (const Field& field : fields_) {
    out += field.key;
    out += ": ";
    out += percent_encode(field.value);
    out += '\n';
  }
  out += "end: " + seal_of(out) + "\n";
  return out;
}

Document Document::parse(std::string_view text, std::string_view format, int newest) {
  const std::size_t first_end = text.find('\n');
  if (first_end == std::string_view::npos) refuse(1, "not a " + std::string(format) + " file");
  const std::string_view head = text.substr(0, first_end);
  if (!head.starts_with(format) || head.size() <= format.size() + 1 || head[format.size()] != ' ')
    refuse(1, "not a " + std::string(format) + " file");
  const std::optional<int> version = parse_int<int>(head.substr(format.size() + 1), 1, 1000000);
  if (!version) refuse(1, "version is not a number");
  if (*version > newest)
    refuse(1, "version " + std::to_string(*version) + " is newer than this program understands (" +
                  std::to_string(newest) + ")");

  Document out{std::string(format), *version};
  std::size_t begin = first_end + 1;
  for (int line = 2;; ++line) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string_view::npos) refuse(line, "the file is cut short");
    const std::string_view row = text.substr(begin, end - begin);
    const std::size_t colon = row.find(": ");
    if (colon == std::string_view::npos) refuse(line, "expected \"key: value\"");
    const std::string_view key = row.substr(0, colon);
    const std::string_view value = row.substr(colon + 2);
    if (key == "end") {
      if (end + 1 != text.size()) refuse(line + 1, "text after the end line");
      if (value != seal_of(text.substr(0, begin)))
        refuse(line, "digest does not match: the file was damaged or edited");
      return out;
    }
    if (!is_key(key)) refuse(line, "bad key " + quoted(key));
    std::optional<std::string> decoded = percent_decode(value);
    if (!decoded) refuse(line, "bad percent encoding");
    out.fields_.push_back({std::string(key), *std::move(decoded), line});
    begin = end + 1;
  }
}

}  // namespace bk
