// Making an installation ready for its first administrator.
#pragma once

#include <string>
#include <string_view>

namespace bk::server {

// repositories/gitosis-admin.git with gitosis.conf, an empty backline.conf and keydir/<user>.pub as its first
// commit, hooks, authorized_keys.  `user` empty: the last word of the key.  Harmless to repeat: an existing
// gitosis-admin keeps its content, and hooks and authorized_keys are mended.  Durable when it returns. Throws
// Config for a key or a name that is not accepted.  Returns the administrator's name.
std::string init_access(const std::string& home, std::string_view key_text, std::string user);

}  // namespace bk::server
