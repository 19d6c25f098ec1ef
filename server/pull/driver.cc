#include "server/pull/driver.h"

#include "common/error/error.h"
#include "common/text/escape.h"
#include "server/pull/agentless/sftp_tree.h"
#include "server/pull/tree_pull.h"

#include <algorithm>

namespace bk::pull {

namespace {

store::CheckpointRecord checkpoint_record(const Job& job, const Surroundings& around, const Entry& root) {
  store::CheckpointRecord record;
  record.client = job.client;
  record.module = job.request.module;
  record.method = job.request.method;
  record.name = job.request.name;
  record.began = around.now;
  if (around.previous && record.began <= around.previous->began)  // the clock was set back
    record.began = around.previous->began.plus(std::chrono::nanoseconds(1));
  record.saved = SystemClock().now();
  record.node = root.node;
  record.has_subdirectories = root.has_subdirectories;
  return record;
}

PullOptions options_for(const Job& job, Surroundings& around) {
  PullOptions options;
  options.idle = around.endpoint.idle_timeout;
  options.total = around.total;
  options.progress = [&around](const PullProgress& done) {
    around.alive();
    around.progress(done);
  };
  options.poll = around.poll;
  options.begun = around.begun;
  options.checkpoint_every = around.checkpoint_every;
  options.checkpoint_bytes = around.checkpoint_bytes;
  options.checkpoint = [&job, &around](const Entry& root) {
    around.writer.save_checkpoint(checkpoint_record(job, around, root));
    around.progressed = true;
  };
  return options;
}

}  // namespace

Pulled pull_directory(const Job& job, Surroundings& around) {
  ssh::Session session(around.endpoint);
  const std::unique_ptr<ssh::Channel> channel = session.exec("backline tree");
  ChannelStream stream(*channel);
  PullOptions options = options_for(job, around);
  if (is_far(session.round_trip())) {
    options.unasked = true;
    options.stripes = around.stripes;
    options.open_stripe = stripes_over_ssh(around.endpoint);
  }
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
  out.done = {report.read_files, report.directories, report.read_bytes, report.received_bytes,
              around.writer.totals().stored_bytes};
  return out;
}

Pulled pull_agentless(const Job& job, Surroundings& around) {
  ssh::Session session(around.endpoint);
  ssh::Sftp sftp(session);
  const auto note = [&](const Entry& root) {
    store::CheckpointRecord record = checkpoint_record(job, around, root);
    // It may hold what an earlier pull read: how old a file must be to be trusted follows the earliest.
    if (around.begun) record.began = std::min(record.began, around.begun->began);
    around.writer.save_checkpoint(record);
    around.progressed = true;
  };
  return SftpTree(session, sftp, around, note).run(job.request.place);
}

Driver find_driver(std::string_view method, bool agent, const std::string& home) {
  if (method == "sftp") return &pull_archive;
  if (method == "rsync") return agent ? &pull_directory : &pull_agentless;
  if (method != "git") {
    if (!program_path(home, method).empty()) return &pull_by_program;
    throw Error(Kind::Refused, "method " + quoted(method) +
                                   " is not known here: git, sftp and rsync are, and there is no program " +
                                   quoted(home + "/scripts/cmds/pull_" + std::string(method)));
  }
  if (!agent)
    throw Error(Kind::Refused,
                "method git needs backup_agent on the client, and backline.conf says agent = no");
  return &pull_git;
}

}  // namespace bk::pull
