#!/usr/bin/env bash
# Goal: slow clients fill every slot; whoever waits gets one soon, and the slow ones (a git fetch of which nothing can be
# kept among them) go on in turns, in the same run, send at most a group twice for each turn, and end whole.
. "$(dirname "$0")/lib.sh"
lab_up --clients 2
crowd() { python3 "$BK_SOURCE/tests/support/crowd.py" "$@"; }
slow=(c000 c001 c002)
mkdir -p "$T/src" "$T/src2" "$T/sent"
for name in "${slow[@]}"; do mkdir "$T/src/$name"; echo "$name" >"$T/src/$name/file"; done
echo two >"$T/src2/file"
G="git -c user.name=t -c user.email=t@localhost -c init.defaultBranch=main"
$G init -q "$T/repo"; echo 1 >"$T/repo/f"; $G -C "$T/repo" add f; $G -C "$T/repo" commit -qm one
mkdir "$T/archived"; echo one >"$T/archived/file"
paths_of "$C1" git "$T/repo"; paths_of "$C1" directories "$T/archived"; archive_form "$C1" directories; paths_of "$C2" directories "$T/src2"
printf '\n[consent.server1]\nroots = [%s]\n' "$(printf '"%s", ' "$T"/src/*)" >>"$C1/backupconfig.toml"
crowd rules "$L/admin/server1/backline.conf" 3 0 0 0
git -C "$L/admin/server1" -c user.name=a -c user.email=a@example.org commit -qam crowd
exits 0 git -C "$L/admin/server1" push -q
sed -i '/^\[limits\]/,$ { /^\(concurrency\|turn\)/d }' "$S1/backupconfig.toml"
grep -q '^\[limits\]' "$S1/backupconfig.toml" || echo '[limits]' >>"$S1/backupconfig.toml"
sed -i "s/^\[limits\]/[limits]\nconcurrency = 2\nturn = \"${TURN:-2s}\"/" "$S1/backupconfig.toml"
ask() { # the slow ones first, then the archive and the repository; client2 is the last
  crowd ask "$S1/TODO" 3 "$T/src"
  exits 0 "$C1/scripts/backup_it" directories ""; exits 0 "$C1/scripts/backup_it" git ""; exits 0 "$C1/scripts/send_request" --now
  exits 0 "$C2/scripts/backup_it" directories ""; exits 0 "$C2/scripts/send_request" --now
}

say "everybody is known: each had a success"
ask
exits 0 "$S1/scripts/do_backup"
for name in "${slow[@]}"; do same "$(snapshots_of "$S1" "$T/src/$name")" 1; done
: >"$T/before"; cat "$S1"/log/do_backup-*.log >"$T/before"

say "client1's machine sends 1.5 MB a second from now on, five times 4.5 MB are new there; client2 has a small change"
agent=$(readlink -f "$C1/scripts/backup_agent"); rm "$C1/scripts/backup_agent"
printf '#!/bin/bash\nexec python3 %q slow 1500000 %q %q "$@"\n' "$BK_SOURCE/tests/support/crowd.py" "$T/sent" "$agent" >"$C1/scripts/backup_agent"
chmod +x "$C1/scripts/backup_agent"
for name in "${slow[@]}"; do head -c 4500000 /dev/urandom >"$T/src/$name/more"; done
head -c 4500000 /dev/urandom >"$T/archived/large"
head -c 4500000 /dev/urandom >"$T/repo/large"; $G -C "$T/repo" add large; $G -C "$T/repo" commit -qm two
echo three >"$T/src2/file"
ask
"$S1/scripts/do_backup" >"$T/run.out" 2>&1 & run=$!
told=
while kill -0 "$run" 2>/dev/null; do
  if [[ -z $told ]]; then
    "$S1/scripts/do_backup" --status >"$T/status" 2>/dev/null || true
    grep -q 'gave way to others' "$T/status" && told=1
  fi
  sleep 0.2
done
got=0; wait "$run" || got=$?
cp "$T/run.out" "$T/out"
same "$got" 0 "exit of the run: $(cat "$T/out")"
[[ ! -s $T/out ]] || { cat "$T/out"; die "giving way is nothing to shout about"; }
[[ $told ]] || { cat "$T/status"; die "the status never told of a turn"; }
cp "$T/status" "$T/out"; says 'gave way to others (once|[0-9]+ times)'

say "client2 did not wait for any of them, and all ended in the same run"
cat "$S1"/log/do_backup-*.log | tail -n +$(($(wc -l <"$T/before") + 1)) >"$T/out"
ended() { grep -nE "$1.*: ok\$" "$T/out" | cut -d: -f1; }
for name in "${slow[@]}" 'client1 git' 'client1 directories'; do
  [[ $(ended "client2 directories") -lt $(ended "$name") ]] || { cat "$T/out"; die "client2 waited for $name"; }
  checks=$((checks + 1))
done
says 'c00[0-9] directories .*: gave way: others waited .*; what came is kept$'
says 'client1 directories .*: gave way: others waited .*; what came is kept$'
says 'client1 git .*: gave way: others waited .*; nothing of it could be kept$'
! grep -q 'suspended' "$T/out" || { cat "$T/out"; die "a turn is no suspension"; }
turns=$(grep -c 'c00[0-9] directories .*: gave way' "$T/out")
sent=$(cat "$T"/sent/tree.* | awk '{ n += $1 } END { print n }')
# On a busy machine a short turn may end before anything came; the bytes below tell whether something was lost.
lost=$(grep -cE 'directories .*gave way.*nothing of it' "$T/out" || true)
[[ $((2 * lost)) -le $turns ]] || { cat "$T/out"; die "$lost of $turns turns gained nothing"; }
echo "   $turns turns of trees ended early, $(grep -c 'git .*: gave way' "$T/out") of the repository; $sent bytes came for 13.5 MB"
[[ $sent -lt $((13700000 + turns * 1400000)) ]] || die "$sent bytes for 13.5 MB in $turns turns"
checks=$((checks + 3))

say "what came is whole"
for name in "${slow[@]}"; do
  same "$(snapshots_of "$S1" "$T/src/$name")" 2
  compare "$T/src/$name" "$(export_source "$S1" "$T/src/$name" "$T/export")"
done
mkdir "$T/unpacked"
exits 0 tar -xf "$(export_source "$S1" "$T/archived" "$T/export")" -C "$T/unpacked"
exits 0 cmp "$(find "$T/unpacked" -name large)" "$T/archived/large"
compare "$T/src2" "$(export_source "$S1" "$T/src2" "$T/export")"
exits 0 git clone -q "$(find "$S1/data/client1/git" -name '*.git' -type d | head -1)" "$T/clone"
exits 0 cmp "$T/clone/large" "$T/repo/large"
"$C1/scripts/send_request" --now >"$T/out" 2>&1 || { cat "$T/out"; die "client1's receipt"; }
exits 0 "$C2/scripts/send_request" --now
nothing_left "$C1" "$S1" client1
nothing_left "$C2" "$S1" client2
! ls "$S1"/store/snapshots/*/*.checkpoint 2>/dev/null || die "a checkpoint outlived its snapshot"
exits 0 "$S1/scripts/bkdb" verify -C "$S1"
