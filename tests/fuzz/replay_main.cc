// Runs a fuzz harness over its corpus without libFuzzer: every preset but `fuzz` replays what was found
// before.
//
//   NAME_fuzz DIRECTORY|FILE…
#include "common/io/file.h"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::size_t replay(const std::string& path) {
  if (bk::is_directory(path)) {
    std::size_t count = 0;
    for (const std::string& name : bk::list_directory(path)) count += replay(path + "/" + name);
    return count;
  }
  const std::string bytes = bk::read_file(path);
  (void)LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t count = 0;
  for (int i = 1; i < argc; ++i) count += replay(argv[i]);
  std::printf("%zu inputs\n", count);
  return count > 0 ? 0 : 1;
}
