#include "server/bkdb/walk.h"

#include "common/path/names.h"
#include "server/store/tree.h"

#include <algorithm>
#include <memory>
#include <set>

namespace bk::bkdb {
namespace {

// A directory being walked: either all of it, or only the names that lead to parts.
struct Level {
  std::string path;
  Entry directory;
  std::unique_ptr<store::DirectoryReader> reader;
  bool whole = true;
  std::vector<std::string> names;  // not whole: what is still to be looked up, last first
};

std::string below(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "/" + name;
}

class Walk {
 public:
  Walk(store::Store& store, const std::vector<std::string>& parts, Visitor& visitor)
      : store_(store), parts_(parts.begin(), parts.end()), missing_(parts_), visitor_(visitor) {
    if (parts_.empty() || parts_.count("") > 0) parts_ = missing_ = {""};
  }

  std::vector<std::string> run(const Entry& root) {
    visit("", root);
    while (!stack_.empty()) step();
    return {missing_.begin(), missing_.end()};
  }

 private:
  // Parts at or above a path make all of it wanted.
  bool wanted_whole(const std::string& path) const {
    return std::any_of(parts_.begin(), parts_.end(), [&](const std::string& part) {
      return part.empty() || path == part ||
             (path.size() > part.size() && path.starts_with(part) && path[part.size()] == '/');
    });
  }

  std::vector<std::string> next_names(const std::string& path) const {
    const std::string prefix = path.empty() ? "" : path + "/";
    std::set<std::string, std::greater<>> names;
    for (const std::string& part : parts_)
      if (part.size() > prefix.size() && part.starts_with(prefix))
        names.insert(part.substr(prefix.size(), part.find('/', prefix.size()) - prefix.size()));
    return {names.begin(), names.end()};
  }

  void visit(const std::string& path, const Entry& entry) {
    missing_.erase(path);
    const bool whole = wanted_whole(path);
    if (entry.type != EntryType::Directory) {
      if (whole) visitor_.entry(path, entry);
      return;
    }
    if (!visitor_.enter(path, entry)) return;
    Level level;
    level.path = path;
    level.directory = entry;
    level.whole = whole;
    if (!whole) level.names = next_names(path);
    try {
      level.reader = std::make_unique<store::DirectoryReader>(store_, entry.node);
    } catch (const Error& error) {
      if (error.kind() != Kind::Corrupt) throw;
      visitor_.damaged(path, error);
    }
    stack_.push_back(std::move(level));
  }

  std::optional<Entry> next(Level& level) {
    if (!level.reader) return std::nullopt;
    try {
      if (level.whole) return level.reader->next();
      while (!level.names.empty()) {
        const std::string name = std::move(level.names.back());
        level.names.pop_back();
        if (std::optional<Entry> found = level.reader->find(name)) return found;
      }
    } catch (const Error& error) {
      if (error.kind() != Kind::Corrupt) throw;
      visitor_.damaged(level.path, error);
      level.reader.reset();
    }
    return std::nullopt;
  }

  void step() {
    Level& level = stack_.back();
    if (const std::optional<Entry> entry = next(level)) {
      visit(below(level.path, entry->name), *entry);  // may move stack_: `level` is not used after it
      return;
    }
    visitor_.leave(level.path, level.directory);
    stack_.pop_back();
  }

  store::Store& store_;
  std::set<std::string> parts_, missing_;
  Visitor& visitor_;
  std::vector<Level> stack_;
};

}  // namespace

std::vector<std::string> walk(store::Store& store, const Entry& root, const std::vector<std::string>& parts,
                              Visitor& visitor) {
  return Walk(store, parts, visitor).run(root);
}

std::optional<std::string> part_of(const std::string& word, const std::string& name) {
  std::string text = word;
  while (text.size() > 1 && text.back() == '/') text.pop_back();
  if (text.starts_with("./")) text.erase(0, 2);
  if (text == "." || text == name) return "";
  if (!text.empty() && text.front() == '/') {
    const std::string prefix = name == "/" ? "/" : name + "/";
    if (!text.starts_with(prefix)) return std::nullopt;
    text.erase(0, prefix.size());
  }
  const std::optional<RelPath> path = RelPath::from(text);
  return path ? std::optional(path->bytes()) : std::nullopt;
}

std::optional<Entry> find_entry(store::Store& store, const Entry& root, const std::string& path) {
  Entry at = root;
  std::size_t begin = 0;
  while (begin < path.size()) {
    if (at.type != EntryType::Directory) return std::nullopt;
    const std::size_t end = std::min(path.find('/', begin), path.size());
    std::optional<Entry> found = store::DirectoryReader(store, at.node).find(path.substr(begin, end - begin));
    if (!found) return std::nullopt;
    at = std::move(*found);
    begin = end + 1;
  }
  return at;
}

}  // namespace bk::bkdb
