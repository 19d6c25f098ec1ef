#include "server/pull/driver.h"

#include "server/pull/tree_pull.h"

namespace bk::pull {

Pulled pull_directory(const Job& job, Surroundings& around) {
  ssh::Session session(around.endpoint);
  const std::unique_ptr<ssh::Channel> channel = session.exec("backline tree");
  ChannelStream stream(*channel);
  PullOptions options;
  options.idle = around.endpoint.idle_timeout;
  options.total = around.total;
  options.progress = [&](const PullProgress&) { around.alive(); };
  PullReport report =
      pull_tree(stream, around.store, around.writer, around.previous, job.request.place, options);
  Pulled out;
  out.root = std::move(report.root);
  out.files = report.files;
  out.directories = report.directories;
  out.others = report.others;
  out.bytes = report.bytes;
  out.skipped = std::move(report.skipped);
  out.skipped_count = report.skipped_count;
  return out;
}

Driver find_driver(std::string_view method) {
  if (method == "git") return &pull_git;
  if (method == "sftp") return &pull_archive;
  if (method == "rsync") return &pull_directory;
  return nullptr;
}

}  // namespace bk::pull
