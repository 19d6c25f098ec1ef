#!/bin/bash
# Goal: a client with a valid key tries every way out of its own repository: shell, files, forwarding, others' data, forging, filling, deleting.
set -eu
dir=$(mktemp -d)
source "$BK_SOURCE/tests/support/gate.sh"
trap 'ssh -S "$dir/mux" -O exit x 2>/dev/null || true; gate_down' EXIT
mkdir -p "$home/data"; echo canary-of-web2 >"$home/data/secret"
gate_up ann web1 web2
# One connection for the many commands.
run() { timeout 20 $(ssh_as web1) -o ControlMaster=auto -o "ControlPath=$dir/mux" -o ControlPersist=30 -p "$BK_SSHD_PORT" "$login" "$@" >"$dir/out" 2>&1; }

git_as ann clone -q "$url/gitosis-admin.git" "$dir/admin"
cp "$dir/web1.pub" "$dir/web2.pub" "$dir/admin/keydir/"
for c in web1 web2; do printf '[group %s]\nmembers = %s\nwritable = %s\n' $c $c $c >>"$dir/admin/gitosis.conf"; done
printf '[client web1]\n[client web2]\nrestore = yes\n' >"$dir/admin/backline.conf"
git -C "$dir/admin" add -A
git -C "$dir/admin" commit -qm clients
git_as ann -C "$dir/admin" push -q 2>"$dir/out" || fail "push: $(<"$dir/out")"
git_as web2 ls-remote "$url/web2.git"  # is there now

# A11: no command but git's two, no path but a repository's name, nothing behind it.
for command in id 'sh -c id' bash 'scp -f /etc/passwd' sftp-server 'rsync --server --sender . /' git git-shell "git-upload-archive 'web1'" \
  "git-upload-pack 'web1';id" "git-upload-pack 'web1' && id" "git-upload-pack '--upload-pack=id'" "git-upload-pack --strict 'web1'" \
  "git-upload-pack '/etc'" "git-upload-pack '../web1'" "git-upload-pack '~/web1'" "git-upload-pack 'web1/../web2'" "git-upload-pack \"web1\"" \
  "git-upload-pack '\$(id)'" "git -c core.sshCommand=id upload-pack 'web1'" "git-upload-pack 'web1.git/hooks'" "git-upload-pack 'web1'"$'\n'id \
  'backline restore web2' 'backline  restore' 'serve web2' "git-receive-pack '.hooks'" "git-receive-pack 'gitosis-admin'"; do
  run "$command" && fail "ran: $command"
  grep -qE "Unknown command denied|Arguments to command look dangerous|Repository read access denied|may not contain newline" "$dir/out" || fail "$command: $(<"$dir/out")"
  grep -qE "uid=|canary|root:" "$dir/out" && fail "$command gave $(<"$dir/out")"
done
run && fail "a login shell"
grep -q "SSH_ORIGINAL_COMMAND" "$dir/out" || fail "without a command: $(<"$dir/out")"
run 'backline restore' && fail "restoring without being allowed"
grep -q "not allowed here" "$dir/out" || fail "restore: $(<"$dir/out")"
timeout 20 $(ssh_as web1) -p "$BK_SSHD_PORT" -s "$login" sftp </dev/null >"$dir/out" 2>&1 && fail "sftp"
echo 'echo canary-of-environment >&2' >"$dir/env.sh"
timeout 20 $(ssh_as web1) -p "$BK_SSHD_PORT" -o "SetEnv=BASH_ENV=$dir/env.sh ENV=$dir/env.sh LD_PRELOAD=x GIT_SSH_COMMAND=id" "$login" id >"$dir/out" 2>&1 && fail "an environment"
grep -q canary "$dir/out" && fail "the client's environment reached a shell"

# Nothing but a session: no forwarding of ports, agents, displays, no terminal.
for option in -R0:127.0.0.1:22 "-R$dir/sock:127.0.0.1:22"; do
  timeout 20 $(ssh_as web1) -p "$BK_SSHD_PORT" -o ExitOnForwardFailure=yes -N "$option" "$login" >"$dir/out" 2>&1 && fail "forwarding $option"
  grep -qi "forwarding failed" "$dir/out" || fail "$option: $(<"$dir/out")"
done
timeout 20 $(ssh_as web1) -p "$BK_SSHD_PORT" -W "127.0.0.1:$BK_SSHD_PORT" "$login" </dev/null >"$dir/out" 2>&1 && fail "-W"
grep -q "SSH-2.0" "$dir/out" && fail "a port was forwarded"

# A5: a git that a client starts has little memory and time, also when it is told to do nothing.
mkfifo "$dir/still"
timeout 60 $(ssh_as web1) -p "$BK_SSHD_PORT" "$login" "git-receive-pack 'web1'" <"$dir/still" >"$dir/out" 2>&1 & still=$!
exec 7>"$dir/still"
git_of_web1() { for p in /proc/[0-9]*; do [[ $(readlink "$p/cwd" 2>/dev/null) == "$home/repositories/web1.git" || $(tr '\0' ' ' <"$p/cmdline" 2>/dev/null) == *"$home/repositories/web1.git"* ]] && [[ $(<"$p/comm") == git* ]] && { echo "$p"; return; }; done; }
for _ in $(seq 100); do proc=$(git_of_web1 2>/dev/null) || true; [[ -n $proc ]] && break; sleep 0.1; done
[[ -n $proc ]] || fail "no git waits for the client: $(<"$dir/out")"
grep -qE '^Max cpu time +600 +600 ' "$proc/limits" || fail "time: $(<"$proc/limits")"
grep -qE '^Max core file size +1 +1 ' "$proc/limits" || fail "core files: $(<"$proc/limits")"
grep -qa __asan_init "$BK_BIN/bk_access" || grep -qa __tsan_init "$BK_BIN/bk_access" ||
  grep -qE '^Max address space +1073741824 +1073741824 ' "$proc/limits" || fail "memory: $(<"$proc/limits")"
exec 7>&-
wait "$still" || true

# A21, A22: whether another client exists, what it has and asks, is not told and not touched.
git_as web1 ls-remote "$url/web2.git" 2>"$dir/there" && fail "read another's repository"
git_as web1 ls-remote "$url/web3.git" 2>"$dir/nowhere" && fail "read a repository that is nobody's"
cmp "$dir/there" "$dir/nowhere" || fail "the answers tell whether web2 exists"
git init -q -b requests "$dir/work"
cd "$dir/work"
echo x >RQx
git add -A
git commit -qm x
git_as web1 push -q "$url/web2.git" requests 2>"$dir/there" && fail "wrote to another's repository"
git_as web1 push -q "$url/web3.git" requests 2>"$dir/nowhere" && fail "wrote to a repository that is nobody's"
cmp "$dir/there" "$dir/nowhere" || fail "the answers to a push tell whether web2 exists"
[[ ! -e $home/repositories/web3.git && ! -e $home/TODO/web3 ]] || fail "a repository was made for a stranger"

# A5, A6: too much at once, links, submodules, programs, attributes, tags, other branches, deletions.
refused() { git_as web1 push -q "$url/web1.git" "${@:2}" 2>"$dir/out" && fail "accepted: $1"; grep -qE "$1" "$dir/out" || fail "$1: $(<"$dir/out")"; }
bad() { git checkout -q --orphan "bad$RANDOM$RANDOM"; git rm -rqf --cached . >/dev/null; rm -rf RQ* .gitattributes .gitmodules; "${@:2}"; git commit -qm bad; refused "$1" "HEAD:refs/heads/requests"; }
link() { ln -s /etc/passwd RQlink; git add RQlink; }
program() { echo x >RQp; chmod +x RQp; git add RQp; }
submodule() { git update-index --add --cacheinfo "160000,$(git rev-parse requests),RQsub"; }
attributes() { echo '* filter=x' >.gitattributes; git add .gitattributes; }
modules() { printf '[submodule "x"]\n\tpath = x\n\turl = -oProxyCommand=id\n' >.gitmodules; git add .gitmodules; }
folder() { mkdir -p RQd; echo x >RQd/x; git add RQd; }
huge() { head -c 17M /dev/urandom >RQhuge; git add RQhuge; }
large() { head -c 70000 /dev/zero >RQlarge; git add RQlarge; }
for what in link program submodule attributes modules folder large; do bad "request|plain file|larger|fsck|remote rejected" "$what"; done
bad "pack exceeds maximum|remote rejected|unpack|hung up" huge
git checkout -q requests
refused "refs/heads/requests only" requests:refs/heads/master
refused "refs/heads/requests only" requests:refs/tags/v1
refused "refs/heads/requests only|denied" requests:refs/heads/receipts
[[ -z $(git ls-remote "$home/repositories/web1.git") ]] || fail "refs: $(git ls-remote "$home/repositories/web1.git")"
[[ -z $(find "$home/repositories/web1.git/objects" -type f -size +1M) ]] || fail "what was refused stays on disk"
[[ -z $(ls "$home/TODO/web1" 2>/dev/null) ]] || fail "TODO: $(ls "$home/TODO/web1")"

# The log names what was tried, one line each, whatever bytes it held.
grep -q 'user web1 "git-upload-pack' "$home"/log/* || fail "nothing in the log"
grep -qP '[^\x20-\x7e]' "$home"/log/* && fail "control bytes in the log"
echo "done"
