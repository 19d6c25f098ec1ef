// The state of a peer that showed another host key than the pinned one: a small file,
// <home>/log/hostkey-changed/<peer>.
//
// As long as it is there and names the key that is still pinned, nobody connects to that peer: a changed key
// is not tried again by itself.  It goes when another key is pinned, or when somebody removes it because the
// old key is right after all.
#pragma once

#include "common/time/time.h"

#include <string>
#include <string_view>
#include <vector>

namespace bk::ssh {

struct HostKeyMark {
  std::string peer;           // the file's name
  std::string pinned, shown;  // "<type> <base64>"; shown also "no <type> key"
  std::string since;          // as to_text() writes times
};

[[nodiscard]] std::string host_key_mark_file(const std::string& home, const std::string& peer);

// Throws Refused when `file` marks `pinned`; removes it when it marks another key, or cannot be read.
void require_no_mark(const std::string& file, std::string_view pinned);

// Durable when it returns; the first mark of a key stays.
void mark_host_key(const std::string& file, std::string_view pinned, std::string_view shown, Timestamp now);

// All marks of a home, sorted by peer.
[[nodiscard]] std::vector<HostKeyMark> list_host_key_marks(const std::string& home);
// One line for people.
[[nodiscard]] std::string describe_mark(const HostKeyMark& mark);

}  // namespace bk::ssh
