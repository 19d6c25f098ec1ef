// Writes a restore stream: a RestoreSink whose calls become frames.
//
//   StreamWriter out(sink);       // says Hello
//   out.tree(tree);  … feed_tree(…, out, …) …  out.tree_end();
//   out.done(status);
//
// Pure: `sink` gets the bytes in order.  Memory: one Entries body.
#pragma once

#include "proto/restore/frame.h"
#include "proto/restore/messages.h"

#include <functional>
#include <string>
#include <string_view>

namespace bk::restore {

class StreamWriter final : public RestoreSink {
 public:
  using Out = std::function<void(std::string_view)>;
  // Brings the payload of the far side's next Keep.
  using Answer = std::function<std::string()>;
  StreamWriter(Out out, const std::string& program);

  // From now on every window is offered first, and the far side says what it has.
  void offer(Answer answer) { answer_ = std::move(answer); }

  void text(std::string_view text);
  void tree(const Tree& tree);
  void tree_end();
  void finding(const Finding& finding);
  // The end, with a command's exit status: nothing may follow.
  void done(int status);
  void fail(int status, const std::string& text);

  void enter(const Entry& directory) override;
  void leave() override;
  void file(const Entry& entry, FilePart part) override;
  void more(FilePart part) override;
  void special(const Entry& entry) override;
  void link(const std::string& existing, const Entry& entry) override;
  void damaged(std::uint64_t file, std::uint64_t bytes, const std::string& reason) override;
  void group(EncodedGroup group, std::vector<RestorePlace> places) override;
  void end_window() override;
  [[nodiscard]] bool may_keep() const override { return answer_ != nullptr; }
  [[nodiscard]] std::vector<bool> keep(const std::vector<RestorePlace>& places) override;

 private:
  // The digest covers all of it but `rest`.
  void send(FrameType type, std::string_view payload, std::string_view rest = {});
  void event(std::string bytes);
  void flush_events();
  Out out_;
  Answer answer_;
  std::string events_;
  GroupEncoder encoder_{1};
  Sha256 digest_;
  std::uint64_t frames_ = 0;
};

}  // namespace bk::restore
