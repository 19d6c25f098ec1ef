#!/usr/bin/env bash
# Goal: what docs/OPERATIONS.md says works: daily tasks, a copy taken while it runs, rot, a lost index, a lost server, a lost client, a break-in, a removal for good, a move.
. "$(dirname "$0")/lib.sh"
lab_up
cd "$S1"
# page_says COMMAND : it stands in the page, in backquotes
page_says() { grep -qF -- "\`$1\`" "$BK_SOURCE/docs/OPERATIONS.md" || die "the page does not say: $1"; }
# by_page STATUS COMMAND [WORDS…] : a command of the page, COPY being ours, and what it leaves open
by_page() {
  local want=$1 command=$2; shift 2
  page_says "$command"
  # shellcheck disable=SC2086
  exits "$want" ${command//COPY/"$COPY"} "$@"
}
mkdir -p "$T/src"; cp -r "$BK_SOURCE/docs" "$T/src/"; head -c 3000000 /dev/urandom >"$T/src/noise"; ln -s docs "$T/src/link"
paths_of "$C1" directories "$T/src"
one_round "$C1" "$S1" directories
echo secret >"$T/src/secret"
one_round "$C1" "$S1" directories

say "every day"
admin=$L/admin/server1
printf '[keep]\nlast = 100\n' >>"$admin/backline.conf"
git -C "$admin" commit -qam "keep" && git -C "$admin" push -q >"$T/out" 2>&1 || { cat "$T/out"; die "push"; }
# cron's lines without time and user; what would be mailed is there to read instead
block OPERATIONS.md cron | sed -E 's/^.* backupsrv +//; s/ \| mail .*//' >"$T/daily"
same "$(wc -l <"$T/daily")" 3
while read -r line; do exits 0 bash -c "${line//\~backupsrv/$S1}"; done <"$T/daily"

say "a second copy, by the page's own lines, with a backup coming in between"
mapfile -t copies < <(block OPERATIONS.md "sh copy")
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
by_page 0 "scripts/bkdb heal --from COPY/store"
by_page 0 "scripts/bkdb verify"
says '^good: 3 snapshots'

say "index, catalog and views are lost"
rm -rf index catalog.db data
by_page 0 "scripts/bkdb build"
same "$(snapshots_of "$S1" "$T/src")" 3

say "the server is lost, and comes back from the copy; the client notices nothing"
for n in store TODO repositories index data catalog.db log tmp; do rm -rf "${S1:?}/$n"; done
exits 0 rsync -a "$COPY/" "$S1/"
by_page 0 "scripts/bkdb build"
by_page 0 "scripts/bkdb verify"
same "$(snapshots_of "$S1" "$T/src")" 2
one_round "$C1" "$S1" directories
same "$(snapshots_of "$S1" "$T/src")" 3
nothing_left "$C1" "$S1" client1

say "a client is lost"
run_block OPERATIONS.md "sh client" "s|ssh root@web1 restore_it|$C1/scripts/restore_it|; s|/restored|$T/restored|"
compare "$T/src" "$T"/restored/0_*/
page_says "scripts/bkdb export /mnt/usb 0"
exits 0 scripts/bkdb export "$T/usb" 0
compare "$T/src" "$T"/usb/0_*/
page_says "restore_it export /restored 0"
sed -i '/^\[client client1\]/a restore = yes' "$admin/backline.conf"
git -C "$admin" commit -qam "client1 restores" && git -C "$admin" push -q >"$T/out" 2>&1 || { cat "$T/out"; die "push"; }
exits 0 "$C1/scripts/restore_it" export "$T/by-client" 0
compare "$T/src" "$T"/by-client/0_*/

say "a client was broken into: held snapshots stay, whatever is said"
page_says "scripts/do_backup --pause web1"
exits 0 scripts/do_backup --pause client1
by_page 0 "scripts/bkdb hold" 0
exits 77 scripts/bkdb rm 0 --yes --expect 3
exits 0 scripts/bkdb files 0; says secret
exits 0 scripts/bkdb find secret; says "$T/src"
same "$(snapshots_of "$S1" "$T/src")" 3
page_says "do_backup --resume web1"
exits 0 scripts/bkdb release 0
exits 0 scripts/do_backup --resume client1

say "a smaller store"
by_page 0 "scripts/bkdb clean --compress 16"
exits 0 scripts/bkdb verify

say "removed for good, here and in the copy"
rm "$T/src/secret"
sleep 1.1  # ranges know whole seconds
one_round "$C1" "$S1" directories
newest=$(scripts/bkdb ls | grep -oE '20[0-9]{2}-[0-9-]+ [0-9:]+' | head -1)
by_page 0 "scripts/bkdb rm" 0 "<$newest" --yes --expect 3
by_page 0 "scripts/bkdb clean --rewrite 0"
exits 0 scripts/bkdb verify
exits 0 bash -c "${copies[0]//COPY/$COPY}"
exits 0 bash -c "${copies[1]//COPY/$COPY}"
same "$(find "$COPY/store" -name '*.pack' | wc -l)" "$(find store -name '*.pack' | wc -l)"

say "a move to another folder"
by_page 0 "scripts/do_backup --pause"
exits 0 rsync -a "$S1/" "$T/moved/"
exits 0 "$T/moved/scripts/bkdb" verify
says '^good: 1 snapshots'
