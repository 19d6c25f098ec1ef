#!/bin/bash
# A server's home behind a private sshd, with stock git as its users.
#
#   dir=$(mktemp -d); source tests/support/gate.sh
#   gate_up USER…         makes a key for each; the first one is the administrator.  Sets home, login, url
#   ssh_as USER           the words of ssh with that user's key
#   git_as USER ARGUMENT…
#   gate_down             removes dir, too
#   fail WORDS…

source "$BK_SOURCE/tests/support/sshd.sh"
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t
home=$dir/home

fail() { echo "FAILED: $*" >&2; exit 1; }

gate_up() {
  local user
  mkdir -p "$home/scripts"
  ln -s "$BK_BIN/bk_access" "$BK_BIN/ingest_requests" "$BK_BIN/bkdb" "$home/scripts/"
  for user; do ssh-keygen -q -t ed25519 -N '' -C "$user" -f "$dir/$user"; done
  "$home/scripts/bk_access" --home "$home" init <"$dir/$1.pub" >/dev/null
  bk_sshd_start "$home"
  login=$(id -un)@127.0.0.1
  url=ssh://$login:$BK_SSHD_PORT
  echo "[127.0.0.1]:$BK_SSHD_PORT $BK_SSHD_HOSTKEY" >"$dir/known_hosts"
}

gate_down() {
  bk_sshd_stop "$home"
  rm -rf "$dir"
}

ssh_as() { echo "ssh -F none -i $dir/$1 -o IdentitiesOnly=yes -o IdentityAgent=none -o UserKnownHostsFile=$dir/known_hosts -o BatchMode=yes"; }
git_as() { local user=$1; shift; GIT_SSH_COMMAND=$(ssh_as "$user") timeout 60 git "$@"; }
