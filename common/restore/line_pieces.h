// A file of lines of whatever length, read in pieces: memory is a buffer.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace bk {

// Bytes of a line without its newline; `last`: here it ends.
using LinePiece = std::function<void(std::string_view piece, bool last)>;

// Cuts the next bytes of a file at the ends of its lines.
void cut_lines(std::string_view bytes, const LinePiece& visit);

// The same for all of a regular file, never through a symlink.  Throws Io.
void each_line_piece(const std::string& path, const LinePiece& visit);

}  // namespace bk
