#include "client/agent/delta_answer.h"

#include "common/delta/delta.h"
#include "common/error/error.h"

namespace bk::agent {

namespace {

// Walks over the chunks of a batch.
class Cursor {
 public:
  Cursor(const BatchContent& batch, const pull::Bitmap& need) : batch_(batch), need_(need) {}
  // The needed ones of the chunks up to `end`.
  std::string take_to(std::uint64_t end) {
    std::string out;
    for (; chunk_ < end; at_ += batch_.lengths[chunk_++]) {
      if (need_.test(chunk_)) out.append(batch_.content, at_, batch_.lengths[chunk_]);
    }
    return out;
  }

 private:
  const BatchContent& batch_;
  const pull::Bitmap& need_;
  std::size_t chunk_ = 0, at_ = 0;
};

}  // namespace

std::string needed_content(const BatchContent& batch, const pull::Bitmap& need) {
  return Cursor(batch, need).take_to(batch.lengths.size());
}

std::optional<pull::Delta> answer_with_delta(const BatchContent& batch, const pull::Bitmap& need,
                                             const pull::Signatures& signatures, GroupEncoder& encoder) {
  pull::Delta answer{batch.batch, {}, {}};
  std::string body;
  std::size_t whole = 0, saved = 0;
  Cursor cursor(batch, need);
  bool used = false;
  for (const auto& window : signatures.windows) {
    if (window.first + window.count > batch.lengths.size())
      throw Error(Kind::Protocol, "the server's Signatures do not fit their batch");
    body += cursor.take_to(window.first);
    std::string content = cursor.take_to(window.first + window.count);
    whole += content.size();
    std::string delta = content.empty() ? std::string() : make_delta(window.sums, window.block, content);
    const bool smaller = !content.empty() && delta.size() < content.size() - content.size() / 8;
    answer.lengths.push_back(smaller ? static_cast<std::uint32_t>(delta.size()) : 0);
    saved += smaller ? content.size() - delta.size() : 0;
    body += smaller ? delta : content;
    used = used || smaller;
  }
  body += cursor.take_to(batch.lengths.size());
  if (!used || saved * 4 < whole) return std::nullopt;  // compressed, too little would be left of it
  answer.body = encoder.encode(body);
  if (body.size() * 2 < whole) return answer;  // what is left out pays for the context that is lost
  const EncodedGroup plain = encoder.encode(needed_content(batch, need));
  if (plain.bytes.size() <= answer.body.bytes.size()) return std::nullopt;
  return answer;
}

}  // namespace bk::agent
