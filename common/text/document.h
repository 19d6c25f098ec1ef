// The family of our small text files (requests, receipts, queue and TODO files, snapshots, journals):
//
//   bk-request 1
//   id: 0f3c…
//   name: /srv/caf%C3%A9
//   end: sha256 5f0c…9b1e
//
// First line: format and version.  Then `key: value` lines; values are percent-encoded (text/escape.h) bytes,
// where the encoded text may hold single spaces as %20 only.  Last line: a digest over every byte above it,
// so a truncated or edited file is recognised and not half believed.  Specification:
// docs/formats/document.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bk {

class Document {
 public:
  struct Field {
    std::string key;
    std::string value;  // decoded bytes
    int line = 0;       // 1-based line of the text it was parsed from; 0 when added
  };

  Document(std::string format, int version) : format_(std::move(format)), version_(version) {}

  // Keys are [a-z][a-z0-9-]*.  add() appends; keys may repeat where a format says so.
  Document& add(std::string_view key, std::string_view value);
  Document& add(std::string_view key, std::uint64_t value);
  Document& add_if(std::string_view key, std::string_view value) {
    return value.empty() ? *this : add(key, value);
  }

  [[nodiscard]] const std::string& format() const { return format_; }
  [[nodiscard]] int version() const { return version_; }
  [[nodiscard]] const std::vector<Field>& fields() const { return fields_; }

  // The value of a key that appears at most once; throws Protocol when it repeats.
  [[nodiscard]] std::optional<std::string> find(std::string_view key) const;
  // As find, but throws Protocol when the key is missing or empty.
  [[nodiscard]] std::string get(std::string_view key) const;
  [[nodiscard]] std::uint64_t get_number(std::string_view key, std::uint64_t high = UINT64_MAX) const;
  [[nodiscard]] std::optional<std::uint64_t> find_number(std::string_view key,
                                                         std::uint64_t high = UINT64_MAX) const;
  [[nodiscard]] std::vector<std::string> all(std::string_view key) const;
  // Throws Protocol for a key that is neither listed nor begins with "x-".
  void allow_only(std::initializer_list<std::string_view> keys) const;

  [[nodiscard]] std::string write() const;

  // Throws Protocol with the line number and the reason.  `format` must match, version must be 1..`newest`.
  [[nodiscard]] static Document parse(std::string_view text, std::string_view format, int newest = 1);

 private:
  std::string format_;
  int version_;
  std::vector<Field> fields_;
};

}  // namespace bk
