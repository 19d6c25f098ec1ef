#!/usr/bin/env bash
# Goal: a repository made by an enemy is mirrored without harm, or refused in one line, within limits: hooks, helpers in its
# configuration, borrowed objects, submodules and names that other tools stumbled over, a delta bomb, very many refs.
. "$(dirname "$0")/lib.sh"
refs=${1:-20000}
lab_up
G="git -c user.name=t -c user.email=t@localhost -c init.defaultBranch=main -c protocol.file.allow=always"
marker() { printf 'touch %q' "$T/ran-$1"; }
mkdir -p "$T/repos"

say "everything that git runs for a repository's own sake, and names that tools stumbled over"
R=$T/repos/evil.git
$G init -q --bare "$R"
printf '#!/bin/sh\n%s\n' "$(marker hook)" >"$T/hook"; chmod +x "$T/hook"
for hook in post-upload-pack pre-receive update post-receive post-update post-checkout reference-transaction fsmonitor-watchman pre-auto-gc; do cp "$T/hook" "$R/hooks/$hook"; done
for key in core.fsmonitor core.sshCommand core.pager core.editor core.askPass core.gitProxy uploadpack.packObjectsHook core.alternateRefsCommand \
  filter.x.smudge filter.x.clean diff.external credential.helper gpg.program remote.origin.uploadpack; do $G -C "$R" config "$key" "$(marker "$key")"; done
$G -C "$R" config core.hooksPath "$R/hooks"; $G -C "$R" config include.path /etc/hostname-not-there
$G -C "$R" config remote.origin.promisor true; $G -C "$R" config remote.origin.url "ext::$(marker ext)"

$G -C "$R" config receive.fsckObjects false
mkdir -p "$R/info"; echo '* filter=x diff=x merge=x' >"$R/info/attributes"
blob=$(echo hello | $G -C "$R" hash-object -w --stdin)
modules=$(printf '[submodule "../../x"]\n\tpath = x\n\turl = ext::%s\n\tupdate = !%s\n' "$(marker sub)" "$(marker sub)" | $G -C "$R" hash-object -w --stdin)
attributes=$(echo '* filter=x' | $G -C "$R" hash-object -w --stdin)
head=$($G -C "$R" commit-tree -m x "$(printf '100644 blob %s\thello\n' "$blob" | $G -C "$R" mktree)")
# git refuses to write such trees: they are written as what they are, bytes
tree=$(python3 - "$R" "$blob" "$modules" "$attributes" "$head" <<'PY'
import subprocess, sys
repo, blob, modules, attributes, commit = sys.argv[1:]
link = subprocess.run(["git", "-C", repo, "hash-object", "-w", "--stdin"], input=b"/etc/shadow", capture_output=True, check=True).stdout.decode().strip()
entries = [(b"100644", b".gitattributes", attributes), (b"100644", b".gitmodules", modules), (b"100755", b".git\\hooks\\post-checkout", blob),
           (b"120000", b"GIT~1", link), (b"100644", b"hello\n\x1b[31mworld", blob), (b"160000", b"x", commit)]
body = b"".join(mode + b" " + name + b"\0" + bytes.fromhex(oid) for mode, name, oid in sorted(entries, key=lambda e: e[1]))
print(subprocess.run(["git", "-C", repo, "hash-object", "-t", "tree", "-w", "--literally", "--stdin"], input=body, capture_output=True, check=True).stdout.decode().strip())
PY
)
$G -C "$R" update-ref refs/heads/main "$($G -C "$R" commit-tree -m evil "$tree")"
$G -C "$R" update-ref refs/heads/--upload-pack=x "$head"; $G -C "$R" update-ref refs/backline/20200101T000000Z/x "$head"
# The traps are live: git itself falls into them when it is let.
$G -C "$R" hook run pre-auto-gc || true; mkdir "$T/empty"
git --git-dir="$R" --work-tree="$T/empty" status >/dev/null 2>&1 || true
[[ -e $T/ran-hook && -e $T/ran-core.fsmonitor ]] || die "the traps do not work: $(ls "$T")"
rm -f "$T"/ran-*  # of what this test did itself
paths_of "$C1" git "$T/repos"
one_round "$C1" "$S1" git
mirror=$(find "$S1/data/client1/git" -name 'evil.git.git' -type d)
same "$(git --git-dir="$mirror" rev-parse main)" "$(git --git-dir="$R" rev-parse main)"
same "$(git --git-dir="$mirror" rev-parse refs/heads/--upload-pack=x)" "$head"
same "$(git --git-dir="$mirror" for-each-ref refs/backline)" ""
exits 0 git --git-dir="$mirror" config --list --local
for word in promisor fsmonitor packObjectsHook ran- worktree include; do ! grep -qi "$word" "$T/out" || die "the client's configuration was taken over: $word"; done
[[ -z $(find "$mirror/hooks" -type f 2>/dev/null) ]] || die "hooks were taken over"
same "$(find "$T" -maxdepth 1 -name 'ran-*')" "" "something of the client's ran"

say "borrowed objects outside of what is consented to: refused in one line; the others go on"
A=$T/repos/borrower.git; $G init -q --bare "$A"; $G init -q --bare "$T/secret.git"
secret=$(echo secret | $G -C "$T/secret.git" hash-object -w --stdin)
echo "$T/secret.git/objects" >"$A/objects/info/alternates"
tree=$(printf '100644 blob %s\ts\n' "$secret" | $G -C "$A" mktree); $G -C "$A" update-ref refs/heads/main "$($G -C "$A" commit-tree -m x "$tree")"
one_round "$C1" "$S1" git 77; says 'borrows objects from .*secret.git.* does not consent to'
same "$(snapshots_of "$S1" "$A")" 0; same "$(snapshots_of "$S1" "$R")" 2
rm -rf "$A"

say "a delta bomb: 9.6 GB in a pack of kilobytes ends git, and nothing else"
B=$T/repos/bomb.git; $G init -q --bare "$B"
python3 "$BK_SOURCE/tests/support/delta_bomb.py" "$B"
[[ $(du -sk "$B/objects" | cut -f1) -lt 200 ]] || die "the bomb is large already"
sed -i '/^backoff/d; s/^\[limits\]/[limits]\nbackoff = ["1s"]/' "$S1/backupconfig.toml"; grep -q '^\[limits\]' "$S1/backupconfig.toml" || printf '[limits]\nbackoff = ["1s"]\nattempts = 1\n' >>"$S1/backupconfig.toml"
before=$(du -sk "$S1" | cut -f1)
exits 0 "$C1/scripts/backup_it" git ""
"$C1/scripts/send_request" --now >/dev/null 2>&1 || true
got=0; "$S1/scripts/do_backup" >"$T/out" 2>&1 || got=$?
[[ $got != 0 ]] || die "the bomb counts as a success"
says 'bomb.git'; grep -qi 'memory\|too large\|failed' "$T/out" || die "$(cat "$T/out")"
(( $(du -sk "$S1" | cut -f1) - before < 20000 )) || die "the bomb took the server's disk"
same "$(snapshots_of "$S1" "$B")" 0; same "$(snapshots_of "$S1" "$R")" 3
rm -rf "$B" ; rm -rf "$S1/TODO/client1"/[CP]*bomb* 2>/dev/null || true

say "$refs refs are followed"
M=$T/repos/many.git; $G init -q --bare "$M"
many=$($G -C "$M" commit-tree -m x "$($G -C "$M" mktree </dev/null)")
python3 - "$M" "$many" "$refs" <<'PY'
import sys
repo, oid, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
with open(repo + "/packed-refs", "w") as out:
    out.write("# pack-refs with: peeled fully-peeled sorted \n")
    for i in range(count):
        out.write("%s refs/heads/b%07d\n" % (oid, i))
PY
one_round_of_many() { exits 0 "$C1/scripts/backup_it" git ""; "$C1/scripts/send_request" --now >/dev/null 2>&1 || true; "$S1/scripts/do_backup" >"$T/pull.out" 2>&1 || true; }
one_round_of_many
same "$(snapshots_of "$S1" "$M")" 1
mirror=$(find "$S1/data/client1/git" -name 'many.git.git' -type d)
same "$(git --git-dir="$mirror" for-each-ref | wc -l)" "$refs"

say "what could be taken is whole"
mirror=$(find "$S1/data/client1/git" -name 'evil.git.git' -type d)
rm -rf "$S1/data/client1/git"; exits 0 "$S1/scripts/bkdb" build -C "$S1"
same "$(git --git-dir="$mirror" rev-parse main)" "$(git --git-dir="$R" rev-parse main)"
exits 0 git --git-dir="$mirror" rev-list --objects --all
