// libgit2's start and its error codes, in one place.  Only common/git includes this.
#pragma once

#include "common/error/error.h"

#include <git2.h>

#include <string>
#include <string_view>

namespace bk::git {

// Starts libgit2 once per process: no system or user configuration, no ownership check (we make what we
// open), strict object checks.
void ensure_started();

// The Error for a libgit2 code; copies libgit2's message at once, because the next call overwrites it.
[[nodiscard]] Error git_failure(int code, std::string_view doing);

template <class Describe>
int check_git(int code, Describe&& describe) {
  if (code < 0) throw git_failure(code, describe());
  return code;
}

}  // namespace bk::git
