// Documents, requests, receipts and state file names: whatever parses writes back to the same bytes.
#include "common/error/error.h"
#include "common/text/document.h"
#include "common/text/escape.h"
#include "proto/receipt/receipt.h"
#include "proto/request/request.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

template <class Body>
void tolerate(Body&& body) {
  try {
    body();
  } catch (const bk::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  tolerate([&] { BK_CHECK(bk::Document::parse(text, "bk-request").write() == text); });
  // The digest stops nearly every mutation, so the parsers behind it also get the text under a fresh seal.
  tolerate([&] {
    bk::Document doc("bk-request", 1);
    std::size_t begin = 0;
    while (begin < text.size()) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      const std::string_view row = text.substr(begin, end - begin);
      const std::size_t colon = row.find(": ");
      static constexpr std::string_view kKeys[] = {"id",       "counter", "client", "module",
                                                   "name",     "method",  "place",  "requested",
                                                   "prepared", "outcome", "time",   "skipped"};
      if (colon != std::string_view::npos) {
        for (const std::string_view key : kKeys) {
          if (key == row.substr(0, colon))
            doc.add(key, bk::percent_decode(row.substr(colon + 2)).value_or("%"));
        }
      }
      begin = end + 1;
    }
    const bk::proto::Request request = bk::proto::parse_request(doc.write());
    BK_CHECK(bk::proto::parse_request(bk::proto::write_request(request)) == request);
  });
  tolerate([&] {
    const bk::proto::Receipt receipt = bk::proto::parse_receipt(text);
    BK_CHECK(bk::proto::parse_receipt(bk::proto::write_receipt(receipt)) == receipt);
  });
  (void)bk::proto::parse_state_name(text);
  if (const auto raw = bk::base64url_decode(text)) BK_CHECK(bk::base64url_encode(*raw) == text);
  if (const auto raw = bk::percent_decode(text)) BK_CHECK(bk::percent_encode(*raw) == text);
  return 0;
}
