#include "common/restore/whole_rows.h"

#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/restore/line_pieces.h"
#include "common/text/escape.h"
#include "common/text/number.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <vector>

namespace bk {
namespace {

constexpr std::size_t kBuffer = 256U << 10U;
constexpr std::uint64_t kMostSum = 128;
constexpr std::size_t kMostBegin = 4096;
constexpr std::uint64_t kStatementRows = 64;
constexpr std::uint64_t kStatementBytes = 512U << 10U;  // below any server's max_allowed_packet

// Of a name itself, wherever it leads.
std::optional<struct stat> look(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0) return info;
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  throw sys_error(errno, "looking at " + quoted(path));
}

void remove_name(const std::string& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) throw sys_error(errno, "removing " + quoted(path));
}

// Numbers one a line, ascending.
class Numbers {
 public:
  explicit Numbers(const std::string& path)
      : path_(path), file_(open_file(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)) {
    next();
  }
  [[nodiscard]] std::uint64_t current() const { return current_; }  // 0 at the end
  void next() {
    std::string line;
    for (;;) {
      if (at_ == text_.size()) {
        text_.resize(kBuffer);
        text_.resize(read_up_to(file_.get(), text_.data(), text_.size()));
        at_ = 0;
        if (text_.empty()) break;
      }
      const char c = text_[at_++];
      if (c == '\n') break;
      if (line.size() > 20) break;
      line += c;
    }
    const std::optional<std::uint64_t> number = parse_int<std::uint64_t>(line, 1, UINT64_MAX);
    if (line.empty() && text_.empty()) {
      current_ = 0;
    } else if (!number || *number <= current_) {
      throw Error(Kind::Corrupt, quoted(path_) + " is not a list of ascending numbers");
    } else {
      current_ = *number;
    }
  }

 private:
  std::string path_, text_;
  Fd file_;
  std::size_t at_ = 0;
  std::uint64_t current_ = 0;
};

// Rows put together.
class Joining {
 public:
  Joining(const RowParts& parts, const std::function<void(std::string_view)>& write)
      : parts_(parts), write_(write), gone_(parts.gone) {}

  void run() {
    put_head();
    put_older();
    each_line_piece(parts_.more, [&](std::string_view piece, bool last) { row_piece(piece, last); });
    if (open_ || (!begin_.empty() && rows_ == 0))
      throw Error(Kind::Corrupt, quoted(parts_.more) + ": its rows are cut");
    if (!begin_.empty()) put(";\n");
    each_line_piece(parts_.foot, [&](std::string_view piece, bool last) {
      put(piece);
      if (last) put("\n");
    });
    flush();
  }

 private:
  void put_head() {
    const std::string head = read_file(parts_.head, kMostRowsHead);
    put(head);
    if (head.empty()) return;
    if (head.back() != '\n') throw Error(Kind::Corrupt, quoted(parts_.head) + " is cut");
    const std::size_t before = head.size() < 2 ? std::string::npos : head.rfind('\n', head.size() - 2);
    begin_ = head.substr(before == std::string::npos ? 0 : before + 1);
    // It is written again and again: a few bytes must not become a full disk.
    if (begin_.size() > kMostBegin)
      throw Error(Kind::Corrupt, quoted(parts_.head) + " ends with a line that begins no statement");
  }

  void put_older() {
    std::uint64_t number = 1;
    bool wanted = number != gone_.current();
    each_line_piece(parts_.rows, [&](std::string_view piece, bool last) {
      if (wanted) row_piece(piece, last);
      if (!last) return;
      if (!wanted) gone_.next();
      wanted = ++number != gone_.current();
    });
    if (open_ || gone_.current() != 0)
      throw Error(Kind::Corrupt, quoted(parts_.gone) + " names lines that " + quoted(parts_.rows) +
                                     " does not have: they do not belong together");
  }

  // The rows of statements lose their last byte, which said whether another one comes.
  void row_piece(std::string_view piece, bool last) {
    if (begin_.empty()) {
      put(piece);
      if (last) put("\n");
      open_ = !last;
      return;
    }
    if (!open_) begin_row();
    if (!piece.empty()) {
      put(held_);
      put(piece.substr(0, piece.size() - 1));
      held_ = piece.back();
      bytes_ += piece.size();
    }
    open_ = !last;
  }
  void begin_row() {
    if (rows_ == kStatementRows || bytes_ > kStatementBytes) {
      put(";\n");
      put(begin_);
      rows_ = bytes_ = 0;
    } else if (rows_ > 0) {
      put(",\n");
    }
    ++rows_;
    held_.clear();
  }

  void put(std::string_view bytes) {
    text_ += bytes;
    if (text_.size() >= kBuffer) flush();
  }
  void flush() {
    if (!text_.empty()) write_(text_);
    text_.clear();
  }

  const RowParts& parts_;
  const std::function<void(std::string_view)>& write_;
  Numbers gone_;
  std::string text_, begin_, held_;
  bool open_ = false;  // a row has begun
  std::uint64_t rows_ = 0, bytes_ = 0;
};

// The file of that name is what they say, durably, or is not there.
void make_file(const std::string& name, const std::string& making) {
  Fd file = open_file(making, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  Sha256 digest;
  join_rows({name + ".rows", name + ".gone", name + ".more", name + ".head", name + ".foot"},
            [&](std::string_view bytes) {
              digest.update(bytes);
              write_all(file.get(), bytes);
            });
  if (read_file(name + ".sum", kMostSum) != digest.finish().hex() + "\n")
    throw Error(Kind::Corrupt, quoted(name) +
                                   " is not what was dumped when it is put together: its parts do "
                                   "not belong together; restore them once more, or another time");
  sync_file(file.get());
  file.close();
  rename_durably(making, name);
}

void make_whole(const std::string& name) {
  const std::string making = name + ".making";
  remove_name(making);
  try {
    make_file(name, making);
  } catch (const Error&) {
    remove_name(making);
    throw;
  }
  // The list first: without it nothing is made again.
  for (const char* part : {".gone", ".rows", ".more", ".head", ".foot", ".sum"}) remove_name(name + part);
}

// Parts without their list, and without what a cut run had made of them: then that file would be missing
// without a word.  One such name alone may be anything.
void require_list(const std::string& part) {
  constexpr std::string_view kOthers[] = {".rows", ".more", ".head", ".foot", ".sum"};
  for (const std::string_view ending : kOthers) {
    if (!part.ends_with(ending)) continue;
    const std::string name = part.substr(0, part.size() - ending.size());
    const auto there = std::count_if(std::begin(kOthers), std::end(kOthers), [&](std::string_view other) {
      return look(name + std::string(other)).has_value();
    });
    if (there < 2 || look(name) || look(name + ".gone")) continue;
    throw Error(Kind::NotFound, quoted(name + ".gone") + " is missing, and without it " + quoted(name) +
                                    " cannot be made; restore them once more, or another time");
  }
}

}  // namespace

void join_rows(const RowParts& parts, const std::function<void(std::string_view)>& write) {
  Joining(parts, write).run();
}

std::uint64_t make_rows_whole(const std::string& folder) {
  const std::optional<struct stat> top = look(folder);
  if (!top) throw Error(Kind::NotFound, quoted(folder) + " does not exist");
  if (!S_ISDIR(top->st_mode)) throw Error(Kind::Usage, quoted(folder) + " is not a folder");
  constexpr std::string_view kGone = ".gone";
  std::uint64_t made = 0;
  std::vector<std::string> pending{folder}, marks;
  while (!pending.empty()) {
    const std::string path = std::move(pending.back());
    pending.pop_back();
    for (const std::string& name : list_directory(path)) {
      const std::string full = join_path(path, name);
      const std::optional<struct stat> info = look(full);
      if (info && S_ISDIR(info->st_mode)) pending.push_back(full);
      if (!info || !S_ISREG(info->st_mode)) continue;
      if (name == kNotWhole) marks.push_back(full);
      require_list(full);
      if (!name.ends_with(kGone) || name.size() == kGone.size()) continue;
      make_whole(full.substr(0, full.size() - kGone.size()));
      ++made;
    }
  }
  for (const std::string& mark : marks) remove_name(mark);
  return made;
}

bool is_not_whole(const std::string& tree) { return look(join_path(tree, kNotWhole)).has_value(); }

std::string not_whole_advice(std::string_view program, std::string_view folder) {
  return "tables are kept as what changed: before the dump is loaded run " + std::string(program) +
         " whole " + std::string(folder);
}

}  // namespace bk
