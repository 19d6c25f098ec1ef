// backup_s3 FILE: the cmd of module s3.  FILE describes a bucket; its objects become a tree of the spool.
#include "client/modules/ready.h"
#include "client/modules/s3_source.h"
#include "common/error/error.h"
#include "common/options/options.h"

#include <fmt/format.h>

#include <cstdio>

namespace {

using namespace bk;
using namespace bk::client;

int save(const std::string& file) {
  const SystemClock clock;
  const client::Run run = current_run();
  const S3Source source = load_s3_source(file, run.home);
  Mirror mirror(run);
  const S3Report report = save_bucket(source, mirror, clock);
  report_ready(run, {"rsync", std::nullopt, mirror.commit()}, {"", report.skipped, report.skipped_count},
               clock);
  fmt::print("{} objects: {} fetched ({} bytes), {} unchanged, {} skipped; {} removed\n", report.listed,
             report.fetched, report.fetched_bytes, report.unchanged, report.skipped_count, report.removed);
  for (const std::string& entry : report.skipped) std::fputs(("skipped: " + entry + "\n").c_str(), stderr);
  return report.skipped_count == 0 ? kExitDone : kExitPartial;
}

int restore(const std::string& tree, const std::string& file, const std::string& home) {
  const SystemClock clock;
  const S3Restored done = restore_bucket(load_s3_source(file, home), tree, clock);
  fmt::print("{} objects put, {} were there\n", done.put, done.there);
  return kExitDone;
}

}  // namespace

int main(int argc, char** argv) {
  bk::Options options("backup_s3", "cmd of module s3: the objects of a bucket as a tree");
  options.usage("backup_s3 FILE").usage("backup_s3 --restore TREE FILE");
  options.value("restore", "TREE", "put what a restored tree holds into the bucket that FILE describes");
  bk::add_home(options).positionals(1, 1);
  return bk::run_program(options, argc, argv, [&] {
    const std::string& file = options.words()[0];
    if (const auto tree = options.get("restore"))
      return restore(*tree, file, bk::find_home(options, argv[0]));
    return save(file);
  });
}
