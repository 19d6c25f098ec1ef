#!/usr/bin/env bash
# Goal: a client of two servers of which one accepts connections and says nothing: the other one is served at once, in the same
# run; both keep their own queue and lock, and the silent one is asked again later.
. "$(dirname "$0")/lib.sh"
lab_up --clients 1 --servers 2
mkdir "$T/data"; echo one >"$T/data/file"
paths_of "$C1" directories "$T/data"
listener= sender=
ending() { for p in $listener $sender; do kill "$p" 2>/dev/null; done; }
python3 "$BK_SOURCE/tests/support/crowd.py" listen >"$T/ports" & listener=$!
until [[ $(wc -l <"$T/ports") == 2 ]]; do sleep 0.1; done

say "server1 is silent: its name comes first, and server2 does not wait for it"
python3 - "$C1/backupconfig.toml" "$(head -1 "$T/ports")" <<'PY'
import re, sys
text = open(sys.argv[1]).read()
head, tail = text.split("[server.server1]", 1)
tail = re.sub(r'(url = "ssh://[^:/"]*@[^:/"]*):\d+', r"\g<1>:" + sys.argv[2], tail, count=1)
open(sys.argv[1], "w").write(head + "[server.server1]" + tail)
PY
sed -i '1i push_timeout = "8s"' "$C1/backupconfig.toml"
exits 0 "$C1/scripts/backup_it" directories server1
exits 0 "$C1/scripts/backup_it" directories server2
"$C1/scripts/send_request" >"$T/send.out" 2>&1 & sender=$!
end=$((SECONDS + 15))
until find "$S2/TODO/client1" -name 'C*' 2>/dev/null | grep -q .; do
  [[ $SECONDS -lt $end ]] || { cat "$T/send.out"; die "server2 waited"; }
  sleep 0.1
done
kill -0 "$sender" 2>/dev/null || { cat "$T/send.out"; die "nothing hung at all"; }
exits 75 "$C1/scripts/send_request" server1; says 'another send_request works on this server'
until "$C1/scripts/send_request" server2 >"$T/out" 2>&1; do
  [[ $SECONDS -lt $end ]] || { cat "$T/out"; die "server2 stays locked while server1 hangs"; }
  sleep 0.1
done
got=0; wait "$sender" || got=$?; sender=
same "$got" 75 "status of the run"
grep -q '^send_request: server1: ' "$T/send.out" || { cat "$T/send.out"; die "nobody says that server1 is silent"; }
exits 0 "$S2/scripts/do_backup"
exits 75 "$C1/scripts/send_request" --now; says 'server2: ok$'
same "$(snapshots_of "$S2" "$T/data")" 1

say "ended from outside it leaves nobody behind"
"$C1/scripts/send_request" --now >"$T/send.out" 2>&1 & sender=$!
until pgrep -P "$sender" >"$T/pids" && [[ $(wc -l <"$T/pids") -ge 1 ]]; do sleep 0.1; done
kill -TERM "$sender"; wait "$sender" 2>/dev/null || true; sender=
end=$((SECONDS + 10))
while read -r pid; do
  while kill -0 "$pid" 2>/dev/null; do [[ $SECONDS -lt $end ]] || die "$pid still works"; sleep 0.1; done
done <"$T/pids"
checks=$((checks + 1))
