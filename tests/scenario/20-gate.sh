#!/bin/bash
# Goal: stock git through a real sshd meets bk_access and ingest_requests: rights, rules, refusals, confinement, a request in TODO.
set -eu
dir=$(mktemp -d)
source "$BK_SOURCE/tests/support/gate.sh"
trap 'gate_down' EXIT
gate_up ann web1 web2 eve

# The administrator grants two clients; a bad push changes nothing.
git_as ann clone -q "$url/gitosis-admin.git" "$dir/admin"
cp "$dir/web1.pub" "$dir/web2.pub" "$dir/admin/keydir/"
for c in web1 web2; do printf '[group %s]\nmembers = %s\nwritable = %s\n' $c $c $c >>"$dir/admin/gitosis.conf"; done
# web2 may push to web1 as far as git is concerned, but may not ask in its name.
printf '[group both]\nmembers = web2\nwritable = web1\n' >>"$dir/admin/gitosis.conf"
git -C "$dir/admin" add -A
git -C "$dir/admin" commit -qm "two clients"
git_as ann -C "$dir/admin" push -q 2>"$dir/out" || fail "push of rules: $(<"$dir/out")"
grep -q "the pushed rules are in force" "$dir/out" || fail "the hook said nothing"
cp "$home/.ssh/authorized_keys" "$dir/keys"
printf '[client web1]\nadress = x\n' >"$dir/admin/backline.conf"
git -C "$dir/admin" commit -qam "a typo"
git_as ann -C "$dir/admin" push -q 2>"$dir/out" && fail "a typo was accepted"
grep -q 'backline.conf:2: unknown key "adress"; did you mean "address"?' "$dir/out" || fail "no reason: $(<"$dir/out")"
cmp -s "$dir/keys" "$home/.ssh/authorized_keys" || fail "a refused push changed authorized_keys"
git -C "$dir/admin" reset -q --hard HEAD^

# Strangers and other clients stay outside; nothing but git runs.
git_as eve ls-remote "$url/web1.git" 2>/dev/null && fail "an unknown key came in"
git_as web1 ls-remote "$url/gitosis-admin.git" 2>"$dir/out" && fail "a client read the rules"
grep -q "Repository read access denied" "$dir/out" || fail "gate: $(<"$dir/out")"
$(ssh_as web1) -p "$BK_SSHD_PORT" "$(id -un)@127.0.0.1" 'cat /etc/passwd' >"$dir/out" 2>&1 && fail "a command ran"
grep -q "Unknown command denied" "$dir/out" || fail "gate: $(<"$dir/out")"
$(ssh_as web1) -p "$BK_SSHD_PORT" "$(id -un)@127.0.0.1" "git-upload-pack '../etc'" >"$dir/out" 2>&1 && fail "a path left its folder"
grep -q "Arguments to command look dangerous" "$dir/out" || fail "gate: $(<"$dir/out")"

# A request, as its format page has it.
request() {  # NUMBER CLIENT
  local text
  text=$(printf 'bk-request 1\nid: %032x\ncounter: %d\nclient: %s\nmodule: wiki\nname: /srv/%d\nmethod: rsync\nplace: /srv/%d\nrequested: 2026-07-13T22:04:09.000000000Z\n' \
    "$1" "$1" "$2" "$1" "$1")
  printf '%s\nend: sha256 %s\n' "$text" "$(printf '%s\n' "$text" | sha256sum | cut -d' ' -f1)"
}
name_of() { printf 'RQwiki:%s' "$(printf '/srv/%d' "$1" | base64 -w0 | tr '+/' '-_')"; }
git init -q -b requests "$dir/web1.work"
cd "$dir/web1.work"
request 1 web1 >"$(name_of 1)"
request 2 web2 >"$(name_of 2)"  # forged
git add -A
git commit -qm "requests from web1: 2

receipts: none"
start=${EPOCHREALTIME/./}
git_as web1 push -q "$url/web1.git" requests 2>"$dir/out" || fail "push: $(<"$dir/out")"
echo "push and ingest through sshd: $(((${EPOCHREALTIME/./} - start) / 1000)) ms"
[[ $(ls "$home/TODO/web1") == "C$(name_of 1 | cut -c3-)" ]] || fail "TODO holds $(ls "$home/TODO/web1")"
grep -qx "by: web1" "$home/TODO/web1/C"* || fail "no by: in TODO"
git_as web1 fetch -q "$url/web1.git" receipts
git show "FETCH_HEAD:$(printf %032x 1)" | grep -qx "outcome: taken" || fail "request 1 was not taken"
git show "FETCH_HEAD:$(printf %032x 2)" | grep -qx "outcome: refused" || fail "the forged request was not refused"

# What a push may not be.
refused() { git_as "$1" push -q "$url/web1.git" "$2" 2>"$dir/out" && fail "accepted: $3"; grep -q "$3" "$dir/out" || fail "$2: $(<"$dir/out")"; }
refused web1 +requests:refs/heads/receipts "a client may push refs/heads/requests only"
refused web1 :refs/heads/requests "cannot be deleted"
refused web2 requests:refs/heads/x "may not ask for client"
echo x >.gitattributes
git add -A
git commit -qm bad
refused web1 requests "is no request's name"
[[ -z $(find "$home/repositories/web1.git/objects" -name 'tmp_objdir*') ]] || fail "a refused push left objects behind"
git reset -q --hard HEAD^
git commit -q --amend -m rewritten
refused web1 +requests "non-fast-forward"

# A control repository that was lost comes back with the next push, and nothing runs twice.
rm -rf "$home/repositories/web1.git"
git_as web1 push -q "$url/web1.git" requests || fail "push to a lost repository"
[[ $(ls "$home/TODO/web1" | wc -l) == 1 ]] || fail "a request was doubled"
git_as web1 fetch -q "$url/web1.git" receipts
git show "FETCH_HEAD:$(printf %032x 1)" | grep -qx "outcome: taken" || fail "not answered again"

# A hook that never ran: the next visit catches up.
rm "$home/repositories/web1.git/backline/cursor"
request 3 web1 >"$(name_of 3)"
git add -A
git commit -qm "requests from web1: 3"
git push -q "$home/repositories/web1.git" requests --receive-pack='git -c core.hooksPath=/dev/null receive-pack'
[[ ! -e $home/TODO/web1/C$(name_of 3 | cut -c3-) ]] || fail "the hook ran after all"
git_as web1 ls-remote "$url/web1.git" >/dev/null
[[ -e $home/TODO/web1/C$(name_of 3 | cut -c3-) ]] || fail "a missed push was not caught up"

# What git-daemon and gitweb are told follows the rules, for repositories that exist and for new ones.
printf '[gitosis]\ngitweb = yes\n[repo web1]\ndaemon = yes\ndescription = the first\nowner = Ann B\n[repo web2]\ndaemon = yes\n' >>"$dir/admin/gitosis.conf"
git -C "$dir/admin" commit -qam "publish"
git_as ann -C "$dir/admin" push -q 2>"$dir/out" || fail "push: $(<"$dir/out")"
grep -q "change: anybody, through git-daemon, gains read web1" "$dir/out" || fail "the push did not say it: $(<"$dir/out")"
[[ -e $home/repositories/web1.git/git-daemon-export-ok && $(<"$home/repositories/web1.git/description") == "the first" ]] || fail "web1 is not published"
[[ $(<"$home/gitosis/projects.list") == $'web1.git Ann+B\nweb2' ]] || fail "projects.list: $(<"$home/gitosis/projects.list")"
git_as web2 ls-remote "$url/web2.git"
[[ -e $home/repositories/web2.git/git-daemon-export-ok ]] || fail "a new repository is not published"
[[ $(<"$home/gitosis/projects.list") == $'web1.git Ann+B\nweb2.git' ]] || fail "projects.list: $(<"$home/gitosis/projects.list")"
sed -i '/^\[repo web1/,$d' "$dir/admin/gitosis.conf"
git -C "$dir/admin" commit -qam "publish no more"
git_as ann -C "$dir/admin" push -q 2>/dev/null
[[ -z $(find "$home/repositories" -name git-daemon-export-ok) && ! -s $home/gitosis/projects.list ]] || fail "what was withdrawn stays published"

# What a writer of receipts has under way is no dead one's leftover.
repo=$home/repositories/web1.git
exec 8>"$repo/backline/lock"
flock 8
touch "$repo/refs/heads/receipts.lock"
git_as web1 ls-remote "$url/web1.git" >/dev/null
[[ -e $repo/refs/heads/receipts.lock ]] || fail "a visit removed the file of a writer at work"
exec 8>&-
git_as web1 ls-remote "$url/web1.git" >/dev/null
[[ ! -e $repo/refs/heads/receipts.lock ]] || fail "a dead writer's lock stayed"
[[ ! -e $home/.ssh/id_ed25519 ]]
echo "done"
