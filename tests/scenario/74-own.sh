#!/usr/bin/env bash
# Goal: a user's own cmd and an administrator's own transfer method, as their page has them, save and restore; one that fails, hangs, prints megabytes of rubbish or names nonsense is reported and harms nothing.
. "$(dirname "$0")/lib.sh"
lab_up
mkdir -p "$C1/scripts/cmds" "$S1/scripts/cmds" "$T/ledger"
printf '3 c\n1 a\n2 b\n' >"$T/ledger/rows"
block modules/own.md "sh cmd" >"$C1/scripts/cmds/dump_ledger"; chmod 755 "$C1/scripts/cmds/dump_ledger"
block modules/own.md toml | sed "s|/var/lib/ledger|$T/ledger|" >>"$C1/backupconfig.toml"

say "the cmd of the page"
one_round "$C1" "$S1" ledger
nothing_left "$C1" "$S1" client1
INDEX=$(index_of "$S1" "$T/ledger") TARGET=$T/restored
export INDEX TARGET
run_block modules/own.md "sh restore"
same "$(cat "$(find "$TARGET" -name rows.sql)")" "1 a
2 b
3 c
-- complete"

nothing_pulled() { [[ -z $(find "$S1/tmp/pulled" -mindepth 1 -type d) ]] || die "its folder was left behind"; }
say "the transfer method of the page"
block modules/own.md "sh pull" >"$S1/scripts/cmds/pull_copy"; chmod 755 "$S1/scripts/cmds/pull_copy"
cat >"$C1/scripts/cmds/ask_copy" <<'CMD'
#!/bin/sh
add_queue "$BACKLINE_NAME" "copy $1"
CMD
chmod 755 "$C1/scripts/cmds/ask_copy"
printf '\n[module.copies]\ncmd = ["ask_copy"]\npaths = ["%s"]\n' "$T/ledger" >>"$C1/backupconfig.toml"
one_round "$C1" "$S1" copies
nothing_left "$C1" "$S1" client1
exits 0 "$S1/scripts/bkdb" export "$T/copies" --module copies -C "$S1"
got=$(dirname "$(find "$T/copies" -name origin)")
same "$(cat "$got/origin")" "from client1: $T/ledger"
diff -r "$got/data" /usr/share/common-licenses || die "what the program fetched differs"
nothing_pulled
exits 0 "$S1/scripts/bkdb" verify -C "$S1"
stored() { snapshots_of "$S1" "$T/ledger"; }
same "$(stored)" 2

wrong_pull() { # WHAT THE SERVER SAYS, the program on standard input
  say "a method that does wrong: $1"
  cat >"$S1/scripts/cmds/pull_copy"
  exits 0 "$C1/scripts/backup_it" copies ""
  exits 0 "$C1/scripts/send_request" --now
  "$S1/scripts/do_backup" >"$T/out" 2>&1 || true
  says "$1"
  same "$(stored)" 2
  nothing_pulled
  rm -f "$S1"/TODO/client1/[CP]* "$C1"/requests/*/[CP]*
}
wrong_pull 'ended with status 7: no such ledger' <<'CMD'
#!/bin/sh
echo half >"$2/half"; echo 'no such ledger' >&2; exit 7
CMD
wrong_pull 'left nothing' <<'CMD'
#!/bin/sh
exit 0
CMD
wrong_pull 'ended with status 1' <<CMD
#!/bin/sh
echo x >"$T/outside" 2>/dev/null; echo x >"$S1/backupconfig.toml" 2>/dev/null; cat "$S1/TODO/client1/"* >"\$2/stolen" 2>/dev/null
test -e "$T/outside" || exit 1
CMD
grep -q '^host' "$S1/backupconfig.toml" || die "the program wrote outside of its folder"
wrong_pull 'ended with status 137' <<'CMD'
#!/bin/sh
head -c 3000000 /dev/urandom; head -c 3000000 /dev/urandom >&2; kill -9 $$
CMD
sed -i 's/^\[limits\]/[limits]\nidle_timeout = "3s"/' "$S1/backupconfig.toml"; grep -q idle_timeout "$S1/backupconfig.toml" || printf '\n[limits]\nidle_timeout = "3s"\n' >>"$S1/backupconfig.toml"
wrong_pull 'copies' <<'CMD'
#!/bin/sh
exec sleep 3600
CMD

one_round "$C1" "$S1" ledger
nothing_pulled
same "$(stored)" 3

say "links that a program leaves are stored as links, and nothing is read through them"
cat >"$S1/scripts/cmds/pull_copy" <<'CMD'
#!/bin/sh
echo x >"$2/file"; ln -s /etc/passwd "$2/passwd"; ln -s .. "$2/up"; mkfifo "$2/fifo" 2>/dev/null || true
CMD
one_round "$C1" "$S1" copies
exits 0 "$S1/scripts/bkdb" export "$T/links" --module copies -C "$S1"
got=$(dirname "$(find "$T/links" -name passwd)")
same "$(readlink "$got/passwd") $(readlink "$got/up")" "/etc/passwd .."
same "$(stored)" 4

say "a method that nobody has"
rm "$S1/scripts/cmds/pull_copy"
exits 0 "$C1/scripts/backup_it" copies ""; exits 0 "$C1/scripts/send_request" --now
"$S1/scripts/do_backup" >"$T/out" 2>&1 || true
says 'method "copy" is not known here'
rm -f "$S1"/TODO/client1/[CP]* "$C1"/requests/*/[CP]*

wrong_cmd() { # WHAT SEND_REQUEST SAYS, the cmd on standard input
  say "a cmd that does wrong: $1"
  cat >"$C1/scripts/cmds/dump_ledger"
  rm -f "$C1"/requests/*/[CP]*
  exits 0 "$C1/scripts/backup_it" ledger ""
  exits 75 "$C1/scripts/send_request" --now
  says "$1"
  [[ $(wc -c <"$T/out") -lt 2000 ]] || die "it prints what the cmd printed"
  ! grep -qP '[\x00-\x08\x0b-\x1f]' "$T/out" || die "bytes of the cmd reach the terminal"
  same "$(find "$S1/TODO/client1" -name 'C*' | wc -l)" 0
}
wrong_cmd 'the ledger is locked' <<'CMD'
#!/bin/sh
echo 'the ledger is locked' >&2; exit 1
CMD
wrong_cmd 'never called add_queue' <<'CMD'
#!/bin/sh
exit 0
CMD
wrong_cmd 'ended with status 9|\?' <<'CMD'
#!/bin/sh
head -c 5000000 /dev/urandom; printf '\033]0;owned\007' >&2; head -c 5000000 /dev/urandom >&2; printf '\033x' >&2; exit 9
CMD
wrong_cmd 'does not exist' <<'CMD'
#!/bin/sh
exec add_queue "$BACKLINE_NAME" "rsync /no/such/place"
CMD
wrong_cmd 'this one is' <<'CMD'
#!/bin/sh
exec add_queue "$BACKLINE_NAME" "rsync root@elsewhere:/etc"
CMD
wrong_cmd 'add_queue' <<'CMD'
#!/bin/sh
add_queue "$(printf /etc | base64)" "rsync /etc"
CMD
wrong_cmd 'expected "<method> \[<timestamp>\] <place>"' <<'CMD'
#!/bin/sh
printf '#!/bin/sh\n' >"$BACKLINE_HOME/tmp/x"
add_queue "$BACKLINE_NAME" "$(head -c 3000 /dev/urandom | tr -d '\0')"
CMD
wrong_cmd 'without "\.\."' <<'CMD'
#!/bin/sh
add_queue "$BACKLINE_NAME" "rsync /var/../etc"
CMD
wrong_cmd 'not one that send_request gave' <<'CMD'
#!/bin/sh
BACKLINE_TOKEN=../../../../tmp/x add_queue "$BACKLINE_NAME" "rsync /etc"
CMD
wrong_cmd 'ended with status 5' <<'CMD'
#!/bin/sh
add_queue "$BACKLINE_NAME" "rsync $BACKLINE_HOME/tmp"; exit 5
CMD
wrong_cmd 'ended with status 139|signal' <<'CMD'
#!/bin/sh
kill -SEGV $$
CMD
sed -i 's/time_limit = "30m"/time_limit = "1s"/' "$C1/backupconfig.toml"
wrong_cmd 'did not end within 1 s' <<'CMD'
#!/bin/sh
sleep 600
CMD
wrong_cmd 'did not end within 1 s' <<'CMD'
#!/bin/sh
trap '' TERM HUP INT
while :; do add_queue "$BACKLINE_NAME" "rsync $BACKLINE_HOME/tmp"; sleep 0.2; done
CMD

say "a cmd that is not there or cannot be run; and the others go on beside one that fails"
chmod 644 "$C1/scripts/cmds/dump_ledger"
mkdir "$T/plain"; echo here >"$T/plain/file"
paths_of "$C1" directories "$T/plain"
rm -f "$C1"/requests/*/[CP]*
exits 0 "$C1/scripts/backup_it" ledger ""; exits 0 "$C1/scripts/backup_it" directories ""
exits 75 "$C1/scripts/send_request" --now; says 'cmd "dump_ledger" is not there or cannot be run; looked for'
exits 0 "$S1/scripts/do_backup"
same "$(snapshots_of "$S1" "$T/plain")" 1 "the other module's backup"
same "$(find "$C1/requests" -name '*ready*' -type f | wc -l)" 0 "what wrong cmds said is left over"
chmod 755 "$C1/scripts/cmds/dump_ledger"
[[ $(stat -c %s "$C1"/log/send_request-*.log | sort -n | tail -1) -lt 4000000 ]] || die "the log took all of it"
same "$(stored)" 4
