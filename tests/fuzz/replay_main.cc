// Runs a fuzz target over files and folders of saved inputs, in builds without libFuzzer: every input that
// once broke a parser, and every seed, is a plain test.  A crash names its file, because it is printed first.
#include "common/error/error.h"
#include "common/io/file.h"

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::size_t replay(const std::string& path) {
  if (!bk::is_directory(path)) {
    std::printf("%s\n", path.c_str());
    (void)std::fflush(stdout);
    const std::string bytes = bk::read_file(path);
    (void)LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    return 1;
  }
  std::size_t count = 0;
  for (const std::string& name : bk::list_directory(path)) count += replay(bk::join_path(path, name));
  return count;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    std::size_t count = 0;
    for (int i = 1; i < argc; ++i) count += replay(argv[i]);
    if (count == 0) std::fputs("no inputs: the corpus is empty\n", stderr);
    return count == 0 ? 1 : 0;
  } catch (const bk::Error& error) {
    std::fputs((std::string("outside the target: ") + error.what() + "\n").c_str(), stderr);
    return 1;
  }
}
