// What a client's push brings besides git's own formats: request files, commit messages, and the log of
// pushes that holds its name.
#include "common/error/error.h"
#include "server/ingest/batch.h"
#include "server/ingest/commit_message.h"
#include "server/ingest/push_log.h"

#include <cstdint>

using namespace bk;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)server::confirmed_receipts(text);
  (void)server::parse_push_log(text);
  const std::string_view name = text.substr(0, text.find('\n'));
  const auto judged = server::judge_request(name, text, "web1");
  if (const auto* bad = std::get_if<server::BadRequest>(&judged))
    BK_CHECK(bad->id.empty() || proto::is_request_id(bad->id));
  return 0;
}
