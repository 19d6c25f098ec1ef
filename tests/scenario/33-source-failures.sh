#!/usr/bin/env bash
# Goal: a repository or a tree that is damaged, gone, locked, unreadable, or whose pull runs into a full disk or is killed, is never a success, is said with its reason, and leaves earlier backups as they were; then it goes through.
. "$(dirname "$0")/lib.sh"
lab_up
G="git -c user.name=t -c user.email=t@localhost -c init.defaultBranch=main"
mkdir -p "$T/repos" "$T/tree"
R=$T/repos/r.git
$G init -q --bare "$R"; $G init -q "$T/work"
commit() { head -c "${2:-3000}" /dev/urandom >"$T/work/$1"; $G -C "$T/work" add .; $G -C "$T/work" commit -qm "$1"; $G -C "$T/work" push -q "$R" HEAD:refs/heads/main; }
commit one; $G -C "$R" repack -adq
echo one >"$T/tree/one"; head -c 200000 /dev/urandom >"$T/tree/some"
paths_of "$C1" git "$T/repos"; paths_of "$C1" directories "$T/tree"
for module in git directories; do one_round "$C1" "$S1" $module; done
compare "$T/tree" "$(export_source "$S1" "$T/tree" "$T/exported")"
sed -i '/^backoff/d; s/^\[limits\]/[limits]\nbackoff = ["1s"]/' "$S1/backupconfig.toml"; grep -q '^backoff' "$S1/backupconfig.toml" || printf '\n[limits]\nbackoff = ["1s"]\n' >>"$S1/backupconfig.toml"
kept() { # what was stored before is whole, and no more was added
  same "$(snapshots_of "$S1" "$R") $(snapshots_of "$S1" "$T/tree")" "$1"
  exits 0 "$S1/scripts/bkdb" verify -C "$S1"
}
ask() { exits 0 "$C1/scripts/backup_it" "$1" ""; "$C1/scripts/send_request" --now >"$T/out" 2>&1 || true; }
pull() { "$S1/scripts/do_backup" >"$T/out" 2>&1 && die "a success: $(cat "$T/out")"; cat "$T/out" >>"$T/all"; }
again() { # the request that failed goes through by itself
  sleep 1.1
  "$S1/scripts/do_backup" --once client1 >"$T/out" 2>&1 || { cat "$T/out"; die "it does not go through"; }
  exits 0 "$C1/scripts/send_request" --now
  nothing_left "$C1" "$S1" client1
}

say "a damaged repository"
commit two
object=$(find "$R/objects" -path '*/objects/??/*' -type f | head -1)
cp -p "$object" "$T/good"; chmod u+w "$object"; printf 'rubbish' >"$object"
ask git; pull; says 'r\.git'; says 'corrupt|bad object|inflate|loose object|damaged'
kept '1 1'
cat "$T/good" >"$object"
again; kept '2 1'

say "a repository that went away after it was asked for; one whose refs somebody holds locked is read"
commit three; ask git
mv "$R" "$T/aside.git"
pull; says 'r\.git.*(No such file|does not exist|not a git repository|is not there)'
mv "$T/aside.git" "$R"; touch "$R/packed-refs.lock" "$R/refs/heads/main.lock"
again; kept '3 1'
rm "$R/packed-refs.lock" "$R/refs/heads/main.lock"

say "a tree that is gone, before it is asked for and after"
mv "$T/tree" "$T/aside"
got=0; "$C1/scripts/backup_it" directories "" >"$T/out" 2>&1 || got=$?
same "$got" 69; says 'tree.* does not exist'
mv "$T/aside" "$T/tree"; ask directories; mv "$T/tree" "$T/aside"
pull; says 'tree.*(No such file|does not exist)'
got=0; "$C1/scripts/send_request" --now >"$T/out" 2>&1 || got=$?
same "$got" 77; says 'directories .*tree.*No such file'
nothing_left "$C1" "$S1" client1
kept '3 1'
mv "$T/aside" "$T/tree"
one_round "$C1" "$S1" directories; kept '3 2'

say "do_backup killed in the middle of a pull"
commit four 20000000; head -c 20000000 /dev/urandom >"$T/tree/four"
for module in git directories; do
  exits 0 "$C1/scripts/backup_it" $module ""
done
"$C1/scripts/send_request" --now >"$T/out" 2>&1 || true
"$S1/scripts/do_backup" >/dev/null 2>&1 & victim=$!
sleep 0.25; kill -9 "$victim" 2>/dev/null || true; wait "$victim" 2>/dev/null || true
exits 0 "$S1/scripts/bkdb" verify -C "$S1"
again; kept '4 3'
compare "$T/tree" "$(export_source "$S1" "$T/tree" "$T/exported")"
mirror=$(find "$S1/data/client1/git" -name 'r.git.git' -type d)
same "$(git --git-dir="$mirror" rev-parse main)" "$(git --git-dir="$R" rev-parse main)"
exits 0 git --git-dir="$mirror" fsck --full

say "the server's disk is full while a repository is pulled"
mkdir "$T/small"
if small_disk 60m "$T/small"; then
  commit five 12000000
  rm -f "$S1/store/locks/reserve"
  cp -a "$S1/store/." "$T/small/"; mv "$S1/store" "$T/store-before"; ln -s "$T/small" "$S1/store"
  free=$(df --output=avail -k "$T/small" | tail -1)
  head -c $(((free - 3000) * 1024)) /dev/zero >"$T/small/filler"
  ask git; pull; says 'No space left|space'
  kept '4 3'
  rm "$T/small/filler"; mount -o remount,size=300m "$T/small"
  again; kept '5 3'
  rm "$S1/store"; cp -a "$T/small" "$S1/store"; umount "$T/small"; MOUNTED=
fi

if [[ $EUID == 0 ]]; then
  say "not tried, root reads everything: what may not be read"
else
  say "what may not be read: a file of a tree is named, the rest is there"
  chmod 000 "$T/tree/some"
  one_round "$C1" "$S1" directories 3; says 'unreadable .*some'
  chmod 600 "$T/tree/some"
fi
exits 0 "$S1/scripts/bkdb" verify -C "$S1"
