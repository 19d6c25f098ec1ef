# shellcheck shell=bash
# Sourced by every scenario: one lab in a temporary folder, stopped and removed at the end, and words to check with.
#
#   . "$(dirname "$0")/lib.sh"; lab_up [--clients N] [--servers M]
# gives $T (scratch), $L (the lab), $C1 $S1 … (homes), and the functions below.  BK_BIN and BK_SOURCE come from ctest.
set -euo pipefail
umask 022
export LC_ALL=C.UTF-8
BK_SOURCE=${BK_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
export BK_BIN=${BK_BIN:-$BK_SOURCE/build/dev/bin}
T=$(mktemp -d "${TMPDIR:-/tmp}/bk-scenario-XXXXXX")
L=$T/lab
checks=0

# A script that has more to end than its lab says how in `ending`.
finish() {
  local status=$?
  set +e  # whatever fails from here on, the lab ends
  declare -F ending >/dev/null && ending
  [[ -d $L ]] && "$BK_SOURCE/setup/lab" stop "$L" >/dev/null 2>&1
  [[ -n ${MOUNTED:-} ]] && umount "$MOUNTED" 2>/dev/null
  chmod -R u+rwX "$T" 2>/dev/null
  [[ ${KEEP:-} ]] || rm -rf "$T"
  if [[ $status == 0 ]]; then echo "passed: $checks checks"; else echo "FAILED (exit $status) after $checks checks"; fi
  exit "$status"
}
trap finish EXIT
# A script that is stopped has not passed, whatever its last command said.
trap 'exit 143' TERM
trap 'exit 130' INT

die() { echo "FAILED: $*" >&2; exit 1; }
skip() { echo "skipped: $*"; exit 77; }
say() { echo "-- $*"; }

lab_up() {
  "$BK_SOURCE/setup/lab" start "$L" "$@" >"$T/lab.log" 2>&1 || { cat "$T/lab.log"; die "the lab does not start"; }
  # shellcheck disable=SC1091
  . "$L/env"
  C1=$L/client1 S1=$L/server1 C2=$L/client2 S2=$L/server2
  # What somebody types who stands in the server's home.
  mkdir -p "$T/bin"
  printf '#!/bin/sh\nexec %q "$@" -C %q\n' "$S1/scripts/bkdb" "$S1" >"$T/bin/bkdb"
  chmod +x "$T/bin/bkdb"
}

# stripped_programs FOLDER : copies of all programs without what debuggers want: homes get small ones, as from a package
stripped_programs() {
  local program copy
  mkdir -p "$1/cmds"
  for program in "$BK_BIN"/* "$BK_BIN"/cmds/*; do
    [[ -f $program ]] || continue
    copy=$1${program#"$BK_BIN"}
    if [[ $(head -c 4 "$program") == $'\x7fELF' ]]; then strip -o "$copy" "$program"; else cp -a "$program" "$copy"; fi
  done
}

# paths_of HOME MODULE PATH... : sets the paths of a module in that home's configuration
paths_of() {
  local home=$1 module=$2; shift 2
  python3 - "$home/backupconfig.toml" "$module" "$@" <<'PY'
import json, sys
path, module, paths = sys.argv[1], sys.argv[2], sys.argv[3:]
head = "[module.%s]" % module
lines, out, inside, done = open(path).read().splitlines(), [], False, False
value = "paths = [" + ", ".join(json.dumps(p) for p in paths) + "]"
for line in lines:
    if line.startswith("["):
        inside = line.strip() == head
    if inside and line.split("=")[0].strip() == "paths":
        line, done = value, True
    out.append(line)
if not done:
    out += [head, value] if head not in (l.strip() for l in lines) else []
    if head in (l.strip() for l in lines):
        out.insert([l.strip() for l in out].index(head) + 1, value)
open(path, "w").write("\n".join(out) + "\n")
PY
}

# archive_form HOME MODULE : one archive of the folder, by method sftp
archive_form() { sed -i "s|^\[module\.$2\]|&\ncmd = [\"backup_archive\"]\nmethod = \"sftp\"|" "$1/backupconfig.toml"; }

# exits STATUS COMMAND... : the command must end with that status; its output is in $T/out
exits() {
  local want=$1 got=0; shift
  "$@" >"$T/out" 2>&1 </dev/null || got=$?
  [[ $got == "$want" ]] || { cat "$T/out"; die "exit $got instead of $want: $*"; }
  checks=$((checks + 1))
}
# says PATTERN : the last output has a line that matches (grep -E)
says() {
  grep -qE -- "$1" "$T/out" || { cat "$T/out"; die "no line matches: $1"; }
  checks=$((checks + 1))
}
# one_line : the last output is one line of text, no stack trace, no second message
one_line() {
  [[ $(grep -c . "$T/out") == 1 ]] || { cat "$T/out"; die "not one line"; }
  checks=$((checks + 1))
}
same() { [[ $1 == "$2" ]] || die "expected '$2', got '$1'${3:+ ($3)}"; checks=$((checks + 1)); }

# one_round HOME SERVERHOME MODULE [STATUS] : ask, send, pull, fetch the receipt; the last status is the worst receipt's
one_round() {
  local c=$1 s=$2 module=$3 want=${4:-0} got=0
  exits 0 "$c/scripts/backup_it" "$module" ""
  "$c/scripts/send_request" --now >"$T/out" 2>&1 || got=$?
  "$s/scripts/do_backup" >"$T/pull.out" 2>&1 || true
  got=0
  "$c/scripts/send_request" --now >"$T/out" 2>&1 || got=$?
  [[ $got == "$want" ]] || { cat "$T/pull.out" "$T/out"; die "round of $module: exit $got instead of $want"; }
  checks=$((checks + 1))
}
# never_a_success HOME SERVERHOME MODULE PATH PATTERN [SNAPSHOTS] : asked for once more it fails and says so, and the server has no snapshot
# more; a caller that times what happens meanwhile says how many there are, then nothing comes before the request
never_a_success() {
  local c=$1 s=$2 module=$3 path=$4 before=${6:-}
  [[ $before ]] || before=$(snapshots_of "$s" "$path")
  exits 0 "$c/scripts/commit_backup_request" "$module" "$path"
  "$c/scripts/send_request" --now >"$T/out" 2>&1 && true     # its status depends on what failed; the words decide, and the snapshots
  "$c/scripts/send_request" --status >>"$T/out" 2>&1 || true
  says "$5"
  "$s/scripts/do_backup" >"$T/pull.out" 2>&1 || true
  same "$(snapshots_of "$s" "$path")" "$before" "snapshots after a failure"
  "$c/scripts/backup_it" --cancel "$module" >/dev/null 2>&1 || true  # an attempt may have been the last one
}
# killed_at STEP COMMAND... : it is killed when it passes that step; $kills counts
kills=0
killed_at() {
  local step=$1 got=0; shift
  BACKLINE_CRASH_AT=$step "$@" >/dev/null 2>&1 || got=$?  # some of a row of commands never come to it
  [[ $got != 137 ]] || kills=$((kills + 1))
}
# small_disk SIZE FOLDER : mounts one there until `umount "$MOUNTED"`; false where this kernel lets nobody mount
small_disk() {
  unshare --mount true 2>/dev/null || { say "not tried, mounting is not allowed here: a full disk at ${2#"$T/"}"; return 1; }
  mount -t tmpfs -o "size=$1" none "$2" || die "no small disk at $2"
  MOUNTED=$2
}
nothing_left() { # HOME SERVERHOME CLIENT
  local left
  left=$(find "$1"/requests/*/ "$2/TODO/$3" -maxdepth 1 \( -name 'C*' -o -name 'P*' -o -name 'i*' -o -name 'X*' \) 2>/dev/null)
  [[ -z $left ]] || die "left over: $left"
  checks=$((checks + 1))
}
compare() { python3 "$BK_SOURCE/tests/support/compare_trees.py" "$@" >"$T/compare.out" 2>&1 || { head -40 "$T/compare.out"; die "trees differ: $*"; }; checks=$((checks + 1)); }
# index_of SERVERHOME PATH : the source's number in `bkdb ls` from the home
index_of() { "$1/scripts/bkdb" ls --json -C "$1" | python3 -c 'import json,sys
m=[s["index"] for s in json.load(sys.stdin)["sources"] if s["path"]==sys.argv[1]]
print(m[0] if len(m)==1 else "none")' "$2"; }
snapshots_of() { "$1/scripts/bkdb" ls --json -C "$1" | python3 -c 'import json,sys
print(sum(len(s["snapshots"]) for s in json.load(sys.stdin)["sources"] if s["path"]==sys.argv[1]))' "$2"; }
export_source() { # SERVERHOME PATH DEST : prints the exported entry
  rm -rf "$3"
  "$1/scripts/bkdb" export "$3" "$(index_of "$1" "$2")" -C "$1" >"$T/export.out" 2>&1 || { cat "$T/export.out"; die "export of $2"; }
  find "$3" -mindepth 1 -maxdepth 1 ! -name EXPORT.txt
}
# block PAGE INFO : what stands in docs/PAGE between ```INFO and ```
block() {
  local text
  text=$(awk -v head="\`\`\`$2" '$0 == head { on = 1; next } /^```/ { on = 0 } on' "$BK_SOURCE/docs/$1")
  [[ $text ]] || die "docs/$1 has no block \"$2\""
  printf '%s\n' "$text"
}
# run_block PAGE INFO [SED] : a command of a page as it stands there, after SED put values for its examples; what it says is in $T/out
run_block() {
  { echo 'set -euo pipefail'; block "$1" "$2" | sed "${3:-}"; } >"$T/block.sh"
  PATH=$T/bin:$BK_BIN:$PATH exits 0 bash "$T/block.sh"
}
