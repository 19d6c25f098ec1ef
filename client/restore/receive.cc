#include "client/restore/receive.h"

#include "common/error/error.h"
#include "common/io/file.h"
#include "common/restore/whole_rows.h"
#include "common/text/escape.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace bk::client {
namespace {

constexpr std::size_t kReadBytes = 256U << 10U;

// The server's text may name anything; a terminal must not be talked to by it.
std::string printable(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if ((static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') || c == 0x7f) c = '?';
  return out;
}

class Receiver final : public restore::Receiver {
 public:
  explicit Receiver(const ReceiveTask& task) : task_(task) {}

  void text(std::string_view text) override { task_.print(printable(text)); }

  void finding(const restore::Finding& finding) override {
    worse(finding.damaged ? kExitCorrupt : kExitPartial);
    task_.complain(quoted(finding.path) + ": " + printable(finding.text));
  }

  RestoreSink& tree(const restore::Tree& tree) override {
    if (!task_.destination) throw Error(Kind::Protocol, "the server sends a tree that nobody asked for");
    if (!destination_) destination_.emplace(*task_.destination, Destination::Manner{task_.force, task_.sync});
    entry_ = {tree.entry, tree.client, tree.module, tree.method, tree.path, tree.snapshot, tree.began};
    RestoreOptions options;
    options.goes_on = destination_->begin(entry_);
    if (const std::string lack = destination_->lack_of_room(tree.bytes, tree.files);
        !options.goes_on && !lack.empty())
      task_.complain(lack);
    options.id_bytes = restore::kIdBytes;
    restorer_ = std::make_unique<TreeRestorer>(
        destination_->fd(), destination_->path(), report_,
        [this](const std::string& path, const std::string& reason) {
          worse(kExitCorrupt);
          task_.complain(quoted(path) + ": damaged: " + printable(reason) + "; not restored");
        },
        std::move(options));
    return *restorer_;
  }

  void tree_end() override {
    restorer_->finish();
    restorer_.reset();
    made_.push_back(entry_);
  }

  void say(std::string_view frame) override {
    if (!task_.say) return restore::Receiver::say(frame);
    task_.say(frame);
  }

  // Only a whole stream gets its list.
  int finish(int status, std::uint64_t received) {
    worse(status);
    if (destination_) {
      for (const ExportedEntry& entry : made_) destination_->add(entry);
      destination_->finish();
    }
    for (const ExportedEntry& entry : made_)
      task_.print(fmt::format("{} is {} of {}\n", entry.entry, quoted(entry.path), to_text(entry.began)));
    if (destination_) task_.print(fmt::format("received {} bytes\n", received));
    for (const ExportedEntry& entry : made_) {
      if (!is_not_whole(join_path(destination_->path(), entry.entry))) continue;
      task_.complain(not_whole_advice("restore_it", destination_->path()));
      break;
    }
    for (const std::string& line : report_.lines()) task_.complain(line);
    if (!report_.empty()) worse(kExitPartial);
    return status_;
  }

 private:
  void worse(int status) { status_ = std::max(status_, status); }
  const ReceiveTask& task_;
  RestoreReport report_;
  std::optional<Destination> destination_;
  std::unique_ptr<TreeRestorer> restorer_;
  ExportedEntry entry_;
  std::vector<ExportedEntry> made_;
  int status_ = kExitDone;
};

int receive_all(const StreamSource& source, const ReceiveTask& task, Receiver& receiver) {
  restore::StreamReader reader(receiver);
  std::string buffer(kReadBytes, '\0');
  std::uint64_t received = 0;
  while (const std::size_t n = source(buffer.data(), buffer.size())) {
    reader.feed({buffer.data(), n});
    received += n;
    if (task.progress) task.progress(received);
  }
  reader.end();
  return receiver.finish(*reader.status(), received);
}

}  // namespace

int receive(const StreamSource& source, const ReceiveTask& task) {
  Receiver receiver(task);
  try {
    return receive_all(source, task, receiver);
  } catch (const Error& error) {
    throw task.destination && Destination::is_unfinished(*task.destination) ? with_hint(error) : error;
  }
}

}  // namespace bk::client
