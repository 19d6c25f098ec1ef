// store_folder STORE FOLDER [NAME [TIMES [KEY FILE [SEAL FILE]]]]: puts a folder into a store without any
// line, for measuring bkdb alone.
#include "common/error/error.h"
#include "common/io/file.h"
#include "tests/support/stored_tree.h"

#include <cstdio>
#include <cstdlib>

int main(int argc, char** argv) {
  if (argc < 3) return bk::kExitUsage;
  try {
    const auto store = bk::store::Store::open(argv[1], true, {}, {.key_file = argc > 5 ? argv[5] : ""});
    bk::test::StoreTask task;
    task.name = argc > 3 ? argv[3] : bk::clean_absolute(argv[2]);
    if (argc > 6) task.seal_file = argv[6];
    for (int left = argc > 4 ? std::atoi(argv[4]) : 1; left > 0; --left) {
      const auto record = bk::test::store_tree(*store, bk::clean_absolute(argv[2]), task);
      std::printf("%s %llu files\n", record.id.c_str(), static_cast<unsigned long long>(record.files));
    }
    return 0;
  } catch (const bk::Error& error) {
    std::fprintf(stderr, "store_folder: %s\n", error.what());
    return bk::exit_status(error.kind());
  }
}
