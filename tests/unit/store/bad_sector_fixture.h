// A store on a disk with a bad sector.
#pragma once

#include "tests/unit/store/hooked_calls.h"
#include "tests/unit/store/store_fixture.h"

#include <algorithm>
#include <string>
#include <vector>

namespace bk::store::test {

using What = HealEvent::What;

inline ChunkId id_of(const std::string& content) { return chunk_id(ObjectKind::Data, content); }

// What reading the chunk of this content gives.
enum class Read { Good, Io, Missing };
inline Read read_of(Store& store, const std::string& content) {
  try {
    EXPECT_EQ(store.read(ObjectKind::Data, id_of(content)), content);
    return Read::Good;
  } catch (const Error& error) {
    return error.kind() == Kind::Io ? Read::Io : Read::Missing;
  }
}

// A store of three files in one journal that nobody owns; the one in the middle has a bad sector.
class BadSectorTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    bad_disk.good();
    const auto store = open();
    (void)commit(*store, "web1", {{"a", first_}, {"b", middle_}, {"c", last_}});
    journal_ = files_in(home() + "/store/journal").at(0);
    place_ = place_of(*store, middle_);
    place_ = (place_ / 4096 + 2) * 4096;
  }
  void TearDown() override {
    bad_disk.good();
    StoreTest::TearDown();
  }
  static std::uint64_t place_of(Store& store, const std::string& content) {
    const ChunkId id = id_of(content);
    return store.locate(ObjectKind::Data, {&id, 1}).at(0)->offset;  // NOLINT: it stands there
  }
  void damage(const std::string& path) { bad_disk.damage(path, place_, place_ + 4096); }
  std::vector<HealEvent> heal(Store& store, const std::string& copy = {}) {
    std::vector<HealEvent> out;
    totals_ = store.heal(copy, [&](const HealEvent& event) { out.push_back(event); }, {});
    return out;
  }
  std::vector<std::string> packs() {
    std::vector<std::string> out = files_in(home() + "/store/packs");
    std::erase_if(out, [](const std::string& path) { return !path.ends_with(".pack"); });
    return out;
  }
  void expect_the_middle_is_lost(Store& store) {
    EXPECT_EQ(read_of(store, first_), Read::Good);
    EXPECT_EQ(read_of(store, middle_), Read::Io);
    EXPECT_EQ(read_of(store, last_), Read::Good);
  }
  const std::string first_ = noise(1U << 20U, 1), middle_ = noise(1U << 20U, 2), last_ = noise(1U << 20U, 3);
  std::string journal_;
  std::uint64_t place_ = 0;
  HealTotals totals_;
};

}  // namespace bk::store::test
