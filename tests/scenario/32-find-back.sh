#!/usr/bin/env bash
# Goal: a client installed anew, a client rolled back to an older home, a server whose control repository was deleted, and a server put back to an older copy find their way back.
. "$(dirname "$0")/lib.sh"
lab_up
mkdir -p "$T/src/a" "$T/src/b"; echo 1 >"$T/src/a/f"; echo 1 >"$T/src/b/f"
paths_of "$C1" directories "$T/src/a"
one_round "$C1" "$S1" directories
same "$(snapshots_of "$S1" "$T/src/a")" 1

say "installed from nothing: only the configuration and the key are the same"
cp -a "$C1" "$T/old-home"
rm -rf "$C1/requests" "$C1/log" "$C1/tmp"
one_round "$C1" "$S1" directories
same "$(snapshots_of "$S1" "$T/src/a")" 2
nothing_left "$C1" "$S1" client1

say "rolled back to an older home: an old request runs no second time, a new one runs"
paths_of "$C1" directories "$T/src/a" "$T/src/b"
exits 0 "$C1/scripts/backup_it" directories ""
rm -rf "$T/mid-home"; cp -a "$C1" "$T/mid-home"     # asked, not sent
exits 0 "$C1/scripts/send_request" --now
exits 0 "$S1/scripts/do_backup"
exits 0 "$C1/scripts/send_request" --now
same "$(snapshots_of "$S1" "$T/src/a")" 3
find "$C1" -mindepth 1 -maxdepth 1 ! -name scripts ! -name 'ssh*' ! -name '.ssh' -exec rm -rf {} +
for f in "$T/mid-home"/* "$T/mid-home"/.[!.]*; do n=$(basename "$f"); [[ -e $C1/$n ]] || { [[ -e $f ]] && cp -a "$f" "$C1/$n"; }; done
exits 0 "$C1/scripts/send_request" --now
exits 0 "$S1/scripts/do_backup"
exits 0 "$C1/scripts/send_request" --now
same "$(snapshots_of "$S1" "$T/src/a")" 3 "a finished request ran twice"
nothing_left "$C1" "$S1" client1
one_round "$C1" "$S1" directories
same "$(snapshots_of "$S1" "$T/src/a")" 4
same "$(snapshots_of "$S1" "$T/src/b")" 2

say "the control repository is deleted, before and after a push"
rm -rf "$S1/repositories/client1.git"
one_round "$C1" "$S1" directories
same "$(snapshots_of "$S1" "$T/src/a")" 5
exits 0 "$C1/scripts/backup_it" directories ""
exits 0 "$C1/scripts/send_request" --now
rm -rf "$S1/repositories/client1.git"
exits 0 "$S1/scripts/do_backup"
for _ in 1 2 3; do "$C1/scripts/send_request" --now >"$T/out" 2>&1 || true; "$S1/scripts/do_backup" >>"$T/out" 2>&1 || true; done
exits 0 "$C1/scripts/send_request" --now
same "$(snapshots_of "$S1" "$T/src/a")" 6 "the request ran twice or was lost"
nothing_left "$C1" "$S1" client1

say "the server is put back to a copy from before a request: what it had taken is asked again"
mkdir "$T/copy"
for n in TODO repositories store index data catalog.db; do cp -a "$S1/$n" "$T/copy/"; done
exits 0 "$C1/scripts/backup_it" directories ""
exits 0 "$C1/scripts/send_request" --now
for n in TODO repositories store index data catalog.db; do rm -rf "${S1:?}/$n" "$S1/$n"-*; cp -a "$T/copy/$n" "$S1/"; done
exits 0 "$C1/scripts/send_request" --now
exits 0 "$S1/scripts/do_backup"
exits 0 "$C1/scripts/send_request" --now
same "$(snapshots_of "$S1" "$T/src/a")" 7 "a taken request was lost with the server's state"
nothing_left "$C1" "$S1" client1
