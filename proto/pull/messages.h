// The messages of the tree protocol: one struct, one encode and one decode each (docs/protocol/pull.md).
//
// decode_*() throws Protocol for anything that encode() would not have written: wrong lengths, numbers above
// their limits, bad names, bytes left over.  What needs knowledge of earlier messages (order, numbering, what
// was asked) is checked by the two ends.
#pragma once

#include "common/chunk/chunk_id.h"
#include "common/chunk/chunker.h"
#include "common/compress/group.h"
#include "common/tree/entry.h"
#include "proto/pull/bitmap.h"
#include "proto/pull/frame.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace bk::pull {

inline constexpr std::uint32_t kVersion = 1;

// Limits that both ends keep; a peer that passes one is broken.
inline constexpr std::size_t kMaxPageEntries = 1000;          // entries in one page
inline constexpr std::size_t kTargetPageBytes = 256U << 10U;  // an agent closes a page that reaches this
inline constexpr std::size_t kMaxPageContent = 3U << 20U;     // decoded bytes of a page
inline constexpr std::size_t kMaxXattrBytes = 1U << 20U;      // names and values of one entry
inline constexpr std::size_t kMaxXattrs = 4096;               // of one entry
inline constexpr std::size_t kMaxTargetBytes = 4096;          // of a symlink
inline constexpr std::size_t kMaxBatchItems = 8192;           // in one recipe
inline constexpr std::size_t kMaxInlineBytes = 4096;          // of one inline stretch
inline constexpr std::size_t kMaxOpenDirectories = 4096;      // left and without a verdict
inline constexpr std::size_t kMaxOpenBatches = 16;            // recipes without the server's need
inline constexpr std::size_t kMaxHeldBytes = 160U << 20U;     // of what is sent and cannot be stored yet
inline constexpr std::size_t kMaxReportPathBytes = 4096;      // longer paths are cut
inline constexpr std::size_t kMaxReports = 1000;              // Skipped messages; beyond, only counted
inline constexpr std::size_t kMaxDepth = 65536;
inline constexpr std::size_t kMaxContinued = 16;  // files in one Continue
// Feature "stripes":
inline constexpr std::size_t kMaxStripes = 8;
inline constexpr std::size_t kMaxOwedBatches = 48;  // needed and not here: above, no Need is sent
// Feature "unasked":
inline constexpr std::size_t kMaxUnaskedBatches =
    32;  // instead of kMaxOpenBatches, when the last one is unasked
// Feature "windows":
inline constexpr std::size_t kSaltBytes = 16;
inline constexpr unsigned kOldIdBits = 56;                    // of a chunk id, salted (old_id())
inline constexpr std::size_t kOldFrameIds = 1024;             // in one OldContent
inline constexpr std::size_t kMaxSignatures = 1024;           // windows in one Signatures
inline constexpr std::size_t kMaxWindowBytes = 1536U << 10U;  // of the old bytes of one window
inline constexpr std::size_t kMaxSignatureBytes =
    32U << 10U;  // all sums of one; times open batches: below the inbox

// Both ways at the start.

struct Hello {  // server to agent
  std::uint32_t version = kVersion;
  std::vector<std::string> features;  // names this side understands; the agent answers with those in use
  ChunkerParams chunker;
  std::uint8_t id_algorithm = kIdAlgorithmSha256;
  std::uint16_t key_domain = kDomainPlain;
  bool operator==(const Hello&) const = default;
};
[[nodiscard]] std::string encode(const Hello& message);
[[nodiscard]] Hello decode_hello(std::string_view payload);

struct AgentHello {
  std::uint32_t version = kVersion;
  std::vector<std::string> features;
  std::string program;  // name and version, for logs
  bool operator==(const AgentHello&) const = default;
};
[[nodiscard]] std::string encode(const AgentHello& message);
[[nodiscard]] AgentHello decode_agent_hello(std::string_view payload);

// Server to agent.

struct Open {
  std::string root;  // absolute; must equal a consented root
  bool operator==(const Open&) const = default;
};
[[nodiscard]] std::string encode(const Open& message);
[[nodiscard]] Open decode_open(std::string_view payload);

struct Verdicts {  // for `want.size()` directories, beginning with Leave number `first`
  std::uint64_t first = 0;
  Bitmap want;  // set: send its entries; clear: the server has this very listing
  bool operator==(const Verdicts&) const = default;
};
[[nodiscard]] std::string encode(const Verdicts& message);
[[nodiscard]] Verdicts decode_verdicts(std::string_view payload);

struct Wants {
  std::uint64_t page = 0;
  Bitmap content;  // one bit for each entry of the page; set only for regular files
  bool operator==(const Wants&) const = default;
};
[[nodiscard]] std::string encode(const Wants& message);
[[nodiscard]] Wants decode_wants(std::string_view payload);

struct Need {
  std::uint64_t batch = 0;
  Bitmap chunks;  // one bit for each Chunk item of the recipe
  bool operator==(const Need&) const = default;
};
[[nodiscard]] std::string encode(const Need& message);
[[nodiscard]] Need decode_need(std::string_view payload);

struct Continue {  // feature "resume", before the Wants of its page: files whose beginning is stored
  struct File {
    std::uint64_t index = 0;  // of its entry; increasing
    std::uint64_t bytes = 0;  // stored, from the file's first on
    bool operator==(const File&) const = default;
  };
  std::uint64_t page = 0;
  std::vector<File> files;
  bool operator==(const Continue&) const = default;
};
[[nodiscard]] std::string encode(const Continue& message);
[[nodiscard]] Continue decode_continue(std::string_view payload);

struct Heartbeat {  // feature "heartbeat": nothing else to say for a while; bound to nothing before or behind
                    // it
  bool operator==(const Heartbeat&) const = default;
};
[[nodiscard]] std::string encode(const Heartbeat& message);
[[nodiscard]] Heartbeat decode_heartbeat(std::string_view payload);

// Feature "stripes": further lines of the same pull, which carry nothing but Groups.

struct Stripes {            // server to agent, once: so many lines would pay
  std::uint64_t count = 0;  // 1 to kMaxStripes
  bool operator==(const Stripes&) const = default;
};
[[nodiscard]] std::string encode(const Stripes& message);
[[nodiscard]] Stripes decode_stripes(std::string_view payload);

struct Go {  // server to agent, on a stripe: it is counted on from now on
  bool operator==(const Go&) const = default;
};
[[nodiscard]] std::string encode(const Go& message);
[[nodiscard]] Go decode_go(std::string_view payload);

struct Tickets {  // agent to server, the answer to Stripes: one for each that may join, perhaps none
  std::vector<Digest> tickets;
  bool operator==(const Tickets&) const = default;
};
[[nodiscard]] std::string encode(const Tickets& message);
[[nodiscard]] Tickets decode_tickets(std::string_view payload);

struct Joined {  // agent to server, the first on a stripe
  bool operator==(const Joined&) const = default;
};
[[nodiscard]] std::string encode(const Joined& message);
[[nodiscard]] Joined decode_joined(std::string_view payload);

struct StripeEnd {           // agent to server, the last on a stripe
  std::uint64_t groups = 0;  // sent before on this stripe
  bool operator==(const StripeEnd&) const = default;
};
[[nodiscard]] std::string encode(const StripeEnd& message);
[[nodiscard]] StripeEnd decode_stripe_end(std::string_view payload);

// Feature "windows", server to agent: what the old version of a wanted file consisted of.

struct OldFiles {  // of one page, before its Wants
  std::uint64_t page = 0;
  std::string salt;  // kSaltBytes; for old_id() of the files of this page
  Bitmap files;      // one bit for each entry; set: OldContent comes for it
  bool operator==(const OldFiles&) const = default;
};
[[nodiscard]] std::string encode(const OldFiles& message);
[[nodiscard]] OldFiles decode_old_files(std::string_view payload);

struct OldContent {  // the next chunks of an old version, in order; limited by OldPosition
  std::uint64_t page = 0, index = 0;
  bool last = false;
  std::vector<std::uint64_t> ids;  // old_id() of each chunk
  bool operator==(const OldContent&) const = default;
};
[[nodiscard]] std::string encode(const OldContent& message);
[[nodiscard]] OldContent decode_old_content(std::string_view payload);

struct Signatures {  // before the Need of the same batch: old bytes that some of its chunks may resemble
  struct Window {
    std::uint64_t first = 0, count = 0;  // of the recipe's chunk items; windows increase and do not overlap
    std::uint32_t block = 0;             // common/delta: bytes of a block
    std::string sums;                    // kBlockSumBytes for each block of the old bytes
    bool operator==(const Window&) const = default;
  };
  std::uint64_t batch = 0;
  std::vector<Window> windows;
  bool operator==(const Signatures&) const = default;
};
[[nodiscard]] std::string encode(const Signatures& message);
[[nodiscard]] Signatures decode_signatures(std::string_view payload);

// Agent to server.

struct Opened {
  std::uint64_t rules = 0;  // exclude and deny rules in force, for logs
  bool operator==(const Opened&) const = default;
};
[[nodiscard]] std::string encode(const Opened& message);
[[nodiscard]] Opened decode_opened(std::string_view payload);

struct Refused {
  std::string reason;
  bool operator==(const Refused&) const = default;
};
[[nodiscard]] std::string encode(const Refused& message);
[[nodiscard]] Refused decode_refused(std::string_view payload);

struct Enter {
  std::string name;  // a directory below the one that is open; names of one directory strictly increase
  bool operator==(const Enter&) const = default;
};
[[nodiscard]] std::string encode(const Enter& message);
[[nodiscard]] Enter decode_enter(std::string_view payload);

// What stat(2) says of one entry, in the protocol's terms.
struct Stat {
  std::uint32_t mode = 0, uid = 0, gid = 0;
  std::uint64_t size = 0;
  Timestamp mtime, ctime;
  std::uint64_t device = 0;  // an ordinal of this walk (0: the root's file system), stable over reboots
  std::uint64_t inode = 0, links = 1;
  bool operator==(const Stat&) const = default;
};
[[nodiscard]] Stat stat_of(const Entry& entry);
void set_stat(Entry& entry, const Stat& stat);

struct Leave {               // ends the directory entered last; the root's Leave ends the walk
  std::uint64_t number = 0;  // 0, 1, 2 … in the order sent
  Digest listing;            // proto/pull/listing.h
  std::uint64_t entries = 0;
  Stat stat;  // size 0, links 1
  std::vector<Xattr> xattrs;
  bool unreadable = false;  // its entries could not be listed (then entries == 0)
  bool operator==(const Leave&) const = default;
};
[[nodiscard]] std::string encode(const Leave& message);
[[nodiscard]] Leave decode_leave(std::string_view payload);

struct Entries {                // one page of a wanted directory
  std::uint64_t page = 0;       // 0, 1, 2 … in the order sent
  std::uint64_t directory = 0;  // its Leave number
  bool last = false;
  Digest listing;     // only in the last page: digest over the records of all pages of this directory
  EncodedGroup body;  // encode_entries(), compressed
};
[[nodiscard]] std::string encode(const Entries& message);
[[nodiscard]] Entries decode_entries(std::string_view payload);

// The entries of one page, in strictly increasing order.  Directories carry only name and type; regular files
// no extended attributes (these come with the content).
[[nodiscard]] std::string encode_page(const std::vector<Entry>& entries);
[[nodiscard]] std::vector<Entry> decode_page(std::string_view content);

struct BeginFile {  // a wanted file; again for the same file: forget what came for it, it changed
  std::uint64_t page = 0, index = 0;
  std::vector<Xattr> xattrs;
  bool operator==(const BeginFile&) const = default;
};
struct ChunkItem {
  std::uint32_t bytes = 0;
  ChunkId id;
  bool operator==(const ChunkItem&) const = default;
};
struct HoleItem {
  std::uint64_t bytes = 0;
  bool operator==(const HoleItem&) const = default;
};
struct InlineItem {
  std::string bytes;
  bool operator==(const InlineItem&) const = default;
};
enum class FileStatus : std::uint8_t {
  Ok = 0,
  Changed = 1,     // it changed during every attempt: the content may mix versions
  Vanished = 2,    // no longer there, or no longer a regular file: the entry is dropped
  Unreadable = 3,  // the entry stays without content
};
struct KeptItem {         // feature "windows": the next `count` chunks are those of the old version
  std::int64_t skip = 0;  // from the old chunk behind the last kept one (the first, at the beginning)
  std::uint64_t count = 0;
  bool operator==(const KeptItem&) const = default;
};
struct SumItem {          // stands before the EndFile of a file with kept chunks
  std::uint64_t sum = 0;  // ChunkSum over all its chunk ids, kept or not
  bool operator==(const SumItem&) const = default;
};
struct ContinuedItem {  // feature "resume", right behind the BeginFile: what Continue said is stored stays
  std::uint64_t bytes = 0;
  bool operator==(const ContinuedItem&) const = default;
};
struct UnaskedItem {  // feature "unasked", the last: chunks whose content comes without waiting for the Need
  Bitmap chunks;      // one bit for each Chunk item before it; clear: sent earlier in this pull
  bool operator==(const UnaskedItem&) const = default;
};
struct EndFile {
  FileStatus status = FileStatus::Ok;
  std::optional<Stat> after;  // when it differs from the page's
  bool operator==(const EndFile&) const = default;
};
using RecipeItem = std::variant<BeginFile, ChunkItem, HoleItem, InlineItem, EndFile, KeptItem, SumItem,
                                ContinuedItem, UnaskedItem>;

struct Recipe {
  std::uint64_t batch = 0;  // 0, 1, 2 … in the order sent
  std::vector<RecipeItem> items;
  bool operator==(const Recipe&) const = default;
};
[[nodiscard]] std::string encode(const Recipe& message);
[[nodiscard]] Recipe decode_recipe(std::string_view payload);

struct Group {  // the needed chunks of a batch, in order; not sent when none is needed
  std::uint64_t batch = 0;
  EncodedGroup group;
};
[[nodiscard]] std::string encode(const Group& message);
[[nodiscard]] Group decode_group(std::string_view payload);
[[nodiscard]] std::uint64_t decode_group_number(std::string_view payload);  // its batch alone

// Feature "windows": instead of the Group of a batch with Signatures.  Content: the needed chunks in order,
// those of a window that is used replaced by one delta, where its first needed chunk would stand.
struct Delta {
  std::uint64_t batch = 0;
  std::vector<std::uint32_t> lengths;  // of each window's delta; 0: not used
  EncodedGroup body;
};
[[nodiscard]] std::string encode(const Delta& message);
[[nodiscard]] Delta decode_delta(std::string_view payload);

enum class SkipReason : std::uint8_t { Unreadable = 1, Changed = 2, Denied = 3, Xattr = 4, Large = 5 };
[[nodiscard]] const char* skip_reason_word(SkipReason reason);

struct Skipped {
  SkipReason reason = SkipReason::Unreadable;
  std::uint32_t error = 0;  // errno, or 0
  std::string path;         // below the root; cut at kMaxReportPathBytes
  bool operator==(const Skipped&) const = default;
};
[[nodiscard]] std::string encode(const Skipped& message);
[[nodiscard]] Skipped decode_skipped(std::string_view payload);

struct KeepAlive {
  bool operator==(const KeepAlive&) const = default;
};
[[nodiscard]] std::string encode(const KeepAlive& message);
[[nodiscard]] KeepAlive decode_keep_alive(std::string_view payload);

struct Done {
  std::uint64_t frames = 0;  // frames the agent sent before this one, KeepAlive not counted
  std::uint64_t files = 0, directories = 0, others = 0, bytes = 0;  // of the whole tree, as walked
  std::uint64_t skipped = 0, vanished = 0, read_files = 0, read_bytes = 0;
  bool operator==(const Done&) const = default;
};
[[nodiscard]] std::string encode(const Done& message);
[[nodiscard]] Done decode_done(std::string_view payload);

struct Fail {             // the agent cannot go on; the stream ends after it
  std::uint8_t kind = 0;  // bk::Kind
  std::string text;
  bool operator==(const Fail&) const = default;
};
[[nodiscard]] std::string encode(const Fail& message);
[[nodiscard]] Fail decode_fail(std::string_view payload);

}  // namespace bk::pull
