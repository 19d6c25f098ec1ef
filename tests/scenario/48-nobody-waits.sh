#!/usr/bin/env bash
# Goal: a client whose control repository hangs, is huge, or whose pull crawls holds up nobody: all others' requests are taken and
# pulled meanwhile, also those that come while do_backup is at work; it has a state of its own, and goes on when it can.
. "$(dirname "$0")/lib.sh"
refs=${1:-200000}
lab_up --clients 3
C3=$L/client3 R2=$S1/repositories/client2.git
for n in 1 2 3; do mkdir -p "$T/src/$n"; echo "$n" >"$T/src/$n/f"; paths_of "$L/client$n" directories "$T/src/$n"; done
limit() { sed -i "/^$1 /d; s/^\[limits\]/&\n$1 = $2/" "$S1/backupconfig.toml"; }
grep -q '^\[limits\]' "$S1/backupconfig.toml" || echo '[limits]' >>"$S1/backupconfig.toml"
runner= held=
ending() { for p in $runner $held; do kill "$p" 2>/dev/null; done; }
ask() { exits 0 "$1/scripts/backup_it" directories ""; exits 0 "$1/scripts/send_request" --now; }
new() { echo more >>"$T/src/$1/f"; ask "$L/client$1"; }
untaken() { # as if no hook had run: the cursor is where it was, and the work list is empty
  rm -f "$S1/TODO/$1/"C* "$S1/repositories/$1.git/backline/cursor"; }
have() { [[ $(snapshots_of "$S1" "$T/src/$1" 2>/dev/null) == "$2" ]]; }
wait_for() { local end=$((SECONDS + $1)); shift
  until "$@"; do [[ $SECONDS -lt $end ]] || { cat "$T/run.out"; die "waited too long for: $*"; }; sleep 0.1; done; checks=$((checks + 1)); }
run() { "$S1/scripts/do_backup" "$@" >"$T/run.out" 2>&1 8>&- & runner=$!; }
ends() { # STATUS
  local got=0; wait "$runner" || got=$?; runner=
  [[ $got == "$1" ]] || { cat "$T/run.out"; die "do_backup ended with $got, not $1"; }; checks=$((checks + 1)); }
notices() { grep -c 'client2: its requests are not taken' "$S1/log/notices" || true; }

say "a lock that is held for ever: the others are taken and pulled, and do_backup is still there for who comes later"
for n in 1 2 3; do ask "$L/client$n"; untaken "client$n"; done
exec 8>"$R2/backline/lock"; flock 8
run
wait_for 60 have 1 1
wait_for 60 have 3 1
kill -0 "$runner" || die "do_backup did not wait for client2's repository"
new 3
wait_for 60 have 3 2
kill -TERM "$runner"; ends 75
limit ingest_timeout '"10s"'
run; ends 75
grep -q 'client2: its requests are not taken since .*limits.ingest_timeout' "$T/run.out" || { cat "$T/run.out"; die "nobody was told"; }
same "$(notices)" 1
run; ends 75
same "$(notices)" 1 "told once"
exits 75 "$S1/scripts/do_backup" --status; says '^REQUESTS NOT TAKEN: client2: its requests are not taken since'
exits 75 "$S1/scripts/do_backup" --status --json
python3 -c 'import json,sys; m=json.load(open(sys.argv[1]))["not_taken"]; assert [x["client"] for x in m] == ["client2"] and m[0]["since"] and m[0]["reason"], m' "$T/out" || die "--json"
limit ingest_timeout '"10m"'
exits 0 timeout 100 "$S1/scripts/do_backup" --once client3
exec 8>&-
exits 0 "$S1/scripts/do_backup"
have 2 1 || die "client2 was not backed up when its repository was free again"
exits 0 "$S1/scripts/do_backup" --status
same "$(find "$S1/log/not-taken" -type f | wc -l)" 0

say "a pipe where git looks for an object"
new 2; untaken client2
tip=$(cat "$R2/refs/heads/requests"); object=$R2/objects/${tip:0:2}/${tip:2}
mv "$object" "$T/object"; mkfifo "$object"
new 1; untaken client1
limit ingest_timeout '"10s"'
run
wait_for 60 have 1 2
ends 75
exits 75 "$S1/scripts/do_backup" --status; says '^REQUESTS NOT TAKEN: client2'
rm "$object"; mv "$T/object" "$object"
exits 0 "$S1/scripts/do_backup"
have 2 2 || die "client2 was not backed up when its repository was whole again"

say "$refs refs that somebody put there"
limit ingest_timeout '"5m"'
new 2; untaken client2; new 1; untaken client1
python3 - "$R2/packed-refs" "$(cat "$R2/refs/heads/requests")" "$refs" <<'PY'
import sys
path, oid, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
with open(path, "w") as out:
    out.write("# pack-refs with: peeled fully-peeled sorted \n")
    for n in range(count): out.write("%s refs/tags/t%09d\n" % (oid, n))
PY
run
wait_for 60 have 1 3
ends 0
have 2 3 || die "client2 was not backed up"
rm "$R2/packed-refs"

say "a pull that crawls for ever: who asks while do_backup is at work does not wait for its end"
real=$(readlink -f "$C2/scripts/backup_agent"); rm "$C2/scripts/backup_agent"
printf '#!/bin/bash\nexec python3 %q crawl %q "$@"\n' "$BK_SOURCE/tests/support/crowd.py" "$real" >"$C2/scripts/backup_agent"
chmod +x "$C2/scripts/backup_agent"
new 2
run
wait_for 60 bash -c '[[ -n $(find "$1" -maxdepth 1 -name "P*") ]]' _ "$S1/TODO/client2"
for round in 4 5; do
  new 1
  wait_for 60 have 1 "$round"
done
kill -0 "$runner" 2>/dev/null || { cat "$T/run.out"; die "the pull that crawls is over"; }
kill -TERM "$runner"; ends 75
rm "$C2/scripts/backup_agent"; ln -s "$real" "$C2/scripts/backup_agent"
exits 0 "$S1/scripts/do_backup" --once client2
for n in 1 2 3; do compare "$T/src/$n" "$(export_source "$S1" "$T/src/$n" "$T/back$n")"; done
exits 0 "$S1/scripts/bkdb" verify -C "$S1"
