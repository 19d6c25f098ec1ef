#!/usr/bin/env python3
"""Who may include whom, which folder owns which C library, and which raw calls stand in one place only.

    common <- proto <- {client, server};   server/store and server/catalog include only common and themselves
"""
import re

import tree

MAY_INCLUDE = {
    "common": ("common",),
    "proto": ("common", "proto"),
    "client": ("common", "proto", "client"),
    "server": ("common", "proto", "server"),
    "server/store": ("common", "server/store"),
    "server/catalog": ("common", "server/catalog", "server/store/snapshot.h"),
}

# Header prefix -> the one folder that may include it.
OWNER = {
    "git2": "common/git",
    "sqlite3": "common/sqlite",
    "libssh/": "common/ssh",
    "zstd": "common/compress",
    "openssl/": ("common/digest", "common/crypt"),
    "toml++/": "common/config",
    "archive": "common/archive",
    "librsync": "common/delta",
    "isa-l": "common/parity",
    "pcre2.h": "common/regex",
    "seccomp.h": "common/seccomp",
    "curl/": "common/http",
    "expat.h": "common/s3",
    "libpq": "common/postgres",
    "boost/program_options": "common/options",
}

# A call, where it may stand, and what to use instead.
BANNED = [
    (r"\b(rename|renameat2?|fsync|fdatasync)\s*\(", ("common/io/",), "the durable functions of common/io/file.h"),
    (r"\bSYS_renameat2?\b", ("common/io/",), "the durable functions of common/io/file.h"),
    (r"\b(fork|vfork|exec[lv][pe]*|execve|posix_spawnp?)\s*\(", ("common/process/",), "common/process/process.h"),
    (r"\b(system|popen)\s*\(", (), "common/process/process.h: no shell anywhere"),
    (r"\bremove_all\s*\(", (), "remove_tree of common/io/file.h"),
    (r"\b(strerror|perror)\s*\(", (), "sys_error or check_sys of common/error/error.h"),
    (r"\b(tmpnam|mktemp|tempnam|gets|strcpy|strcat|sprintf)\s*\(", (), "something safe"),
    (r"\b(s?rand|random_shuffle)\s*\(", (), "common/random/random.h"),
]


def layer_of(path):
    for special in ("server/store", "server/catalog"):
        if path.startswith(special + "/"):
            return special
    return path.split("/")[0]


def without_comments(text):
    """The code alone, with as many lines: comments and strings may talk about anything."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"", blank, text, flags=re.S)


def check_includes(path, text):
    layer = layer_of(path)
    for number, line in enumerate(text.split("\n"), 1):
        where = "%s:%d" % (path, number)
        own = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
        if own and not any(own.group(1) == a or own.group(1).startswith(a + "/") for a in MAY_INCLUDE[layer]):
            yield "%s: %s/ may not include %s" % (where, layer, own.group(1))
        system = re.match(r"\s*#\s*include\s*<([^>]+)>", line)
        if not system:
            continue
        for prefix, owner in OWNER.items():
            owners = owner if isinstance(owner, tuple) else (owner,)
            if system.group(1).startswith(prefix) and not any(path.startswith(one + "/") for one in owners):
                yield "%s: only %s/ may include <%s>" % (where, "/ and ".join(owners), system.group(1))


def check_calls(path, text):
    for number, line in enumerate(without_comments(text).split("\n"), 1):
        for pattern, places, instead in BANNED:
            found = re.search(pattern, line)
            if found and not path.startswith(places or ("\0",)):
                yield "%s:%d: %s: use %s" % (path, number, found.group(0).rstrip("( "), instead)


def check(root):
    out = []
    for path in tree.project_files(root):
        if path.split("/")[0] in tree.SOURCE_FOLDERS and path.endswith((".h", ".cc")):
            text = tree.read(root, path)
            out += check_includes(path, text)
            out += check_calls(path, text)
    return out


if __name__ == "__main__":
    tree.main(check)
