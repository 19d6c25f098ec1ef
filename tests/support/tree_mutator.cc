// Changes a tree without a pause, in every way a running system does, for tests of what reads it meanwhile.
//
//   tree_mutator TREE OUTSIDE      makes both, says "ready", and changes TREE until its standard input ends
//
// What lies where is what the judge (tests/unit/pull/constant_change_test.cc) relies on:
//   atomic/N   whole versions, replaced by rename           in-place/N  overwritten block by block
//   begin/N    cut to nothing and written again             stealth/N   other bytes, same size and mtime
//   swap/N     a file, a FIFO, a directory, a device, or a symlink to OUTSIDE/decoy
//   exchange/N a directory, exchanged for a symlink to OUTSIDE/dir, which has the same names
//   pair/A, B  two directories with files of the same names, exchanged for each other
//   churn      trees that come and go                       mapped      written through a mapping
//   always/N   never changed                                links       names of files that come and go
#include "common/error/error.h"
#include "common/io/fd.h"
#include "common/io/file.h"
#include "tests/support/marked.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <functional>
#include <thread>
#include <vector>

namespace {

using namespace bk;        // NOLINT: a program of the tests
using namespace bk::test;  // NOLINT

constexpr std::array<std::size_t, 6> kSizes{100, 600, 5000, 60'000, 300'000, 2'000'000};

void put(const std::string& path, std::string_view bytes, int more_flags = O_TRUNC) {
  const Fd fd = open_file(path, O_WRONLY | O_CREAT | more_flags, 0644);
  write_all(fd.get(), bytes);
}

void replace(const std::string& directory, std::uint64_t file, std::uint64_t version, std::size_t size) {
  const std::string path = fmt::format("{}/{}", directory, file),
                    next = fmt::format("{}/new-{}", directory, file);
  put(next, marked_content(file, version, marked_size(file, version, size)));
  (void)::rename(next.c_str(), path.c_str());
}

void change_atomic(const std::string& top, std::uint64_t round) {
  for (std::uint64_t file = 0; file < 60; ++file) {
    if (file % 6 < 4 || (round + file) % 8 == 0) replace(top + "/atomic", file, round, kSizes[file % 6]);
  }
}

void change_in_place(const std::string& top, std::uint64_t round) {
  constexpr std::array<std::size_t, 4> kBlocks{1, 16, 100, 700};
  const std::uint64_t file = round % 8, version = round / 8;
  const Fd fd = open_file(fmt::format("{}/in-place/{}", top, file), O_WRONLY | O_CREAT, 0644);
  for (std::uint64_t block = 0; block < kBlocks[file % 4]; ++block) {
    (void)!::pwrite(fd.get(), marked_block({file, version, block}).data(), kMarkedBlock,
                    static_cast<off_t>(block * kMarkedBlock));
  }
}

void change_begin(const std::string& top, std::uint64_t round) {
  const std::uint64_t file = round % 4;
  const std::string content = marked_content(file, round, kSizes[2 + file]);
  const Fd fd = open_file(fmt::format("{}/begin/{}", top, file), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  for (std::size_t at = 0; at < content.size(); at += 10'000)
    write_all(fd.get(), std::string_view(content).substr(at, 10'000));
}

void change_by_stealth(const std::string& top, std::uint64_t round) {
  const std::uint64_t file = round % 6;
  const std::string path = fmt::format("{}/stealth/{}", top, file);
  put(path, marked_content(file, round, kSizes[file]), 0);
  const std::array<timespec, 2> times{{{0, UTIME_OMIT}, {1'500'000'000, 5}}};
  (void)::utimensat(AT_FDCWD, path.c_str(), times.data(), 0);
}

void make_kind(const std::string& path, std::uint64_t kind, const std::string& outside) {
  switch (kind) {
    case 0:
      return put(path, marked_content(7, 7, 5000));
    case 1:
      (void)::mkfifo(path.c_str(), 0644);
      return;
    case 2:
      (void)::symlink((outside + "/decoy").c_str(), path.c_str());
      return;
    case 3:
      (void)::mkdir(path.c_str(), 0755);
      return put(path + "/inside", marked_content(7, 7, 5000));
    default:
      if (::mknod(path.c_str(), S_IFCHR | 0644, makedev(1, 3)) != 0) put(path, marked_content(7, 7, 5000));
  }
}

void remove_kind(const std::string& path) {
  (void)::unlink((path + "/inside").c_str());
  if (::unlink(path.c_str()) != 0) (void)::rmdir(path.c_str());
}

void change_type(const std::string& top, std::uint64_t round, const std::string& outside) {
  const std::string path = fmt::format("{}/swap/{}", top, round % 30);
  const std::string next = fmt::format("{}/next", outside);
  make_kind(next, (round / 30 + round) % 5, outside);
  if (::renameat2(AT_FDCWD, next.c_str(), AT_FDCWD, path.c_str(), RENAME_EXCHANGE) != 0)
    (void)::rename(next.c_str(), path.c_str());
  remove_kind(next);
}

void exchange(const std::string& top, std::uint64_t round, const std::string& outside) {
  const std::uint64_t number = round % 6;
  const std::string path = fmt::format("{}/exchange/{}", top, number);
  (void)::renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, fmt::format("{}/link-{}", outside, number).c_str(),
                    RENAME_EXCHANGE);
  const std::string deeper = fmt::format("{}/exchange/deep/a/b/c", top);
  (void)::renameat2(AT_FDCWD, deeper.c_str(), AT_FDCWD, (outside + "/link-deep").c_str(), RENAME_EXCHANGE);
}

void exchange_pair(const std::string& top) {
  (void)::renameat2(AT_FDCWD, (top + "/pair/a").c_str(), AT_FDCWD, (top + "/pair/b").c_str(),
                    RENAME_EXCHANGE);
}

void churn(const std::string& top, std::uint64_t round) {
  const std::string path = fmt::format("{}/churn/{}", top, round % 5);
  if ((round / 5) % 2 == 0) {
    ensure_directory(path + "/a/b/c");
    for (int i = 0; i < 10; ++i) put(fmt::format("{}/a/b/f{}", path, i), std::string(700, 'c'));
  } else {
    (void)::rename((path + "/a").c_str(), fmt::format("{}/churn/moved-{}", top, round % 5).c_str());
    remove_tree(path);
    remove_tree(fmt::format("{}/churn/moved-{}", top, round % 5));
  }
}

void change_links(const std::string& top, std::uint64_t round) {
  const std::string from = fmt::format("{}/atomic/{}", top, round % 60);
  const std::string to = fmt::format("{}/links/{}", top, round % 17);
  (void)::unlink(to.c_str());
  (void)::link(from.c_str(), to.c_str());
}

void write_mapped(const std::string& top, std::uint64_t round) {
  const Fd fd = open_file(top + "/mapped/0", O_RDWR | O_CREAT, 0644);
  if (::ftruncate(fd.get(), 1 << 20) != 0) return;
  void* at = ::mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (at == MAP_FAILED) return;
  std::memset(static_cast<char*>(at) + (round % 256) * 4096, static_cast<int>(round % 251), 4096);
  (void)::munmap(at, 1 << 20);
}

void make_trees(const std::string& top, const std::string& outside) {
  for (const char* name : {"atomic", "in-place", "begin", "stealth", "swap", "exchange/deep/a/b/c", "churn",
                           "always", "links", "mapped"})
    ensure_directory(fmt::format("{}/{}", top, name));
  ensure_directory(outside + "/dir/sub");
  for (const std::size_t size : kSizes) {
    const std::string canary = marked_content(666, size, size);
    put(fmt::format("{}/dir/{}", outside, size), canary);
    put(fmt::format("{}/dir/sub/{}", outside, size), canary);
  }
  put(outside + "/decoy", marked_content(666, 1, 5000));
  put(outside + "/dir/f", marked_content(666, 2, 5000));
  for (int i = 0; i < 6; ++i) {
    const std::string path = fmt::format("{}/exchange/{}", top, i);
    ensure_directory(path + "/sub");
    for (const std::size_t size : kSizes) put(fmt::format("{}/{}", path, size), marked_content(7, 7, size));
    (void)::symlink((outside + "/dir").c_str(), fmt::format("{}/link-{}", outside, i).c_str());
  }
  for (const std::uint64_t side : {1U, 2U}) {
    const std::string path = fmt::format("{}/pair/{}", top, side == 1 ? "a" : "b");
    ensure_directory(path);
    for (std::uint64_t i = 0; i < 40; ++i)
      put(fmt::format("{}/{}", path, i), marked_content(i, side, kSizes[i % 4]));
    for (int i = 0; i < 5; ++i)
      (void)::symlink(std::to_string(side).c_str(), fmt::format("{}/link-{}", path, i).c_str());
  }
  put(top + "/exchange/deep/a/b/c/f", marked_content(7, 7, 5000));
  (void)::symlink((outside + "/dir").c_str(), (outside + "/link-deep").c_str());
  for (std::uint64_t i = 0; i < 300; ++i)
    put(fmt::format("{}/always/{}", top, i), marked_content(i, 0, kSizes[i % 5]));
  change_atomic(top, 0);
  for (std::uint64_t file = 0; file < 60; ++file) replace(top + "/atomic", file, 0, kSizes[file % 6]);
}

}  // namespace

int main(int, char** argv) {
  const std::string top = argv[1], outside = argv[2];
  const std::vector<std::function<void(std::uint64_t)>> ways{
      [&](std::uint64_t round) { change_atomic(top, round); },
      [&](std::uint64_t round) { change_in_place(top, round); },
      [&](std::uint64_t round) { change_begin(top, round); },
      [&](std::uint64_t round) { change_by_stealth(top, round); },
      [&](std::uint64_t round) { change_type(top, round, outside); },
      [&](std::uint64_t round) { exchange(top, round, outside); },
      [&](std::uint64_t) { exchange_pair(top); },
      [&](std::uint64_t round) { churn(top, round); },
      [&](std::uint64_t round) { change_links(top, round); },
      [&](std::uint64_t round) { write_mapped(top, round); }};
  if (::access(top.c_str(), F_OK) != 0) make_trees(top, outside);
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  (void)!::write(STDOUT_FILENO, "ready\n", 6);
  threads.reserve(ways.size());
  const auto base = static_cast<std::uint64_t>(::getpid()) * 1000;  // never a version of an earlier run
  for (const auto& way : ways) {
    threads.emplace_back([&way, &stop, base] {
      for (std::uint64_t round = base; !stop; ++round) {
        way(round);
        if (round % 16 == 0) std::this_thread::yield();
      }
    });
  }
  char byte = 0;
  while (::read(STDIN_FILENO, &byte, 1) > 0) {
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  return 0;
}
