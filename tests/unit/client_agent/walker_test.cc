// A walk in which somebody is quicker than we are.
#include "client/agent/walker.h"

#include "client/agent/beneath.h"
#include "common/io/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <set>
#include <string>

namespace {
std::string g_goes;  // removed once it was looked at through a descriptor
}

extern "C" int fstat(int fd, struct stat* facts) noexcept {
  const int result = ::fstatat(fd, "", facts, AT_EMPTY_PATH);
  struct stat there {};
  if (!g_goes.empty() && ::lstat(g_goes.c_str(), &there) == 0 && there.st_ino == facts->st_ino)
    (void)::rmdir(g_goes.c_str());
  return result;
}

namespace bk::agent {
namespace {

TEST(Walker, AFolderThatGoesBetweenOpeningAndListingHasVanished) {
  char name[] = "/tmp/bk-walker-XXXXXX";
  const std::string root = ::mkdtemp(name);
  for (const char* below : {"/a", "/b", "/b/x", "/c"}) ensure_directory(root + below);
  g_goes = root + "/b/x";
  WalkContext context("/tmp");
  context.root = open_root(root);
  std::set<std::string> reported, left;
  context.report = [&](pull::SkipReason, int, std::string_view path) { reported.emplace(path); };
  TreeWalker walker(context);
  while (const auto event = walker.next())
    if (event->kind == WalkEvent::Kind::Leave) left.emplace(event->path);
  g_goes.clear();
  remove_tree(root);
  EXPECT_EQ(reported, std::set<std::string>{}) << "nothing is unreadable";
  EXPECT_EQ(left, (std::set<std::string>{"", "a", "b", "c"}));
  EXPECT_GE(context.counters.vanished, 1U);
}

}  // namespace
}  // namespace bk::agent
