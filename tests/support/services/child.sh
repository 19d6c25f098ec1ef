# shellcheck shell=bash
# A server that this shell started, its pid in DIR/child and its words in DIR/log.  Sourced by the files beside.
#
#   child_answers DIR COMMAND…     waits, half a minute at most, until the command works
#   child_down DIR SIGNAL          ends it and waits; nothing to do when it never started or is gone
child_answers() {
  local dir=$1 tries=600
  shift
  until "$@" >/dev/null 2>&1; do
    kill -0 "$(<"$dir/child")" 2>/dev/null && ((tries-- > 0)) || { tail "$dir/log" >&2; return 1; }
    sleep 0.05
  done
}
child_down() {
  [[ -s $1/child ]] || return 0
  # A test may have killed it already, and the shell remarks on what was killed.
  kill "-$2" "$(<"$1/child")" 2>/dev/null || true
  { wait "$(<"$1/child")"; } 2>/dev/null || true
  rm -f "$1/child"
}
