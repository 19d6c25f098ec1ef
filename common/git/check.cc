#include "common/git/check.h"

#include "common/text/escape.h"

namespace bk::git {
namespace {

// A pack that claims more is refused before memory is taken for it.
constexpr std::size_t kMaxPackObjects = 5000000;

Kind kind_of(int code, int error_class) {
  switch (code) {
    case GIT_ELOCKED:
    case GIT_EMODIFIED:
      return Kind::Transient;
    case GIT_ENOTFOUND:
    case GIT_EMISMATCH:
      return error_class == GIT_ERROR_OS ? Kind::Io : Kind::Corrupt;
    case GIT_ECERTIFICATE:
    case GIT_EAUTH:
      return Kind::Refused;
    default:
      break;
  }
  switch (error_class) {
    case GIT_ERROR_ZLIB:
    case GIT_ERROR_ODB:
    case GIT_ERROR_OBJECT:
    case GIT_ERROR_TREE:
    case GIT_ERROR_INDEXER:
    case GIT_ERROR_CONFIG:
    case GIT_ERROR_REFERENCE:  // an empty or cut ref file
    case GIT_ERROR_REPOSITORY:
      return Kind::Corrupt;
    case GIT_ERROR_NET:
    case GIT_ERROR_SSH:
      return Kind::Transient;
    default:
      return Kind::Io;
  }
}

}  // namespace

// Debian's libgit2 parses every certificate authority of the system when it starts, 3 ms of a process that
// never speaks TLS: our only transport is common/ssh.  These stand in for its TLS library's, so that there
// are none to parse.
extern "C" {
int mbedtls_x509_crt_parse_path(void*, const char*) { return 0; }
int mbedtls_x509_crt_parse_file(void*, const char*) { return 0; }
}

void ensure_started() {
  static const int started = [] {
    const int code = git_libgit2_init();
    if (code < 0) return code;
    for (const int level : {GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_GLOBAL,
                            GIT_CONFIG_LEVEL_PROGRAMDATA})
      (void)git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, level, "");
    (void)git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
    // Each object is read once: the cache (256 MiB by default) would only grow.
    (void)git_libgit2_opts(GIT_OPT_ENABLE_CACHING, 0);
    (void)git_libgit2_opts(GIT_OPT_SET_PACK_MAX_OBJECTS, kMaxPackObjects);
    return code;
  }();
  check_git(started, [] { return "starting libgit2"; });
}

Error git_failure(int code, std::string_view doing) {
  const git_error* last = git_error_last();
  const int error_class = last != nullptr ? last->klass : GIT_ERROR_NONE;
  std::string text(doing);
  text += ": ";
  text += last != nullptr && last->message != nullptr ? std::string(last->message)
                                                      : "libgit2 code " + std::to_string(code);
  return {kind_of(code, error_class), text};
}

}  // namespace bk::git
