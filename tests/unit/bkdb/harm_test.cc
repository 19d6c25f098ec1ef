// Every file of a store in turn, harmed in six ways: noticed, healed where that is promised, and never a
// wrong byte exported as good.  The short form takes two of the ways for each file.
#include "tests/unit/bkdb/bkdb_fixture.h"

#include <unistd.h>

#include <array>

namespace bk::test {
namespace {

enum class Harm { Flip, Shorter, Empty, Deleted, Swapped, Older };
constexpr std::array<const char*, 6> kHarms = {"one flipped bit", "one byte less", "empty",
                                               "deleted",         "swapped",       "its older self"};

std::string noise(std::size_t size, std::uint64_t seed) {
  std::string out(size, '\0');
  for (char& c : out) {
    seed ^= seed << 13U;
    seed ^= seed >> 7U;
    seed ^= seed << 17U;
    c = static_cast<char>(seed >> 32U);
  }
  return out;
}

std::string load(const std::string& path) { return read_file(path, 1U << 30U); }

// Regular files below a folder, by their names within it.
std::vector<std::string> files_below(const std::string& folder, const std::string& within = {}) {
  std::vector<std::string> out;
  for (const std::string& name : list_directory(folder)) {
    const std::string path = folder + "/" + name;
    if (!is_directory(path)) {
      out.push_back(within + name);
      continue;
    }
    for (const std::string& one : files_below(path, within + name + "/")) out.push_back(one);
  }
  return out;
}

class HarmTest : public BkdbTest {
 protected:
  void SetUp() override {
    for (int i = 0; i < 34; ++i)
      write("t/" + std::to_string(i), noise(1U << 20U, 100 + static_cast<std::uint64_t>(i)));
    (void)back_up("t", {});
    write("u/other", noise(70000, 7));
    (void)back_up("u", {.client = "web2"});
    store_.reset();
    copy(home(), file("older"));
    store_ = store::Store::open(home() + "/store", true);
    write("t/new", noise(50000, 8));
    (void)back_up("t", {});
    write("u/new", noise(60000, 9));
    (void)back_up("u", {.client = "web2"});
    store_.reset();
    copy(home(), file("whole"));
  }

  static void copy(const std::string& from, const std::string& to) {
    remove_tree(to);
    ASSERT_EQ(run({"cp", "-a", from, to}).status, 0);
  }
  [[nodiscard]] std::string stored(const std::string& name) const { return home() + "/store/" + name; }

  static void overwrite(const std::string& path, const std::string& bytes) { replace_durably(path, bytes); }

  // The next file of the same folder of the store; packs in the making are left alone, nothing heals them.
  static std::string sibling(const std::vector<std::string>& all, std::size_t at) {
    const std::string folder = all[at].substr(0, all[at].find('/') + 1);
    for (std::size_t step = 1; step < all.size(); ++step) {
      const std::string& other = all[(at + step) % all.size()];
      if (other.starts_with(folder) && (!other.starts_with("journal/") || folder == "journal/")) return other;
    }
    return all[at];
  }

  // False when this harm does not exist for this file.
  bool harm(const std::vector<std::string>& all, std::size_t at, Harm how) {
    const std::string path = stored(all[at]);
    std::string bytes = load(path);
    const std::string before = bytes;
    switch (how) {
      case Harm::Flip:
        bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
        break;
      case Harm::Shorter:
        bytes.pop_back();
        break;
      case Harm::Empty:
        bytes.clear();
        break;
      case Harm::Deleted:
        return ::unlink(path.c_str()) == 0;
      case Harm::Swapped: {
        const std::string other = stored(sibling(all, at));
        bytes = load(other);
        overwrite(other, before);
        break;
      }
      case Harm::Older: {
        const std::string older = file("older") + "/store/" + all[at];
        if (!path_exists(older)) return false;
        bytes = load(older);
        break;
      }
    }
    if (bytes == before) return false;
    overwrite(path, bytes);
    return true;
  }

  // Whether everything came back; whatever came back is right.
  bool exports_completely(const std::string& what) {
    const std::string out = file("out");
    remove_tree(out);
    const Captured result = bkdb({"export", out, "--no-sync"});
    std::size_t found = 0;
    if (path_exists(out))
      for (const std::string& name : files_below(out)) {
        const std::string within = name.substr(name.find('/') + 1);
        if (within == name) continue;  // EXPORT.txt
        bool right = false;
        for (const char* source : {"t/", "u/"})
          right = right || (path_exists(file(source + within)) &&
                            load(file(source + within)) == load(out + "/" + name));
        EXPECT_TRUE(right) << what << ": " << name << " was exported wrong, exit " << result.status;
        ++found;
      }
    const bool complete = found == 37;
    EXPECT_TRUE(complete || result.status != 0) << what << ": " << found << " files, exit 0\n" << result.out;
    return complete && result.status == 0;
  }

  void try_harm(const std::vector<std::string>& all, std::size_t at, Harm how) {
    copy(file("whole"), home());
    if (!harm(all, at, how)) return;
    const std::string& name = all[at];
    const std::string what = name + ", " + kHarms[static_cast<std::size_t>(how)];
    const Captured verify = bkdb({"verify"});
    const bool complete = exports_completely(what);
    const bool noticed = verify.status != 0 || verify.out.find("without parity") != std::string::npos;
    // What a crash may leave is mended by whoever comes next, without a word.
    EXPECT_TRUE(noticed || complete) << what << "\n" << verify.out << verify.err;
    const bool in_pack = name.starts_with("packs/");
    if (name.starts_with("journal/")) return;  // packs in the making: the next backup brings it
    Captured heal = bkdb({"heal"});
    const bool promised = name.ends_with("/journal") || name.ends_with(".parity") ||
                          (name.ends_with(".pack") && (how == Harm::Flip || how == Harm::Shorter));
    if (promised && how != Harm::Swapped) {
      EXPECT_EQ(heal.status, 0) << what << "\n" << heal.out << heal.err;
    }
    if (heal.status != 0) heal = bkdb({"heal", "--from", file("whole") + "/store"});
    EXPECT_EQ(heal.status, 0) << what << "\n" << heal.out << heal.err;
    EXPECT_TRUE(!in_pack || load(stored(name)) == load(file("whole") + "/store/" + name)) << what;
    const Captured again = bkdb({"verify"});
    EXPECT_EQ(again.status, 0) << what << "\n" << again.out << again.err;
    EXPECT_TRUE(exports_completely(what)) << what << "\n" << heal.out;
  }
};

TEST_F(HarmTest, EveryFileInTurnIsNoticedHealedAndNeverExportedWrong) {
  std::vector<std::string> all;
  for (const std::string& name : files_below(home() + "/store"))
    if (!name.starts_with("locks/") && !name.ends_with("/lock") &&
        name.find(".making") == std::string::npos && name != "reserve")
      all.push_back(name);
  ASSERT_TRUE(exports_completely("untouched"));
  ASSERT_EQ(bkdb({"verify"}).status, 0);
  std::size_t turn = 0;
  for (std::size_t at = 0; at < all.size(); ++at)
    for (std::size_t how = 0; how < kHarms.size(); ++how) {
#ifndef BK_ALL_HARMS
      if ((at + how) % 3 != 0) continue;
#endif
      try_harm(all, at, static_cast<Harm>(how));
      ++turn;
    }
  EXPECT_GE(turn, all.size());
}

}  // namespace
}  // namespace bk::test
