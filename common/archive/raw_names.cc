#include "common/archive/raw_names.h"

#include "common/error/error.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace bk {
namespace {

constexpr std::size_t kBlock = 512;

// The ustar header (POSIX.1-1988): what is used of it here.
struct Header {
  char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[8];
  char uname[32], gname[32], device_major[8], device_minor[8], prefix[155], unused[12];
};
static_assert(sizeof(Header) == kBlock);

// NUL-terminated octal digits, as many as there is room for.
template <std::size_t N>
void put_number(char (&field)[N], std::uint64_t value) {
  (void)std::snprintf(field, N, "%0*llo", static_cast<int>(N - 1), static_cast<unsigned long long>(value));
}

template <std::size_t N>
void put_bytes(char (&field)[N], std::string_view bytes) {
  std::memset(field, 0, N);
  std::memcpy(field, bytes.data(), std::min(bytes.size(), N));
}

// The sum of all bytes, its own field counted as blanks.
void put_checksum(Header& header) {
  std::memset(header.checksum, ' ', sizeof header.checksum);
  const auto* bytes = reinterpret_cast<const unsigned char*>(&header);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kBlock; ++i) sum += bytes[i];
  (void)std::snprintf(header.checksum, 7, "%06llo", static_cast<unsigned long long>(sum));
}

// GNU's entry whose content is the name of the one behind it.
std::string long_name(char type, std::string_view name) {
  Header header{};
  put_bytes(header.name, "././@LongLink");
  put_number(header.mode, 0);
  put_number(header.uid, 0);
  put_number(header.gid, 0);
  put_number(header.size, name.size() + 1);
  put_number(header.mtime, 0);
  header.type = type;
  std::memcpy(header.magic, "ustar  ", sizeof header.magic);
  put_checksum(header);
  std::string out(reinterpret_cast<const char*>(&header), kBlock);
  out.append(name);
  out.append(kBlock - name.size() % kBlock, '\0');
  return out;
}

}  // namespace

bool is_ascii(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// RFC 3629: no surrogates, nothing longer than needed, nothing above U+10FFFF.
bool is_utf8(std::string_view name) {
  for (std::size_t at = 0; at < name.size();) {
    const auto byte = [&](std::size_t i) {
      return at + i < name.size() ? static_cast<unsigned char>(name[at + i]) : 0U;
    };
    const unsigned first = byte(0);
    const std::size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (length == 0 || first > 0xf4) return false;
    for (std::size_t i = 1; i < length; ++i) {
      if ((byte(i) & 0xc0U) != 0x80) return false;
    }
    const unsigned second = byte(1);
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
        (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f))
      return false;
    at += length;
  }
  return true;
}

void put_raw_names(std::string& header, std::string_view path, std::string_view link) {
  BK_CHECK(header.size() >= kBlock && header.size() % kBlock == 0);
  Header last{};
  char* at = header.data() + header.size() - kBlock;
  std::memcpy(&last, at, kBlock);
  put_bytes(last.name, path);
  std::memset(last.prefix, 0, sizeof last.prefix);
  if (!link.empty()) put_bytes(last.link, link);
  put_checksum(last);
  std::memcpy(at, &last, kBlock);
  std::string before;
  if (link.size() > sizeof last.link) before += long_name('K', link);
  if (path.size() > sizeof last.name) before += long_name('L', path);
  header.insert(0, before);
}

}  // namespace bk
