#!/usr/bin/env bash
# Goal: a full disk on either side is said clearly, loses nothing, and the backup goes through by itself when there is room again.
. "$(dirname "$0")/lib.sh"
[[ $EUID == 0 ]] || skip "mounting a tmpfs needs root"
lab_up
mkdir -p "$T/src/tree"; head -c 300000 /dev/urandom >"$T/src/tree/first"
paths_of "$C1" directories "$T/src/tree"
one_round "$C1" "$S1" directories

say "the server's store is full"
mkdir "$T/small"; mount -t tmpfs -o size=4m none "$T/small" || skip "no tmpfs mount allowed here"
MOUNTED=$T/small
rm "$S1/store/locks/reserve"  # larger than this disk; made again when there is room
cp -a "$S1/store/." "$T/small/"; mv "$S1/store" "$T/store-before"; ln -s "$T/small" "$S1/store"
head -c 12000000 /dev/urandom >"$T/src/tree/large"
exits 0 "$C1/scripts/backup_it" directories ""
exits 0 "$C1/scripts/send_request" --now
got=0; "$S1/scripts/do_backup" >"$T/out" 2>&1 || got=$?
[[ $got == 75 || $got == 74 ]] || { cat "$T/out"; die "exit $got with a full store"; }
says 'No space left|space'
[[ -n $(find "$S1/TODO/client1" -maxdepth 1 -name 'C*' -o -maxdepth 1 -name 'P*') ]] || die "the request is gone"
same "$(snapshots_of "$S1" "$T/src/tree")" 1
mount -o remount,size=128m "$T/small"
exits 0 "$S1/scripts/do_backup" --once client1
exits 0 "$C1/scripts/send_request" --now
same "$(snapshots_of "$S1" "$T/src/tree")" 2
compare "$T/src/tree" "$(export_source "$S1" "$T/src/tree" "$T/exported")"
exits 0 "$S1/scripts/bkdb" verify -C "$S1"
rm "$S1/store"; cp -a "$T/small" "$S1/store"; umount "$T/small"; MOUNTED=

say "the client's tmp is full: the archive cmd fails loudly, the request waits"
mkdir -p "$T/src/trac"; head -c 9000000 /dev/urandom >"$T/src/trac/big"
paths_of "$C1" trac "$T/src/trac"; archive_form "$C1" trac
mkdir -p "$C1/tmp"; mount -t tmpfs -o size=2m none "$C1/tmp"; MOUNTED=$C1/tmp
exits 0 "$C1/scripts/backup_it" trac ""
got=0; "$C1/scripts/send_request" --now >"$T/out" 2>&1 || got=$?
[[ $got != 0 ]] || die "an archive that does not fit counts as success"
says 'No space left|space'
[[ -n $(find "$C1/requests" -name 'C*') ]] || die "the request is gone"
same "$(find "$C1/tmp" -type f ! -name .lock | wc -l)" 0 "half an archive stayed behind"
umount "$C1/tmp"; MOUNTED=
exits 0 "$C1/scripts/send_request" --now
exits 0 "$S1/scripts/do_backup"
exits 0 "$C1/scripts/send_request" --now
same "$(snapshots_of "$S1" "$T/src/trac")" 1
nothing_left "$C1" "$S1" client1
