#include "common/restore/line_pieces.h"

#include "common/io/file.h"

#include <fcntl.h>

namespace bk {

void cut_lines(std::string_view bytes, const LinePiece& visit) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    visit(bytes.substr(0, end), end != std::string_view::npos);
    if (end == std::string_view::npos) return;
    bytes.remove_prefix(end + 1);
  }
}

void each_line_piece(const std::string& path, const LinePiece& visit) {
  constexpr std::size_t kBuffer = 256U << 10U;
  const Fd file = open_file(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  std::string buffer(kBuffer, '\0');
  while (const std::size_t got = read_up_to(file.get(), buffer.data(), buffer.size()))
    cut_lines(std::string_view(buffer).substr(0, got), visit);
}

}  // namespace bk
