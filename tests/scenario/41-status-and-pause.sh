#!/usr/bin/env bash
# Goal: what an administrator sees and holds back: overdue sources have a status of their own; a pause stops a pull that
# runs and begins none; requests are still taken, and everything goes on afterwards.
. "$(dirname "$0")/lib.sh"
lab_up --clients 2
mkdir -p "$T/src/one" "$T/src/two"; echo 1 >"$T/src/one/f"; echo 2 >"$T/src/two/f"
paths_of "$C1" directories "$T/src/one"; paths_of "$C2" directories "$T/src/two"
watcher=
ending() { [[ -z $watcher ]] || kill -TERM "$watcher" 2>/dev/null; }
ask() { exits 0 "$1/scripts/backup_it" directories ""; exits 0 "$1/scripts/send_request" --now; }
push_rules() { # TEXT : adds to backline.conf
  printf '%s' "$1" >>"$L/admin/server1/backline.conf"
  git -C "$L/admin/server1" -c user.name=a -c user.email=a@example.org commit -qam rules
  git -C "$L/admin/server1" push -q 2>"$T/push.out" || { cat "$T/push.out"; return 1; }
}
wait_for() { local end=$((SECONDS + $1)); shift
  until "$@"; do [[ $SECONDS -lt $end ]] || die "waited too long for: $*"; sleep 0.1; done; checks=$((checks + 1)); }

say "wrong words"
exits 64 "$S1/scripts/do_backup" --pause --status; one_line
exits 64 "$S1/scripts/do_backup" client1; one_line; says -- '--once CLIENT'
exits 69 "$S1/scripts/do_backup" --pause nobody; one_line; says 'there is no client "nobody"'
exits 64 "$S1/scripts/do_backup" --pause ../x; one_line

say "one client is paused: the other is served, the first one's request is taken and waits"
exits 0 "$S1/scripts/do_backup" --pause client1; says 'client1 is paused'
exits 0 "$S1/scripts/do_backup" --pause client1; says 'already'
ask "$C1"; ask "$C2"
exits 0 "$S1/scripts/do_backup"
exits 75 "$S1/scripts/do_backup" --once client1; says 'client1 is paused; do_backup --resume client1 ends it'
same "$(snapshots_of "$S1" "$T/src/two")" 1
[[ -n $(find "$S1/TODO/client1" -maxdepth 1 -name 'C*') ]] || die "client1's request is gone"
exits 0 "$S1/scripts/do_backup" --status; says 'paused since .* do_backup --resume client1'

say "everything is paused; a pull at work ends, notes what it has, and goes on when the pause ends"
exits 0 "$S1/scripts/do_backup" --resume client1; says 'client1 goes on'
exits 0 "$S1/scripts/do_backup" --resume client1; says 'was not paused'
head -c 6000000 /dev/urandom >"$T/src/one/large"
python3 - "$L/admin/server1/backline.conf" <<'PY'
import sys
text = open(sys.argv[1]).read()
open(sys.argv[1], "w").write(text.replace("[client client1]\n", "[client client1]\nbandwidth = 256K\n"))
PY
push_rules $'[expect client1]\nevery = never\n'
"$S1/scripts/do_backup" --watch >"$T/watch.out" 2>&1 & watcher=$!
wait_for 20 bash -c 'pgrep -P "$1" -f bk_pull.*client1 >"$2"' _ "$watcher" "$T/worker"
sleep 1
exits 0 "$S1/scripts/do_backup" --pause; says 'everything is paused'
wait_for 30 bash -c '[[ -z $(pgrep -P "$1" -f bk_pull.*client1) ]]' _ "$watcher"
same "$(snapshots_of "$S1" "$T/src/one")" 0
ask "$C2"
sleep 1.5
same "$(snapshots_of "$S1" "$T/src/two")" 1 "a pull began although everything is paused"
exits 0 "$S1/scripts/do_backup" --status --json
python3 - "$T/out" <<'PY' || die "--json"
import json, sys
s = json.load(open(sys.argv[1]))
assert s["paused"]
one = next(x for x in s["sources"] if x["client"] == "client1")
assert one["attempts"] == 0 and not one["overdue"], one
PY
sed -i '/^bandwidth/d' "$L/admin/server1/backline.conf"; push_rules ''
exits 0 "$S1/scripts/do_backup" --resume; says 'everything goes on'
wait_for 100 bash -c '[[ -z $(find "$1" "$2" -maxdepth 1 -name "[CP]*") ]]' _ "$S1/TODO/client1" "$S1/TODO/client2"
same "$(snapshots_of "$S1" "$T/src/one")" 1
same "$(snapshots_of "$S1" "$T/src/two")" 2
kill -TERM "$watcher"; wait "$watcher" || true; watcher=

say "overdue: an expectation that cannot be met shows, with its own exit status"
exits 0 "$S1/scripts/do_backup" --status
push_rules $'[expect client2]\nevery = soon\n' && die "a wrong expectation was accepted"
grep -q 'is neither a period' "$T/push.out" || die "$(cat "$T/push.out")"
git -C "$L/admin/server1" reset -q --hard '@{u}'
push_rules $'[expect client2]\nevery = 1m\n'
python3 - "$S1/catalog.db" <<'PY'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("UPDATE snapshots SET began_s = began_s - 7200")
db.commit()
PY
exits 4 "$S1/scripts/do_backup" --status; says 'client2 directories rsync .*: OVERDUE'; says 'expected every 60 s'; says '1 overdue'
exits 4 "$S1/scripts/do_backup" --status --json
exits 0 "$S1/scripts/bkdb" build -C "$S1"
sed -i '/^overdue/d; s/^\[limits\]/[limits]\noverdue = 0/' "$S1/backupconfig.toml"; grep -q '^\[limits\]' "$S1/backupconfig.toml" || printf '[limits]\noverdue = 0\n' >>"$S1/backupconfig.toml"
exits 0 "$S1/scripts/do_backup" --status

say "what came is whole"
compare "$T/src/one" "$(export_source "$S1" "$T/src/one" "$T/export1")"
exits 0 "$C1/scripts/send_request" --now
nothing_left "$C1" "$S1" client1

say "the client's side as JSON"
exits 64 "$C1/scripts/send_request" --json; one_line
exits 0 "$C1/scripts/send_request" --status --json
python3 - "$T/out" "$T/src/one" <<'PY' || die "send_request --json"
import base64, json, sys
s = json.load(open(sys.argv[1]))
path = sys.argv[2].encode()
decode = lambda text: base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
assert [decode(x["path_b64"]) for x in s["sources"]] == [path] and s["sources"][0]["last_success"], s
assert s["requests"][0]["state"] == "F" and s["requests"][0]["outcome"]["outcome"] == "ok", s
PY
