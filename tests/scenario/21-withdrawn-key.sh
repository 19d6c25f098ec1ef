#!/bin/bash
# Goal: a key that is withdrawn or replaced ends its user's running sessions, and the connections it opened carry no new ones.
set -eu
dir=$(mktemp -d)
source "$BK_SOURCE/tests/support/gate.sh"
trap 'for p in $(jobs -p); do kill "$p" 2>/dev/null || true; done; gate_down' EXIT
gate_up ann web1 web1new web2
push() { git -C "$dir/admin" add -A && git -C "$dir/admin" commit -qm "$1" && git_as ann -C "$dir/admin" push -q 2>"$dir/out" || fail "$1: $(<"$dir/out")"; }
alive() { kill -0 "$1" 2>/dev/null && [[ $(awk '{print $3}' "/proc/$1/stat") != Z ]]; }
ends() { for _ in $(seq 100); do alive "$1" || return 0; sleep 0.1; done; return 1; }

git_as ann clone -q "$url/gitosis-admin.git" "$dir/admin"
cp "$dir/web1.pub" "$dir/web2.pub" "$dir/admin/keydir/"
for c in web1 web2; do printf '[group %s]\nmembers = %s\nwritable = %s\n' $c $c $c >>"$dir/admin/gitosis.conf"; done
push "two clients"

# Sessions that stand and wait: git upload-pack has said what there is and listens.
stand() {  # USER NAME
  mkfifo "$dir/$2.in"
  $(ssh_as "$1") -p "$BK_SSHD_PORT" "$login" "git-upload-pack '${1%new}'" <"$dir/$2.in" >"$dir/$2.out" 2>&1 &
  eval "$2=$!"
  exec {fd}>"$dir/$2.in"
  for _ in $(seq 100); do [[ -s $dir/$2.out ]] && return; sleep 0.1; done
  fail "no session of $1: $(<"$dir/$2.out")"
}
stand web1 first
stand web1 second
stand web2 other
sessions=$home/repositories/gitosis-admin.git/backline/sessions
[[ $(grep -lx web1 "$sessions"/* | wc -l) == 2 ]] || fail "sessions: $(ls "$sessions")"

# A connection with room for more sessions, opened by the old key.
$(ssh_as web1) -p "$BK_SSHD_PORT" -M -S "$dir/mux" -fN "$login"
GIT_SSH_COMMAND="$(ssh_as web1) -S $dir/mux" git ls-remote "$url/web1.git" || fail "the shared connection does not work"

# A file that lies about a process of somebody else's is not believed.
sleep 300 & innocent=$!
echo web1 >"$sessions/$innocent-00"

cp "$dir/web1new.pub" "$dir/admin/keydir/web1.pub"
push "web1 has a new key"
grep -q "2 running session(s) of withdrawn keys ended" "$dir/out" || fail "the push said: $(<"$dir/out")"
ends "$first" && ends "$second" || fail "a session of the old key goes on"
alive "$other" || fail "somebody else's session was ended"
alive "$innocent" || fail "a process was signalled that is no session"

if GIT_SSH_COMMAND="$(ssh_as web1) -S $dir/mux" git ls-remote "$url/web1.git" 2>"$dir/out"; then fail "the old connection carries new sessions"; fi
grep -q "connect again" "$dir/out" || fail "old connection: $(<"$dir/out")"
$(ssh_as web1) -S "$dir/mux" -O exit "$login" 2>/dev/null || true
git_as web1 ls-remote "$url/web1.git" 2>/dev/null && fail "the old key came in"
git_as web1new ls-remote "$url/web1.git" || fail "the new key does not come in"

# A narrower limit ends sessions too; a rule that is no key's does not.
stand web1new third
printf '# nothing\n' >>"$dir/admin/gitosis.conf"
push "a comment"
alive "$third" || fail "a session ended without reason"
printf 'from="192.0.2.1" %s\n' "$(<"$dir/web1new.pub")" >"$dir/admin/keydir/web1.pub"
push "web1 from one place only"
ends "$third" || fail "a session outlived a limit of its key"
git_as web1new ls-remote "$url/web1.git" 2>/dev/null && fail "from= is not carried over"

# The administrator's own session that withdraws his key ends in good order.
ssh-keygen -q -t ed25519 -N '' -C ann -f "$dir/annnew"
cp "$dir/annnew.pub" "$dir/admin/keydir/ann.pub"
push "ann has a new key"
grep -q "your own key changed" "$dir/out" || fail "the push said: $(<"$dir/out")"
git_as ann ls-remote "$url/gitosis-admin.git" 2>/dev/null && fail "the administrator's old key came in"
git_as annnew ls-remote "$url/gitosis-admin.git" >/dev/null || fail "the administrator's new key does not come in"
alive "$other" || fail "the bystander's session ended"
echo "done"
