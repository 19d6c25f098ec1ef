#!/usr/bin/env bash
# Goal: what docs/OPERATIONS.md says works: daily tasks, a copy taken while it runs, rot, a lost index, a lost server, a lost client, a break-in, a removal for good, a move.
. "$(dirname "$0")/lib.sh"
lab_up
cd "$S1"
page=$BK_SOURCE/docs/OPERATIONS.md
mkdir -p "$T/src"; cp -r "$BK_SOURCE/docs" "$T/src/"; head -c 3000000 /dev/urandom >"$T/src/noise"; ln -s docs "$T/src/link"
paths_of "$C1" directories "$T/src"
one_round "$C1" "$S1" directories
echo secret >"$T/src/secret"
one_round "$C1" "$S1" directories

say "every day"
admin=$L/admin/server1
printf '[keep]\nlast = 100\n' >>"$admin/backline.conf"
git -C "$admin" commit -qam "keep" && git -C "$admin" push -q >"$T/out" 2>&1 || { cat "$T/out"; die "push"; }
for command in "bkdb keep" "bkdb clean" "bkdb verify --sample 5%" "do_backup --status"; do
  grep -q "scripts/$command" "$page" || die "the page does not say: $command"
  # shellcheck disable=SC2086
  exits 0 "$S1"/scripts/$command
done

say "a second copy, by the page's own lines, with a backup coming in between"
mapfile -t copies < <(grep '^rsync ' "$page")
same "${#copies[@]}" 3
mkdir -p "$T/copy"
COPY=$T/copy
exits 0 bash -c "${copies[0]//COPY/$COPY}"
echo later >"$T/src/later"
one_round "$C1" "$S1" directories
exits 0 bash -c "${copies[1]//COPY/$COPY}"
exits 0 bash -c "${copies[2]//COPY/$COPY}"

say "rot that parity cannot repair comes back from the copy"
pack=$(find store -name '*.pack' -size +1M | head -1)
[[ $pack ]] || die "no pack"
python3 - "$pack" <<'PY'
import os, sys
with open(sys.argv[1], "r+b") as f:
    size = os.fstat(f.fileno()).st_size
    f.seek(size // 4)
    f.write(os.urandom(size // 2))
PY
exits 65 scripts/bkdb verify
says "$T/src"
exits 0 scripts/bkdb heal --from "$COPY/store"
exits 0 scripts/bkdb verify
says '^good: 3 snapshots'

say "index, catalog and views are lost"
rm -rf index catalog.db data
exits 0 scripts/bkdb build
same "$(snapshots_of "$S1" "$T/src")" 3

say "the server is lost, and comes back from the copy; the client notices nothing"
for n in store TODO repositories index data catalog.db log tmp; do rm -rf "${S1:?}/$n"; done
exits 0 rsync -a "$COPY/" "$S1/"
exits 0 scripts/bkdb build
exits 0 scripts/bkdb verify
same "$(snapshots_of "$S1" "$T/src")" 2
one_round "$C1" "$S1" directories
same "$(snapshots_of "$S1" "$T/src")" 3
nothing_left "$C1" "$S1" client1

say "a client is lost"
scripts/bkdb export - 0 --stream | "$C1/scripts/restore_it" --from - export "$T/restored" >"$T/out" 2>&1 || { cat "$T/out"; die "restored"; }
compare "$T/src" "$T"/restored/0_*/

say "a client was broken into: held snapshots stay, whatever is said"
exits 0 scripts/do_backup --pause client1
exits 0 scripts/bkdb hold 0
exits 77 scripts/bkdb rm 0 --yes --expect 3
same "$(snapshots_of "$S1" "$T/src")" 3
exits 0 scripts/bkdb release 0
exits 0 scripts/do_backup --resume client1

say "removed for good, here and in the copy"
rm "$T/src/secret"
sleep 1.1  # ranges know whole seconds
one_round "$C1" "$S1" directories
newest=$(scripts/bkdb ls | grep -oE '20[0-9]{2}-[0-9-]+ [0-9:]+' | head -1)
exits 0 scripts/bkdb rm 0 "<$newest" --yes --expect 3
exits 0 scripts/bkdb clean --rewrite 0
exits 0 scripts/bkdb verify
exits 0 bash -c "${copies[0]//COPY/$COPY}"
exits 0 bash -c "${copies[1]//COPY/$COPY}"
same "$(find "$COPY/store" -name '*.pack' | wc -l)" "$(find store -name '*.pack' | wc -l)"

say "a move to another folder"
exits 0 scripts/do_backup --pause
exits 0 rsync -a "$S1/" "$T/moved/"
exits 0 "$T/moved/scripts/bkdb" verify
says '^good: 1 snapshots'
