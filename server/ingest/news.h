// Whether a control repository needs to be looked at, by a few small files of it: for who looks at all of
// them every few minutes and opens none.
#pragma once

#include <string>

namespace bk::server {

// False when the tip of its requests is the one that was ingested last, its receipts are as they were when
// it was looked after, and no dead lock or half received push lies in it.  True in any doubt.  Waits for
// nothing: what should be a file and is none is news.
[[nodiscard]] bool has_news(const std::string& repository) noexcept;

// After ingest(), which also keeps the repository small: that needs to be done again only when something
// changed.  A cache in backline/looked-after.  Throws Io.
void note_looked_after(const std::string& repository);

}  // namespace bk::server
