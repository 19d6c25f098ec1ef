#!/usr/bin/env bash
# Goal: many clients (20, or the number given) of which some hang, crawl, send garbage or never stop: all others are
# backed up, fairly and at once, within limits of time, processes and memory, and those that failed are told apart.
. "$(dirname "$0")/lib.sh"
count=${1:-20} bad=${2:-5}
lab_up --clients 4
crowd() { python3 "$BK_SOURCE/tests/support/crowd.py" "$@"; }
listener=
ending() { [[ -z $listener ]] || kill "$listener" 2>/dev/null; }
names() { seq -f 'c%03g' "$1" "$2"; }

say "agents that crawl, talk nonsense, and never stop; doors that say nothing, or only hello"
agent() { # HOME SCRIPT
  rm "$1/scripts/backup_agent"; printf '#!/bin/bash\n%s\n' "$2" >"$1/scripts/backup_agent"; chmod +x "$1/scripts/backup_agent"
}
real=$(readlink -f "$L/client2/scripts/backup_agent")
agent "$L/client2" "exec python3 '$BK_SOURCE/tests/support/crowd.py' crawl '$real' \"\$@\""
agent "$L/client3" 'head -c 300000 /dev/urandom; sleep 1'
agent "$L/client4" 'exec cat /dev/zero'
python3 "$BK_SOURCE/tests/support/crowd.py" listen >"$T/ports" & listener=$!
until [[ $(wc -l <"$T/ports") == 2 ]]; do sleep 0.1; done
mapfile -t ports <"$T/ports"
mkdir -p "$T/src"
for name in $(names 0 $((count - 1))); do mkdir "$T/src/$name"; echo "$name" >"$T/src/$name/file"; head -c 20000 /dev/urandom >"$T/src/$name/more"; done
printf '\n[consent.server1]\nroots = [%s]\n' "$(printf '"%s", ' "$T"/src/*)" >>"$C1/backupconfig.toml"
crowd rules "$L/admin/server1/backline.conf" "$count" "$bad" "${ports[@]}"
git -C "$L/admin/server1" -c user.name=a -c user.email=a@example.org commit -qam crowd
exits 0 git -C "$L/admin/server1" push -q
grep -q '^\[limits\]' "$S1/backupconfig.toml" || echo '[limits]' >>"$S1/backupconfig.toml"
sed -i '/^\(idle_timeout\|pull_timeout\|concurrency\|backoff\)/d; s/^\[limits\]/[limits]\nidle_timeout = "3s"\npull_timeout = "6s"\nconcurrency = 4\nbackoff = ["1s"]/' "$S1/backupconfig.toml"

watch() { # FILE PID : the most workers at once, and the most memory of one of them in KiB
  local most=0 memory=0 now
  while kill -0 "$2" 2>/dev/null; do
    now=0
    for pid in $(pgrep -P "$2" -f bk_pull); do
      now=$((now + 1))
      kb=$(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null) || kb=
      [[ -z $kb || $kb -le $memory ]] || memory=$kb
    done
    [[ $now -le $most ]] || most=$now
    echo "$most $memory" >"$1"; sleep 0.1
  done
}
run() { # SECONDS : one do_backup, watched
  local begin=$SECONDS got=0
  "$S1/scripts/do_backup" >"$T/out" 2>&1 & local pid=$!
  watch "$T/most" "$pid" & local watcher=$!
  wait "$pid" || got=$?
  kill "$watcher" 2>/dev/null || true; wait "$watcher" 2>/dev/null || true
  took=$((SECONDS - begin))
  [[ $got != 0 ]] || { cat "$T/out"; die "nothing failed"; }
  [[ $took -le $1 ]] || { cat "$T/out"; die "the run took $took s, not $1"; }
  read -r most memory <"$T/most"
  [[ $most -le 4 ]] || die "$most workers at once"
  [[ $memory -lt 200000 ]] || die "a worker took $memory KiB"
  echo "   $took s, $most workers at once, $memory KiB"
  checks=$((checks + 4))
}
good_ones() { # how many of the good clients have N snapshots
  "$S1/scripts/bkdb" ls --json -C "$S1" | python3 -c 'import json,sys
s={x["client"]: len(x["snapshots"]) for x in json.load(sys.stdin)["sources"]}
print(sum(1 for n in s.values() if n == int(sys.argv[1])), sum(1 for c in s if int(c[1:]) < int(sys.argv[2])))' "$1" "$bad"
}

say "the bad ones asked first: everybody else is backed up all the same"
crowd ask "$S1/TODO" "$count" "$T/src"
# Each bad one may take its slot for a connection's or a pull's limit and what comes on top, four at a time.
run $((20 + (bad + 3) / 4 * 45 + count / 2))
same "$(good_ones 1)" "$((count - bad)) 0" "good clients with a snapshot, bad ones with one"
exits 4 "$S1/scripts/do_backup" --status --json
python3 - "$T/out" "$bad" <<'PY' || die "--status --json"
import json, sys
for source in json.load(open(sys.argv[1]))["sources"]:
    is_bad = int(source["client"][1:]) < int(sys.argv[2])
    assert bool(source["last_error"]) == is_bad, source
    assert (source["state"] == "idle") != is_bad and source["overdue"] == is_bad, source
PY

say "they hang again: the others do not wait for them"
sleep 1
for name in $(names "$bad" $((count - 1))); do echo again >>"$T/src/$name/file"; done
crowd ask "$T/fresh" "$count" "$T/src"
for name in $(names "$bad" $((count - 1))); do cp "$T/fresh/$name/"C* "$S1/TODO/$name/"; done
"$S1/scripts/do_backup" >"$T/second.out" 2>&1 & second=$!
begin=$SECONDS
until [[ $(good_ones 2) == "$((count - bad)) 0" ]]; do
  kill -0 "$second" 2>/dev/null || { sleep 0.2; [[ $(good_ones 2) == "$((count - bad)) 0" ]] || { cat "$T/second.out"; die "good clients starved: $(good_ones 2)"; }; break; }
  [[ $((SECONDS - begin)) -lt $((20 + count)) ]] || die "good clients waited too long: $(good_ones 2)"
  sleep 0.3
done
echo "   the good ones were done after $((SECONDS - begin)) s"
kill -TERM "$second" 2>/dev/null || true
wait "$second" || true
compare "$T/src/c$(printf %03d "$bad")" "$(export_source "$S1" "$T/src/c$(printf %03d "$bad")" "$T/back")"
exits 0 "$S1/scripts/bkdb" verify -C "$S1"
