#include "client/modules/row_changes.h"

#include "client/modules/row_scan.h"
#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "common/io/file.h"
#include "common/restore/line_pieces.h"
#include "common/restore/whole_rows.h"
#include "common/spill/sorter.h"
#include "common/text/escape.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>

namespace bk::client {
namespace {

using Part = RowLine::Part;

constexpr std::uint64_t kSmallest = 1U << 20U;
constexpr std::uint64_t kFifth = 5;
constexpr std::uint64_t kPlace = 12U << 10U;  // what a change costs in a whole file: its piece, at times two
constexpr std::uint64_t kCheap = 40;          // a whole file whose changes cost less than a fortieth stays
constexpr std::size_t kSorterMemory = 4U << 20U;
constexpr std::size_t kBuffer = 256U << 10U;
constexpr std::size_t kHash = 16;

std::string record_of(std::uint64_t number) {
  std::string out(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) out[i] = static_cast<char>(number >> (56 - 8 * i));
  return out;
}
std::uint64_t number_in(std::string_view record) {
  std::uint64_t out = 0;
  for (const char c : record) out = out << 8U | static_cast<unsigned char>(c);
  return out;
}

std::uint64_t bytes_of(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return 0;
  return static_cast<std::uint64_t>(info.st_size);
}

// Rows in whatever order: how many, and the sum of their hashes.
struct Sum {
  std::uint64_t rows = 0, high = 0, low = 0;
  void add(std::string_view hash) {
    ++rows;
    high += number_in(hash.substr(0, 8));
    low += number_in(hash.substr(8));
  }
  bool operator==(const Sum&) const = default;
};

class Output {
 public:
  explicit Output(const std::string& path)
      : fd_(open_file(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600)) {}
  void put(std::string_view bytes) {
    text_ += bytes;
    if (text_.size() >= kBuffer) flush();
  }
  void close() {
    flush();
    fd_.close();
  }

 private:
  void flush() {
    write_all(fd_.get(), text_);
    text_.clear();
  }
  Fd fd_;
  std::string text_;
};

// The rows of a file as sorted records: hash, then line number; and all other lines' numbers.
class Rows {
 public:
  SortedRecords records, others;
  Sum sum;
  std::uint64_t head = 0;           // its lines up to this number
  std::uint64_t foot = UINT64_MAX;  // its lines from this number on

  // False when it is no file of rows.
  bool read(const std::string& path, RowForm form, const std::shared_ptr<SpillFile>& file) {
    Sorter rows(file, kSorterMemory), rest(file, kSorterMemory);
    const bool good = scan_rows(path, form, [&](const RowLine& line) {
      if (line.part == Part::Head) head = line.number;
      if (line.part == Part::Foot) foot = std::min(foot, line.number);
      if (line.part != Part::Row) return rest.add(record_of(line.number));
      rows.add(line.hash + record_of(line.number));
      sum.add(line.hash);
    });
    records = rows.finish();
    others = rest.finish();
    return good;
  }

  [[nodiscard]] bool is_before(std::string_view hash) {
    const std::optional<std::string_view> next = records.peek();
    return next && next->substr(0, kHash) < hash;
  }
  [[nodiscard]] bool is_at(std::string_view hash) {
    const std::optional<std::string_view> next = records.peek();
    return next && next->substr(0, kHash) == hash;
  }
  // The number of the next record, which is taken.
  std::string take() { return std::string(records.next()->substr(kHash)); }
};

// Two sorted sets of numbers, in order, as one.
std::optional<std::uint64_t> next_of(SortedRecords& a, SortedRecords& b) {
  const std::optional<std::string_view> left = a.peek(), right = b.peek();
  if (!left && !right) return std::nullopt;
  const bool first = left && (!right || *left < *right);
  return number_in(*(first ? a : b).next());
}

class Comparison {
 public:
  Comparison(std::string older, std::string since, std::string now, RowForm form, const std::string& scratch)
      : older_(std::move(older)),
        since_(std::move(since)),
        now_(std::move(now)),
        form_(form),
        file_(std::make_shared<SpillFile>(scratch)) {}

  // False: not files of rows, nothing changed, or too much.
  bool run() {
    if (!then_.read(older_, form_, file_) || !present_.read(now_, form_, file_)) return false;
    if (!since_.empty()) read_since();
    Sorter gone(file_, kSorterMemory), kept(file_, kSorterMemory), fresh(file_, kSorterMemory);
    const std::uint64_t most = 2 * (present_.sum.rows / kFifth);
    std::uint64_t changes = 0;
    while (present_.records.peek() && changes <= most) {
      const std::string hash(present_.records.peek()->substr(0, kHash));
      const std::string number = present_.take();
      for (; then_.is_before(hash); ++changes) gone.add(then_.take());
      while (more_.is_before(hash)) (void)more_.take();
      if (then_.is_at(hash)) {
        (void)then_.take();
        continue;
      }
      ++changes;
      if (more_.is_at(hash)) {
        kept.add(more_.take());
      } else {
        fresh.add(number);
      }
    }
    for (; then_.records.peek() && changes <= most; ++changes) gone.add(then_.take());
    gone_ = gone.finish();
    kept_ = kept.finish();
    fresh_ = fresh.finish();
    return changes > 0 && changes <= most;
  }

  // In how many places a whole file would differ from the older state.
  std::uint64_t places() {
    std::uint64_t out = 1, last = 0;
    for (SortedRecords* records : {&gone_, &fresh_}) {
      while (const std::optional<std::string_view> record = records->next()) {
        const std::uint64_t number = number_in(*record);
        if (number > last + 2) ++out;  // a statement's beginning may stand between two rows
        last = number;
      }
      records->rewind();
    }
    return out;
  }

  void write(const std::string& name) {
    Output gone(name + ".gone");
    while (const std::optional<std::uint64_t> number = next_of(gone_, then_.others))
      gone.put(std::to_string(*number) + "\n");
    gone.close();
    // What it held already keeps its place, so that the store has it already.
    Output more(name + ".more");
    if (!since_.empty()) copy(since_, kept_, more);
    copy(now_, fresh_, more);
    more.close();
    Output head(name + ".head"), foot(name + ".foot");
    std::uint64_t number = 1;
    each_line_piece(now_, [&](std::string_view piece, bool last) {
      Output* out = number <= present_.head ? &head : number >= present_.foot ? &foot : nullptr;
      if (out != nullptr) out->put(piece);
      if (out != nullptr && last) out->put("\n");
      number += last ? 1 : 0;
    });
    head.close();
    foot.close();
  }

  // Puts together what was written and notes its digest.  False when it does not hold the same rows.
  [[nodiscard]] bool seal(const std::string& name) const {
    if (bytes_of(name + ".head") > kMostRowsHead) return false;
    Sum sum;
    Sha256 digest;
    RowScan scan(form_, [&](const RowLine& line) {
      if (line.part == Part::Row) sum.add(line.hash);
    });
    try {
      join_rows({older_, name + ".gone", name + ".more", name + ".head", name + ".foot"},
                [&](std::string_view bytes) {
                  digest.update(bytes);
                  cut_lines(bytes, [&](std::string_view piece, bool last) { scan.piece(piece, last); });
                });
    } catch (const Error& error) {
      if (error.kind() != Kind::Corrupt) throw;
      return false;  // changed by somebody meanwhile, or a table of very many columns
    }
    if (!scan.good() || !(sum == present_.sum)) return false;
    Output out(name + ".sum");
    out.put(digest.finish().hex() + "\n");
    out.close();
    return true;
  }

 private:
  // NAME.more is rows and nothing else.
  void read_since() {
    Sorter rows(file_, kSorterMemory);
    (void)scan_rows(
        since_, form_, [&](const RowLine& line) { rows.add(line.hash + record_of(line.number)); }, true);
    more_.records = rows.finish();
  }

  static void copy(const std::string& path, SortedRecords& named, Output& out) {
    std::uint64_t number = 1;
    const auto is_named = [&] { return named.peek() && number_in(*named.peek()) == number; };
    bool wanted = is_named();
    each_line_piece(path, [&](std::string_view piece, bool last) {
      if (wanted) out.put(piece);
      if (!last) return;
      if (wanted) {
        out.put("\n");
        (void)named.next();
      }
      ++number;
      wanted = is_named();
    });
  }

  std::string older_, since_, now_;
  RowForm form_;
  std::shared_ptr<SpillFile> file_;
  Rows then_, more_, present_;
  SortedRecords gone_, kept_, fresh_;
};

bool equal_bytes(const std::string& a, const std::string& b) {
  const Fd left = open_file(a, O_RDONLY | O_NOFOLLOW), right = open_file(b, O_RDONLY | O_NOFOLLOW);
  std::string one(kBuffer, '\0'), other(kBuffer, '\0');
  for (;;) {
    const std::size_t got = read_up_to(left.get(), one.data(), kBuffer);
    if (read_up_to(right.get(), other.data(), kBuffer) != got || one.compare(0, got, other, 0, got) != 0)
      return false;
    if (got < kBuffer) return true;
  }
}

void remove_parts(const std::string& name) {
  for (const char* part : {".gone", ".more", ".head", ".foot", ".sum"}) (void)::unlink((name + part).c_str());
}

}  // namespace

bool keep_changes(Spool& spool, const std::string& relative, RowForm form) {
  const std::string now = join_path(spool.folder(), relative);
  const std::string previous = spool.previous();
  const std::uint64_t bytes = bytes_of(now);
  if (bytes < kSmallest || previous.empty()) return false;
  const std::string before = join_path(previous, relative);
  const bool goes_on = bytes_of(before + ".rows") > 0;
  const std::string older = goes_on ? before + ".rows" : before;
  if (bytes_of(older) < kSmallest) return false;
  if (!goes_on && bytes_of(older) == bytes && equal_bytes(older, now)) return false;
  // A crash may have left one without the other.
  const std::string since = goes_on && bytes_of(before + ".more") > 0 ? before + ".more" : "";
  Comparison comparison(older, since, now, form, spool.folder());
  if (!comparison.run()) return false;
  // Once it has begun, a whole file would be new to the store.
  if (!goes_on && comparison.places() * kPlace < bytes / kCheap) return false;
  comparison.write(now);
  if (!comparison.seal(now)) {
    remove_parts(now);
    return false;
  }
  if (goes_on) {
    spool.keep(relative + ".rows");
  } else {
    check_sys(::link(older.c_str(), (now + ".rows").c_str()), [&] { return "linking " + quoted(older); });
  }
  check_sys(::unlink(now.c_str()), [&] { return "removing " + quoted(now); });
  return true;
}

}  // namespace bk::client
