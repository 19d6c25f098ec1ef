#!/usr/bin/env bash
# Goal: a lab starts, grows, stops, comes back on the same ports or moves, and touches nothing but its own folder.
. "$(dirname "$0")/lib.sh"
L="$T/a lab"
lab() { "$BK_SOURCE/setup/lab" "$@"; }

say "only an absent or empty folder, or a lab, is taken"
mkdir "$T/other"; touch "$T/other/file"
exits 64 lab start "$T/other"; one_line
exits 64 lab stop "$T/other"
exits 64 lab status "$T/nothing"
exits 64 lab start "$T/a lab's"; one_line
exits 64 lab start "$L" --clients 0
exits 64 lab start "$L" --cleints 2
exits 64 lab
[[ ! -e $L ]] || die "a refused start left something behind"

say "it starts, says where everything is, and starting again changes nothing"
exits 0 lab start "$L"
exits 0 lab status "$L"; says '^client1 [0-9]+ [0-9]+ up$'; says '^server1 [0-9]+ [0-9]+ up$'
same "$(wc -l <"$T/out")" 2
cp "$T/out" "$T/before"
exits 0 lab start "$L"; exits 0 lab status "$L"
same "$(cat "$T/out")" "$(cat "$T/before")" "a running lab"
sh -c '. "$1/env" && [ "$BL_DIR" = "$1" ] && [ "$BL_CLIENT1_HOME" = "$1/client1" ] && [ "$BL_SERVER1_HOME" = "$1/server1" ] &&
  [ "$BL_BIN" = "$2" ] && [ "$BL_CLIENT1_PORT" -gt 1024 ] && [ "$BL_SERVER1_PORT" -gt 1024 ]' sh "$L" "$BK_BIN" || die "DIR/env"
for f in client1/backupconfig.toml server1/backupconfig.toml client1/scripts/backup_it server1/scripts/do_backup admin/server1/gitosis.conf; do
  [[ -e $L/$f ]] || die "no $f"
done
grep -qx 'paths = \[\]' "$L/client1/backupconfig.toml" || die "module paths do not start empty"

say "it grows, and what a tester wrote stays"
paths_of "$L/client1" directories "$T/other"
exits 0 lab start "$L" --clients 2 --servers 2
exits 0 lab status "$L"; same "$(grep -c ' up$' "$T/out")" 4
grep -qF "$T/other" "$L/client1/backupconfig.toml" || die "the tester's path is gone"
for s in server1 server2; do
  exits 0 git -C "$L/admin/$s" pull -q
  for c in client1 client2; do
    grep -q "^\[client $c\]" "$L/admin/$s/backline.conf" || die "$s does not know $c"
    grep -q " serve $c\" " "$L/$s/.ssh/authorized_keys" || die "$s gave $c no key"
    checks=$((checks + 2))
  done
done

say "it stops by its own pids, and comes back on its ports"
exits 0 lab stop "$L"; exits 0 lab stop "$L"
exits 0 lab status "$L"; same "$(grep -c ' - [0-9]* down$' "$T/out")" 4
ports=$(cut -d' ' -f3 "$T/out")
exits 0 lab start "$L"; exits 0 lab status "$L"
same "$(cut -d' ' -f3 "$T/out")" "$ports" "ports"

say "a pid that belongs to somebody else now is not touched"
exits 0 lab stop "$L"
# Without our output, so that nobody waits for it when the script ends early.
sleep 60 >/dev/null 2>&1 & stranger=$!
echo "$stranger 1" >"$L/client1/sshd/pid"
exits 0 lab stop "$L"
kill -0 "$stranger" || die "the lab ended a stranger"

say "a port that was taken meanwhile: the host moves, and everybody learns it"
taken=$(cat "$L/server1/sshd/port") was=$(cat "$L/client1/sshd/port")
python3 - "$taken" "$was" "$T/bound" >/dev/null 2>"$T/bound.err" <<'PY' &
import socket, sys, time
held = []
for port in sys.argv[1:3]:
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("127.0.0.1", int(port))); s.listen(); held.append(s)
open(sys.argv[3], "w").close()
time.sleep(60)
PY
holder=$!
for _ in {1..300}; do [[ -e $T/bound ]] && break; sleep 0.1; done
[[ -e $T/bound ]] || { cat "$T/bound.err"; die "the ports could not be taken"; }
exits 0 lab start "$L"
new=$(cat "$L/server1/sshd/port")
[[ $new != "$taken" && $(cat "$L/client1/sshd/port") != "$was" ]] || die "they did not move"
grep -q "127.0.0.1:$new/client1.git" "$L/client1/backupconfig.toml" || die "the client does not know the server's new port"
grep -q "127.0.0.1:$(cat "$L/client1/sshd/port")$" "$L/admin/server1/backline.conf" || die "the server does not know the client's new port"
kill "$holder" "$stranger"

say "after all that, a round works"
C1=$L/client1 S1=$L/server1
one_round "$C1" "$S1" directories
got=$(export_source "$S1" "$T/other" "$T/export")
compare "$T/other" "$got"
