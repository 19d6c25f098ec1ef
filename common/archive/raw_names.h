// Names in tar headers as they are: bytes in no character set.
//
// The pax header "path" is UTF-8; libarchive marks other names with hdrcharset=BINARY, which GNU tar does not
// know and complains of.  Fields of the ustar header, and GNU's long names before it, are taken as bytes by
// every reader.  So libarchive gets a stand-in, and here the real name takes its place.  Pure.
#pragma once

#include <string>
#include <string_view>

namespace bk {

// Bytes that mean the same in every character set.
[[nodiscard]] bool is_ascii(std::string_view name);
[[nodiscard]] bool is_utf8(std::string_view name);

// `header`: the blocks of one entry, of which the last is its ustar header.  Puts `path` and, unless it is
// empty, `link` into that, or what is too long into GNU's entries 'L' and 'K' before all others.
void put_raw_names(std::string& header, std::string_view path, std::string_view link);

}  // namespace bk
