// The small text files that peers send: documents in general, requests, receipts, and the names that carry
// states.
//
// Only Error of Kind::Protocol may come out, and what parses must survive being written and parsed again.
#include "common/digest/sha256.h"
#include "common/error/error.h"
#include "common/text/document.h"
#include "common/text/escape.h"
#include "common/time/time.h"
#include "proto/receipt/receipt.h"
#include "proto/request/request.h"

#include <cstdint>
#include <string_view>

namespace {

using namespace bk;

template <class Body>
void only_protocol_errors(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    BK_CHECK(error.kind() == Kind::Protocol);
  }
}

// Fuzzers cannot guess a digest: a second attempt seals the text first, so that what lies behind the seal is
// reached.
std::string sealed(std::string_view text) {
  std::string body(text.substr(0, text.rfind("end: ")));
  if (!body.empty() && body.back() != '\n') body += '\n';
  return body + "end: sha256 " + Sha256::of(body).hex() + "\n";
}

void try_texts(std::string_view text) {
  for (const char* format : {"bk-request", "bk-receipt", "bk-mark"}) {
    only_protocol_errors([&] {
      const Document doc = Document::parse(text, format);
      BK_CHECK(Document::parse(doc.write(), format).fields().size() == doc.fields().size());
    });
  }
  only_protocol_errors([&] {
    const proto::Request request = proto::parse_request(text);
    BK_CHECK(proto::parse_request(proto::write_request(request)) == request);
    BK_CHECK(proto::request_stem(request.module, request.name).size() + 34 <= 255);
  });
  only_protocol_errors([&] {
    const proto::Receipt receipt = proto::parse_receipt(text);
    if (receipt.skipped.size() <= proto::kMaxSkippedShown)
      BK_CHECK(proto::parse_receipt(proto::write_receipt(receipt)) == receipt);
  });
}

void try_words(std::string_view text) {
  if (const auto decoded = percent_decode(text)) BK_CHECK(percent_encode(*decoded) == text);
  if (const auto decoded = base64url_decode(text)) BK_CHECK(base64url_encode(*decoded) == text);
  if (const auto decoded = hex_decode(text)) BK_CHECK(hex_encode(*decoded) == text);
  if (const auto time = parse_timestamp(text)) BK_CHECK(parse_timestamp(to_text(*time)) == time);
  BK_CHECK(percent_decode(percent_encode(text)) == text);
  BK_CHECK(base64url_decode(base64url_encode(text)) == text);
  if (const auto state = proto::parse_state_name(text))
    BK_CHECK(state->state + state->stem + (state->id.empty() ? "" : "." + state->id) == text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try_texts(text);
  if (size < 65536) try_texts(sealed(text));
  try_words(text);
  return 0;
}
