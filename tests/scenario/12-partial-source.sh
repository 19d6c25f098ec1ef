#!/usr/bin/env bash
# Goal: what a cmd could not read of its source makes receipt, snapshot, catalog and exit statuses partial on the server, too.
. "$(dirname "$0")/lib.sh"
lab_up

mkdir -p "$T/src/ledger"; echo 1 >"$T/src/ledger/rows"
mkdir -p "$C1/scripts/cmds"
cat >"$C1/scripts/cmds/dump_ledger" <<'CMD'
#!/bin/sh
set -eu
out=$BACKLINE_HOME/tmp/ledger.tar
tar -cf "$out" -C "$1" .
printf 'unreadable table/secret%%0A\nchanged table/busy\n' >"$BACKLINE_HOME/tmp/skipped"
add_queue --skipped "$BACKLINE_HOME/tmp/skipped" "$BACKLINE_NAME" "sftp $out"
exit 3
CMD
chmod +x "$C1/scripts/cmds/dump_ledger"
cat >>"$C1/backupconfig.toml" <<TOML

[module.ledger]
cmd = ["dump_ledger"]
paths = ["$T/src/ledger"]
TOML

say "the round ends with status 3 on both sides"
exits 0 "$C1/scripts/backup_it" ledger ""
exits 0 "$C1/scripts/send_request" --now
exits 3 "$S1/scripts/do_backup"
says 'partial: 2 entries'
exits 3 "$C1/scripts/send_request" --now
nothing_left "$C1" "$S1" client1

say "receipt and record name what is missing"
finished=$(find "$S1/TODO/client1" -name 'Fledger*')
grep -q '^outcome: partial$' "$finished" || die "the server's own file does not say partial"
record=$(find "$S1/store/snapshots/client1" -name '*.snapshot')
grep -q '^skipped-count: 2$' "$record" || die "the snapshot does not count what was skipped"
grep -q '^skipped: unreadable%20table/secret%250A$' "$record" || die "the snapshot does not name what was skipped"
exits 0 "$S1/scripts/do_backup" --status; says '2 skipped'

say "an export says so, and verify hashes the archive as a whole"
exits 3 "$S1/scripts/bkdb" export "$T/export" 0 -C "$S1"
exits 0 "$S1/scripts/bkdb" verify -C "$S1"
