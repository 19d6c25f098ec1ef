#include "tests/support/pull_samples.h"

#include "common/delta/delta.h"
#include "common/error/error.h"

namespace bk::test {

using namespace bk::pull;

namespace {

ChunkId sample_id(std::uint8_t first) {
  ChunkId id;
  for (std::size_t i = 0; i < id.bytes.size(); ++i) id.bytes[i] = static_cast<std::uint8_t>(first + i);
  return id;
}

Entry base(std::string name, EntryType type) {
  Entry entry;
  entry.name = std::move(name);
  entry.type = type;
  entry.mode = 0644;
  entry.uid = 1000;
  entry.gid = 4294967294U;
  entry.mtime = {-1, 999'999'999};
  entry.ctime = {9'999'999'999, 1};
  entry.inode = 12345;
  return entry;
}

Bitmap bits(std::initializer_list<bool> values) {
  Bitmap map;
  for (const bool bit : values) map.push_back(bit);
  return map;
}

Leave sample_leave() {
  Leave leave;
  leave.number = 7;
  leave.listing = sample_id(1);
  leave.entries = 3;
  leave.stat.mode = 01777;
  leave.stat.mtime = {1'700'000'000, 5};
  leave.stat.ctime = {1'700'000'001, 6};
  leave.stat.inode = 2;
  leave.xattrs = {{"system.posix_acl_default", std::string("\2\0\0\0", 4)}, {"user.a", ""}};
  return leave;
}

Recipe sample_recipe() {
  Recipe recipe{3, {}};
  recipe.items.emplace_back(BeginFile{1, 2, {{"user.x", "y"}}});
  recipe.items.emplace_back(ChunkItem{16384, sample_id(9)});
  recipe.items.emplace_back(HoleItem{1ULL << 40U});
  recipe.items.emplace_back(InlineItem{"tiny"});
  EndFile end{FileStatus::Changed, stat_of(base("", EntryType::File))};
  recipe.items.emplace_back(end);
  recipe.items.emplace_back(BeginFile{1, 3, {}});
  recipe.items.emplace_back(ContinuedItem{1ULL << 30U});
  recipe.items.emplace_back(BeginFile{1, 3, {}});
  recipe.items.emplace_back(EndFile{FileStatus::Vanished, {}});
  recipe.items.emplace_back(BeginFile{1, 4, {}});
  recipe.items.emplace_back(KeptItem{-2, 300});
  recipe.items.emplace_back(SumItem{0x0123456789abcdefULL});
  recipe.items.emplace_back(EndFile{});
  recipe.items.emplace_back(UnaskedItem{Bitmap(1)});
  std::get<UnaskedItem>(recipe.items.back()).chunks.set(0);
  return recipe;
}

Entries sample_entries() {
  Entries entries;
  entries.page = 4;
  entries.directory = 7;
  entries.last = true;
  entries.listing = sample_id(2);
  entries.body.bytes = encode_page(sample_page());
  entries.body.content_bytes = static_cast<std::uint32_t>(entries.body.bytes.size());
  return entries;
}

EncodedGroup raw_group(std::string bytes) {
  const auto size = static_cast<std::uint32_t>(bytes.size());
  return {Codec::Raw, std::move(bytes), size};
}

Signatures sample_signatures() {
  Signatures message{3, {}};
  message.windows.push_back({1, 2, 512, block_sums(std::string(600, 'a'), 512)});
  message.windows.push_back({7, 1, 2048, block_sums("short", 2048)});
  return message;
}

void page_recode(const Entries& message) {
  if (message.body.codec != Codec::Raw) return;
  const std::vector<Entry> page = decode_page(message.body.bytes);
  if (decode_page(encode_page(page)) != page)
    throw std::logic_error("a page changes when it is encoded again");
}

}  // namespace

std::vector<Entry> sample_page() {
  std::vector<Entry> page;
  Entry device = base("a-device", EntryType::CharDevice);
  device.rdev_major = 1;
  device.rdev_minor = 3;
  page.push_back(device);
  Entry directory;
  directory.name = "a-directory";
  directory.type = EntryType::Directory;
  page.push_back(directory);
  page.push_back(base("b.fifo", EntryType::Fifo));
  Entry file = base("c\xff\n", EntryType::File);
  file.size = 1ULL << 40U;
  file.links = 3;
  page.push_back(file);
  Entry link = base("d", EntryType::Symlink);
  link.target = "../\xfe";
  link.size = link.target.size();
  link.xattrs = {{"trusted.t", "1"}};
  page.push_back(link);
  page.push_back(base("e", EntryType::Socket));
  return page;
}

std::vector<PullSample> pull_samples() {
  return {
      {"Hello", FrameType::Hello, encode(Hello{1, {"stripes.1"}, {4096, 16384, 65536}, 1, 0})},
      {"Open", FrameType::Open, encode(Open{"/srv/www"})},
      {"Verdicts", FrameType::Verdicts, encode(Verdicts{7, bits({true, false, true})})},
      {"Wants", FrameType::Wants, encode(Wants{4, bits({false, false, false, true, false, false})})},
      {"Need", FrameType::Need, encode(Need{3, bits({true})})},
      {"Continue", FrameType::Continue, encode(Continue{4, {{3, 1ULL << 30U}, {5, 40U << 20U}}})},
      {"Heartbeat", FrameType::Heartbeat, encode(Heartbeat{})},
      {"Stripes", FrameType::Stripes, encode(Stripes{3})},
      {"Go", FrameType::Go, encode(Go{})},
      {"OldFiles", FrameType::OldFiles, encode(OldFiles{4, "sixteen of salt!", bits({false, true})})},
      {"OldContent", FrameType::OldContent, encode(OldContent{4, 1, true, {0, 0x00cdef0123456789ULL}})},
      {"Signatures", FrameType::Signatures, encode(sample_signatures())},
      {"AgentHello", FrameType::AgentHello, encode(AgentHello{1, {}, "backup_agent/0.1.0"})},
      {"Opened", FrameType::Opened, encode(Opened{2})},
      {"Refused", FrameType::Refused, encode(Refused{"not consented"})},
      {"Enter", FrameType::Enter, encode(Enter{"caf\xc3\xa9"})},
      {"Leave", FrameType::Leave, encode(sample_leave())},
      {"Entries", FrameType::Entries, encode(sample_entries())},
      {"Recipe", FrameType::Recipe, encode(sample_recipe())},
      {"Group", FrameType::Group, encode(Group{3, raw_group("content")})},
      {"Skipped", FrameType::Skipped, encode(Skipped{SkipReason::Unreadable, 13, "a/b"})},
      {"KeepAlive", FrameType::KeepAlive, encode(KeepAlive{})},
      {"Done", FrameType::Done, encode(Done{100, 10, 2, 1, 1U << 20U, 1, 0, 5, 4096})},
      {"Fail", FrameType::Fail, encode(Fail{7, "reading: Input/output error"})},
      {"Tickets", FrameType::Tickets, encode(Tickets{{sample_id(1), sample_id(33)}})},
      {"Joined", FrameType::Joined, encode(Joined{})},
      {"StripeEnd", FrameType::StripeEnd, encode(StripeEnd{300})},
      {"Delta", FrameType::Delta, encode(Delta{3, {3, 0}, raw_group("content")})},
  };
}

std::string recode(FrameType type, std::string_view payload) {
  switch (type) {
    case FrameType::Hello:
      return encode(decode_hello(payload));
    case FrameType::Open:
      return encode(decode_open(payload));
    case FrameType::Verdicts:
      return encode(decode_verdicts(payload));
    case FrameType::Wants:
      return encode(decode_wants(payload));
    case FrameType::Need:
      return encode(decode_need(payload));
    case FrameType::Continue:
      return encode(decode_continue(payload));
    case FrameType::Heartbeat:
      return encode(decode_heartbeat(payload));
    case FrameType::Stripes:
      return encode(decode_stripes(payload));
    case FrameType::Go:
      return encode(decode_go(payload));
    case FrameType::OldFiles:
      return encode(decode_old_files(payload));
    case FrameType::OldContent:
      return encode(decode_old_content(payload));
    case FrameType::Signatures:
      return encode(decode_signatures(payload));
    case FrameType::AgentHello:
      return encode(decode_agent_hello(payload));
    case FrameType::Opened:
      return encode(decode_opened(payload));
    case FrameType::Refused:
      return encode(decode_refused(payload));
    case FrameType::Enter:
      return encode(decode_enter(payload));
    case FrameType::Leave:
      return encode(decode_leave(payload));
    case FrameType::Entries:
      page_recode(decode_entries(payload));
      return encode(decode_entries(payload));
    case FrameType::Recipe:
      return encode(decode_recipe(payload));
    case FrameType::Group:
      return encode(decode_group(payload));
    case FrameType::Skipped:
      return encode(decode_skipped(payload));
    case FrameType::KeepAlive:
      return encode(decode_keep_alive(payload));
    case FrameType::Done:
      return encode(decode_done(payload));
    case FrameType::Fail:
      return encode(decode_fail(payload));
    case FrameType::Tickets:
      return encode(decode_tickets(payload));
    case FrameType::Joined:
      return encode(decode_joined(payload));
    case FrameType::StripeEnd:
      return encode(decode_stripe_end(payload));
    case FrameType::Delta:
      return encode(decode_delta(payload));
  }
  throw Error(Kind::Protocol, "unknown type");
}

}  // namespace bk::test
