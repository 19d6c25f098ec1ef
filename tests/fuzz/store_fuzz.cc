// The store's own formats, as a rotten disk or a hostile copy may hold them: record heads, groups, tree
// nodes, lists and snapshot records.  The first byte chooses the parser.
//
// Only Error of the documented kind may come out, and what parses must encode to the same bytes again.
#include "common/error/error.h"
#include "server/store/checkpoint.h"
#include "server/store/layout.h"
#include "server/store/node.h"
#include "server/store/record.h"
#include "server/store/snapshot.h"
#include "server/store/snapshot_mark.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace {

using namespace bk;         // NOLINT: a harness
using namespace bk::store;  // NOLINT

template <class Body>
void only(Kind kind, Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    BK_CHECK(error.kind() == kind || error.kind() == Kind::Config);
  }
}

std::string_view view(const ShortDigest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

// A fuzzer cannot guess a digest: the head is sealed first, so that what lies behind the seal is reached.
void try_record(std::string_view bytes) {
  const RecordPlace place{};
  only(Kind::Corrupt, [&] {
    const RecordSizes sizes = parse_record_sizes(bytes);
    if (sizes.table_bytes > bytes.size() || bytes.size() < kRecordFixedBytes + sizes.table_bytes) return;
    std::string head(bytes.substr(0, kRecordFixedBytes + sizes.table_bytes));
    const std::string where(16 + 8 + 8, '\0');
    const ShortDigest digest = shorten(Sha256::of(where + head));
    head += view(digest);
    const RecordHead parsed = parse_record_head(head, place);
    const std::string payload(bytes.substr(kRecordFixedBytes + sizes.table_bytes));
    if (parsed.type != RecordType::Group) return;
    const std::string content = GroupDecoder().decode(parsed.codec, payload, parsed.content_bytes);
    for_each_chunk(parsed, place.pack.store, content,
                   [](std::size_t, const StoredChunk&, std::string_view) {});
  });
}

void try_node(std::string_view bytes) {
  only(Kind::Corrupt, [&] {
    const std::vector<NodeRef> refs = node_refs(bytes);
    if (is_sealed_node(bytes)) BK_CHECK(sealed_node_front(node_type(bytes), refs) == node_front(bytes));
    switch (node_type(bytes)) {
      case NodeType::Page:
        (void)encode_page(decode_page(bytes));
        break;
      case NodeType::Inner:
        BK_CHECK(encode_inner(decode_inner(bytes)).size() == bytes.size());
        break;
      case NodeType::List:
        BK_CHECK(encode_list(decode_list(bytes)) == bytes);
        break;
    }
  });
}

void try_checkpoint(std::string_view text) {
  only(Kind::Protocol, [&] {
    std::string body(text.substr(0, text.rfind("end: ")));
    if (!body.empty() && body.back() != '\n') body += '\n';
    const CheckpointRecord record = parse_checkpoint(body + "end: sha256 " + Sha256::of(body).hex() + "\n");
    BK_CHECK(parse_checkpoint(write_checkpoint(record)) == record);
  });
}

void try_mark(MarkKind kind, std::string_view text) {
  only(Kind::Protocol, [&] {
    std::string body(text.substr(0, text.rfind("end: ")));
    if (!body.empty() && body.back() != '\n') body += '\n';
    const SnapshotMark mark = parse_mark(kind, body + "end: sha256 " + Sha256::of(body).hex() + "\n");
    BK_CHECK(parse_mark(kind, write_mark(mark)) == mark);
  });
}

void try_snapshot(std::string_view text) {
  only(Kind::Protocol, [&] {
    std::string body(text.substr(0, text.rfind("end: ")));
    if (!body.empty() && body.back() != '\n') body += '\n';
    const SnapshotRecord record = parse_snapshot(body + "end: sha256 " + Sha256::of(body).hex() + "\n");
    SnapshotRecord again = parse_snapshot(write_snapshot(record));
    BK_CHECK(write_snapshot(again) == write_snapshot(record));
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 6) {
    case 0:
      try_record(bytes);
      break;
    case 1:
      try_node(bytes);
      break;
    case 2:
      try_snapshot(bytes);
      break;
    case 4:
      try_checkpoint(bytes);
      break;
    case 5:
      for (const MarkKind kind : kMarkKinds) try_mark(kind, bytes);
      break;
    default:
      only(Kind::Protocol, [&] { (void)parse_header(bytes); });
  }
  return 0;
}
