#!/usr/bin/env bash
# Goal: several clients at once; one that hangs and a frozen worker hold up nobody; --watch, --status and the lock.
. "$(dirname "$0")/lib.sh"
lab_up --clients 2
mkdir -p "$T/src/one" "$T/src/two"; echo 1 >"$T/src/one/f"; echo 2 >"$T/src/two/f"
paths_of "$C1" directories "$T/src/one"; paths_of "$C2" directories "$T/src/two"
grep -q '^\[limits\]' "$S1/backupconfig.toml" || echo '[limits]' >>"$S1/backupconfig.toml"
sed -i '/^\(idle_timeout\|concurrency\|backoff\)/d; s/^\[limits\]/[limits]\nidle_timeout = "2s"\nconcurrency = 2\nbackoff = ["1s"]/' "$S1/backupconfig.toml"
frozen=() watcher=
unfreeze() { for p in "${frozen[@]}"; do kill -KILL "$p" 2>/dev/null || true; done; frozen=(); }
ending() { unfreeze; [[ -z $watcher ]] || kill -TERM "$watcher" 2>/dev/null; }
ask() { exits 0 "$1/scripts/backup_it" directories ""; exits 0 "$1/scripts/send_request" --now; }
wait_for() { # SECONDS COMMAND...
  local end=$((SECONDS + $1)); shift
  until "$@"; do [[ $SECONDS -lt $end ]] || die "waited too long for: $*"; sleep 0.1; done; checks=$((checks + 1)); }

say "client1's agent is stopped: client2 is served, client1 waits for another try"
agent=$(readlink -f "$C1/scripts/backup_agent"); rm "$C1/scripts/backup_agent"
printf '#!/bin/bash\necho $$ >>%q\nkill -STOP $$\nexec %q "$@"\n' "$T/stopped" "$agent" >"$C1/scripts/backup_agent"
chmod +x "$C1/scripts/backup_agent"
ask "$C1"; ask "$C2"
begin=$SECONDS
exits 75 "$S1/scripts/do_backup"; says 'client1 directories'
(( SECONDS - begin < 60 )) || die "a hanging client held up the run for $((SECONDS - begin)) s"
mapfile -t frozen <"$T/stopped"; [[ ${#frozen[@]} -gt 0 ]] || die "the agent was never started"
exits 0 "$C2/scripts/send_request" --now
nothing_left "$C2" "$S1" client2
[[ -n $(find "$S1/TODO/client1" -maxdepth 1 -name 'C*') ]] || die "client1's request is gone"
exits 0 "$S1/scripts/do_backup" --status; says 'client1 directories rsync'; says 'failed attempts'
exits 0 "$S1/scripts/do_backup" --status --json
python3 - "$T/out" <<'PY' || die "--json"
import json, sys
s = {x["client"]: x for x in json.load(open(sys.argv[1]))["sources"]}
assert s["client1"]["attempts"] >= 1 and s["client1"]["last_error"] and s["client1"]["last_success"] is None
assert s["client2"]["state"] == "idle" and s["client2"]["snapshots"] == 1
PY
unfreeze
rm "$C1/scripts/backup_agent"; ln -s "$agent" "$C1/scripts/backup_agent"
exits 0 "$S1/scripts/do_backup" --once client1:directories
exits 0 "$C1/scripts/send_request" --now
nothing_left "$C1" "$S1" client1

say "--watch: a request is taken at once; a second do_backup finds the lock; SIGTERM ends it cleanly"
"$S1/scripts/do_backup" --watch >"$T/watch.out" 2>&1 & watcher=$!
wait_for 10 test -e "$S1/TODO/.lock"
echo more >>"$T/src/two/f"; ask "$C2"
wait_for 20 bash -c '[[ -z $(find "$1" -maxdepth 1 -name "[CP]*") ]]' _ "$S1/TODO/client2"
exits 0 "$C2/scripts/send_request" --now
same "$(snapshots_of "$S1" "$T/src/two")" 2
exits 75 "$S1/scripts/do_backup"; one_line; says 'another do_backup'

say "a worker that is frozen itself is killed, and the request goes through at the next try"
rm "$C1/scripts/backup_agent"
printf '#!/bin/bash\nsleep 1\nexec %q "$@"\n' "$agent" >"$C1/scripts/backup_agent"; chmod +x "$C1/scripts/backup_agent"
ask "$C1"
worker() { pgrep -P "$watcher" -f bk_pull.*client1 >"$T/worker"; }
wait_for 20 worker
kill -STOP "$(head -1 "$T/worker")"
wait_for 60 bash -c '[[ -z $(find "$1" -maxdepth 1 -name "[CP]*") ]]' _ "$S1/TODO/client1"
exits 0 "$C1/scripts/send_request" --now
same "$(snapshots_of "$S1" "$T/src/one")" 2

begin=$SECONDS; got=0; kill -TERM "$watcher"; wait "$watcher" || got=$?; watcher=
same "$got" 0 "exit of --watch"; (( SECONDS - begin < 30 )) || die "SIGTERM took $((SECONDS - begin)) s"
compare "$T/src/one" "$(export_source "$S1" "$T/src/one" "$T/export1")"
compare "$T/src/two" "$(export_source "$S1" "$T/src/two" "$T/export2")"
