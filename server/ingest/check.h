// What a client may push, judged before any ref moves (docs/protocol/control.md, "What the server accepts").
#pragma once

#include <istream>
#include <string>

namespace bk::server {

// The pre-receive hook of a control repository: "<old> <new> <ref>" lines on `lines`.  `user` is the pushing
// key's user, empty for a push that did not come through bk_access.  Throws Refused naming what is wrong; git
// then drops everything that was sent.
void check_client_push(const std::string& home, const std::string& repository, const std::string& user,
                       std::istream& lines);

// The client that a control repository belongs to: "<client>.git" -> "<client>".  Throws Config.
[[nodiscard]] std::string client_of(const std::string& repository);

}  // namespace bk::server
