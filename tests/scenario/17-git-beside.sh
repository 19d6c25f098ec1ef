#!/usr/bin/env bash
# Goal: what git's own protocol does not carry is saved, too: LFS objects, submodules that lie beside, linked work trees whose HEAD is on no branch, alternates; each restored as that thing.
. "$(dirname "$0")/lib.sh"
lab_up
export GIT_CONFIG_GLOBAL="$T/gitconfig" GIT_CONFIG_NOSYSTEM=1
printf '[safe]\n\tdirectory = *\n[user]\n\tname = t\n\temail = t@localhost\n[init]\n\tdefaultBranch = main\n[protocol "file"]\n\tallow = always\n[advice]\n\tdetachedHead = false\n' >"$T/gitconfig"
commit() { (cd "$1"; echo "$2" >"$2"; git add .; git commit -qm "$2"); }

say "a repository with a submodule, LFS objects, a stash, notes and linked work trees"
R=$T/repos
git init -q "$R/app"; commit "$R/app" one
git init -q "$T/lib"; commit "$T/lib" lib
git -C "$R/app" submodule --quiet add "$T/lib" lib; git -C "$R/app" commit -qm submodule
commit "$R/app/lib" only-here
(cd "$R/app"; git lfs install --local >/dev/null; git lfs track '*.bin' >/dev/null
 head -c 300000 /dev/urandom >big.bin; git add .; git commit -qm lfs)
git -C "$R/app" notes add -m "a note"
git -C "$R/app" worktree add -q "$R/on-branch" -b topic
git -C "$R/app" worktree add -q --detach "$R/detached"; commit "$R/detached" nowhere-else
lost=$(git -C "$R/detached" rev-parse HEAD)
echo change >"$R/app/one"; git -C "$R/app" stash -q
stash=$(git -C "$R/app" rev-parse refs/stash)
git clone -q --bare "$R/app" "$R/bare.git"
paths_of "$C1" git "$R"
one_round "$C1" "$S1" git
nothing_left "$C1" "$S1" client1
same "$("$S1/scripts/bkdb" ls --json -C "$S1" | python3 -c 'import json,sys
print("\n".join(sorted(s["method"]+" "+s["path"][len(sys.argv[1]):] for s in json.load(sys.stdin)["sources"])))' "$R")" \
"git /app
git /app/.git/modules/lib
git /app/.git/worktrees/detached
git /bare.git
rsync /app/.git/lfs/objects"

view() { find "$S1/data/client1/git" -type d -path "*$1.git" -name '*.git' | grep -v "$1.git/" | head -1; }
say "restored as the page says: every ref, the stash, notes, the LFS objects; fsck passes"
MIRROR=$(view /repos/app) TARGET=$T/restored.git LFS=$(export_source "$S1" "$R/app/.git/lfs/objects" "$T/lfs") run_block modules/git.md "sh restore"
exits 0 git --git-dir="$T/restored.git" fsck --full --strict
compare "$R/app/.git/lfs/objects" "$T/restored.git/lfs/objects"
same "$(git --git-dir="$T/restored.git" rev-parse refs/stash)" "$stash"
same "$(git --git-dir="$T/restored.git" for-each-ref --format='%(refname)' | tr '\n' ' ')" \
  "refs/heads/main refs/heads/topic refs/notes/commits refs/stash "
exits 128 git --git-dir="$T/restored.git" cat-file -e "$lost^{commit}"

say "a commit that only a linked work tree's HEAD names"
exits 0 git clone -q "$(view /worktrees/detached)" "$T/restored-wt"
same "$(git -C "$T/restored-wt" rev-parse HEAD)" "$lost"
exits 0 git -C "$T/restored-wt" fsck --full

say "the submodule's own commits"
exits 0 git clone -q "$(view /modules/lib)" "$T/restored-lib"
[[ -e $T/restored-lib/only-here ]] || die "the submodule lost a commit"

say "a clone of what was restored has its large file"
GIT_LFS_SKIP_SMUDGE=1 git clone -q "$T/restored.git" "$T/restored"
exits 0 git -C "$T/restored" lfs install --local
exits 0 git -C "$T/restored" lfs pull
exits 0 git -C "$T/restored" lfs fsck
same "$(sha256sum <"$T/restored/big.bin")" "$(sha256sum <"$R/app/big.bin")"

say "borrowed objects: refused with a word without consent, whole with it"
mkdir "$T/borrow"
git clone -q --bare --shared "$R/bare.git" "$T/borrow/forked.git"
cp -a "$R/bare.git" "$T/elsewhere-bare"; echo "$T/elsewhere-bare/objects" >"$T/borrow/forked.git/objects/info/alternates"
paths_of "$C1" git "$T/borrow"
exits 0 "$C1/scripts/backup_it" git ""
exits 0 "$C1/scripts/send_request" --now
"$S1/scripts/do_backup" >"$T/pull.out" 2>&1 || true
exits 77 "$C1/scripts/send_request" --now
says 'borrows objects from .*does not consent'
printf '\n[consent.server1]\nrepositories = ["%s"]\n' "$T/elsewhere-bare" >>"$C1/backupconfig.toml"
one_round "$C1" "$S1" git
exits 0 git clone -q --mirror "$(view /borrow/forked.git)" "$T/restored-fork.git"
exits 0 git --git-dir="$T/restored-fork.git" fsck --full

say "a linked work tree's folder that leads elsewhere is not served"
mkdir -p "$R/evil/.git/worktrees"; git init -q "$R/evil"; commit "$R/evil" e
mkdir "$R/evil/.git/worktrees/w"; echo "$lost" >"$R/evil/.git/worktrees/w/HEAD"; echo "$T/lib/.git" >"$R/evil/.git/worktrees/w/commondir"
exits 0 "$C1/scripts/commit_backup_request" git "$R/evil/.git/worktrees/w" ""
exits 75 "$C1/scripts/send_request" --now
says 'is not a git repository'
