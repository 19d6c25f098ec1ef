#!/usr/bin/env bash
# Goal: a mirror of another user's repository that stock git clones and fsck finds whole; rewritten history stays; the mirror is a view.
. "$(dirname "$0")/lib.sh"
lab_up
# "-c safe.directory" does not reach the receive-pack that a push starts; a global configuration of this test does.
printf '[safe]\n\tdirectory = *\n' >"$T/gitconfig"
G="env GIT_CONFIG_GLOBAL=$T/gitconfig git -c user.name=t -c user.email=t@localhost -c init.defaultBranch=main"
mkdir -p "$T/repos/team"
$G init -q "$T/work"
for i in 1 2 3; do echo "$i" >"$T/work/f"; $G -C "$T/work" add f; $G -C "$T/work" commit -qm "c$i"; done
$G -C "$T/work" tag -a v1 -m v1
$G -C "$T/work" branch topic HEAD~1
$G init -q --bare "$T/repos/team/app.git"
$G -C "$T/work" push -q "$T/repos/team/app.git" --all; $G -C "$T/work" push -q "$T/repos/team/app.git" --tags
# what must never be taken over or run
printf '#!/bin/sh\ntouch %q\n' "$T/hook-ran" >"$T/repos/team/app.git/hooks/post-upload-pack"; chmod +x "$T/repos/team/app.git/hooks/post-upload-pack"
$G -C "$T/repos/team/app.git" config core.fsmonitor "touch $T/fsmonitor-ran"
$G -C "$T/repos/team/app.git" config uploadpack.packObjectsHook "touch $T/packhook-ran"
if [[ $EUID == 0 ]]; then chown -R 12345:12345 "$T/repos/team"; chmod 755 "$T" "$T/repos"; fi
paths_of "$C1" git "$T/repos"
one_round "$C1" "$S1" git
mirror=$(find "$S1/data/client1/git" -name '*.git' -type d | head -1)
[[ -d $mirror ]] || die "no mirror below data/client1/git"
exits 0 git clone -q "$mirror" "$T/clone"
exits 0 git -C "$T/clone" fsck --full
exits 0 git --git-dir="$mirror" fsck --full
same "$(git -C "$T/clone" log --format=%s | head -1)" c3
same "$(git --git-dir="$mirror" rev-parse v1^{commit})" "$($G -C "$T/work" rev-parse HEAD)"
for f in hook fsmonitor packhook; do [[ ! -e $T/$f-ran ]] || die "$f of the client's repository ran"; done
[[ ! -e $mirror/hooks/post-upload-pack ]] || die "a hook was taken over"

say "a rewritten and a deleted branch are still there"
old=$($G -C "$T/work" rev-parse main); oldtopic=$($G -C "$T/work" rev-parse topic)
$G -C "$T/work" reset -q --hard HEAD~2; echo new >"$T/work/f"; $G -C "$T/work" commit -qam rewritten
$G -C "$T/work" push -q -f "$T/repos/team/app.git" main; $G -C "$T/work" push -q "$T/repos/team/app.git" :topic
one_round "$C1" "$S1" git
same "$(git --git-dir="$mirror" rev-parse main)" "$($G -C "$T/work" rev-parse main)"
exits 1 git --git-dir="$mirror" rev-parse --verify -q refs/heads/topic
for c in "$old" "$oldtopic"; do git --git-dir="$mirror" for-each-ref --contains "$c" --format='%(refname)' | grep -q '^refs/backline/' || die "$c is not kept"; checks=$((checks+1)); done

say "the mirror deleted and rebuilt from the store"
rm -rf "$S1/data/client1/git"
exits 0 "$S1/scripts/bkdb" build -C "$S1"
exits 0 git --git-dir="$mirror" fsck --full
same "$(git --git-dir="$mirror" rev-parse main)" "$($G -C "$T/work" rev-parse main)"
git --git-dir="$mirror" for-each-ref --contains "$old" | grep -q refs/backline/ || die "history was lost by the rebuild"
rm -rf "$S1/data/client1/git"
one_round "$C1" "$S1" git
exits 0 git --git-dir="$mirror" fsck --full

say "unchanged: a record and next to nothing else"
before=$(du -sb "$S1/store" | cut -f1); one_round "$C1" "$S1" git; after=$(du -sb "$S1/store" | cut -f1)
(( after - before < 16384 )) || die "the unchanged run added $((after - before)) bytes"
nothing_left "$C1" "$S1" client1
