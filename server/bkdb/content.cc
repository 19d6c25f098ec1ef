#include "server/bkdb/content.h"

#include "common/text/escape.h"
#include "server/bkdb/window.h"
#include "server/store/tree.h"

#include <algorithm>

namespace bk::bkdb {
namespace {

constexpr std::uint64_t kWaitingBytes = 8U << 20U;

class Streamer {
 public:
  Streamer(store::Store& store, const std::function<void(std::string_view)>& sink, bool stop_at_damage)
      : store_(store), sink_(sink), stop_at_damage_(stop_at_damage) {}

  void add(const Extent& extent) {
    written_ += extent.bytes;
    if (extent.kind == Extent::Kind::Chunk) return add_chunk(extent);
    flush();
    if (extent.kind == Extent::Kind::Inline)
      sink_(extent.inline_data);
    else
      zeros(extent.bytes);
  }

  void flush() {
    if (pieces_.empty()) return;
    window_.flush(
        store_,
        [&](std::uint64_t at, const ChunkId&, std::string_view content) { pieces_[at].content = content; },
        [&](std::uint64_t, const ChunkId&, const Error& error) {
          if (stop_at_damage_ && store::is_unreadable(error)) throw store::Unreadable(error);
          fail(error.what());
        });
    for (const Piece& piece : pieces_)
      if (piece.content.size() == piece.bytes)
        sink_(piece.content);
      else
        zeros(piece.bytes);
    pieces_.clear();
    waiting_ = 0;
  }

  void fail(const std::string& text) {
    if (stop_at_damage_) throw Error(Kind::Corrupt, text);
    damage_ = text;
  }

  void zeros(std::uint64_t bytes) {
    static const std::string kZeros(256U << 10U, '\0');
    for (; bytes > kZeros.size(); bytes -= kZeros.size()) sink_(kZeros);
    sink_(std::string_view(kZeros).substr(0, static_cast<std::size_t>(bytes)));
  }

  [[nodiscard]] std::uint64_t written() const { return written_; }
  [[nodiscard]] const std::string& damage() const { return damage_; }

 private:
  struct Piece {
    std::uint64_t bytes = 0;
    std::string content;
  };
  void add_chunk(const Extent& extent) {
    window_.add(extent.id, extent.bytes, pieces_.size());
    pieces_.push_back({extent.bytes, {}});
    waiting_ += extent.bytes;
    if (waiting_ >= kWaitingBytes) flush();
  }

  store::Store& store_;
  const std::function<void(std::string_view)>& sink_;
  bool stop_at_damage_;
  ChunkWindow window_;
  std::vector<Piece> pieces_;
  std::uint64_t waiting_ = 0, written_ = 0;
  std::string damage_;
};

}  // namespace

std::string stream_content(store::Store& store, const Entry& entry,
                           const std::function<void(std::string_view)>& sink, bool stop_at_damage) {
  Streamer streamer(store, sink, stop_at_damage);
  std::string damage;
  if (!with_joined_extents(store, entry, damage)) {
    streamer.fail(damage);
    streamer.zeros(entry.size);
    return damage;
  }
  store::for_each_extent(store, entry, [&](const Extent& extent) { streamer.add(extent); });
  streamer.flush();
  return streamer.damage();
}

std::optional<Entry> with_joined_extents(store::Store& store, const Entry& entry, std::string& damage) {
  Entry out = entry;
  out.content.clear();
  std::uint64_t length = 0;
  try {
    store::for_each_extent(store, entry, [&](const Extent& extent) {
      const Extent::Kind kind = extent.kind == Extent::Kind::Hole ? Extent::Kind::Hole : Extent::Kind::Chunk;
      if (out.content.empty() || out.content.back().kind != kind) out.content.push_back({kind, 0, {}, {}});
      out.content.back().bytes += extent.bytes;
      length += extent.bytes;
    });
  } catch (const Error& error) {
    if (error.kind() != Kind::Corrupt) throw;
    damage = error.what();
    return std::nullopt;
  }
  if (length == entry.size) return out;
  damage = "its recorded content has another length than its size";
  return std::nullopt;
}

}  // namespace bk::bkdb
