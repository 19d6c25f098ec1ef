#!/bin/bash
# Goal: a client fetches its own snapshots back over SSH exactly, only when the administrator allowed it, only its own; wrong input, damage and cuts are named.
. "$(dirname "$0")/lib.sh"
lab_up --clients 2
restore() { local home=$1; shift; "$home/scripts/restore_it" "$@"; }

say "two clients back up; one of them a tree that holds everything"
python3 "$BK_SOURCE/tests/support/torture_tree.py" --only acls,attributes,contents,deep,empty,links,modes,names,owners,sizes,sparse,special,symlinks,times,traps "$T/torture" >"$T/out" 2>&1 || { cat "$T/out"; die "torture tree"; }
mkdir -p "$T/other"; echo secret >"$T/other/file"
paths_of "$C1" directories "$T/torture"
paths_of "$C2" directories "$T/other"
"$C1/scripts/backup_it" directories "" >/dev/null; "$C2/scripts/backup_it" directories "" >/dev/null
for c in "$C1" "$C2"; do "$c/scripts/send_request" --now >"$T/out" 2>&1 || true; done
"$S1/scripts/do_backup" >"$T/pull.out" 2>&1 || true
[[ $("$S1/scripts/bkdb" ls --json -C "$S1" | grep -o '"sequence"' | wc -l) == 2 ]] || { cat "$T/pull.out"; die "no two snapshots"; }

say "nobody said yes: refused in one line"
exits 77 restore "$C1" ls
says 'restore = yes'
one_line

say "the administrator says yes for client1"
admin=$L/admin/server1
sed -i '/^\[client client1\]/a restore = yes' "$admin/backline.conf"
git -C "$admin" commit -qam "client1 restores" && git -C "$admin" push -q >"$T/out" 2>&1 || { cat "$T/out"; die "push"; }
exits 0 restore "$C1" ls
says "\\[0\\] $T/torture"
grep -q other "$T/out" && die "client1 sees what is client2's"
exits 77 restore "$C2" ls
exits 0 restore "$C1" files 0
says "contents"
exits 0 restore "$C1" find 'random-4096'

say "the whole tree comes back exactly"
exits 0 restore "$C1" export "$T/back"
compare "$T/torture" "$T"/back/0_*/
[[ -s $T/back/EXPORT.txt ]] || die "no list"

say "a part of it, by path"
exits 0 restore "$C1" --path "$T/torture/sizes/random-4096" export "$T/part"
same "$(cd "$T"/part/0_*; find . -type f)" ./sizes/random-4096

say "an administrator sends it without a key of the client"
"$S1/scripts/bkdb" export - 0 --stream -C "$S1/data/client1" | restore "$C1" --from - export "$T/sent" >"$T/out" 2>&1 || { cat "$T/out"; die "sent stream"; }
compare "$T/torture" "$T"/sent/0_*/

say "wrong input"
exits 64 restore "$C1" export "$T/back"; says "not empty"; one_line
exits 64 restore "$C1" ls 7; one_line
exits 64 restore "$C1" ls '=tomorrow'; one_line
exits 64 restore "$C1" --server nobody ls; one_line
exits 64 restore "$C1" verify; one_line
exits 64 restore "$C1" export; one_line
exits 64 restore "$C1" export "$T/no/such/parent"; one_line
exits 69 restore "$C1" --path /nowhere export "$T/none"; one_line
exits 69 restore "$C1" --module nothing export "$T/none"; one_line
exits 0 restore "$C1" --force --path "$T/torture/sizes/random-1" export "$T/part2"

exits 64 restore "$C1" export "$C1/requests/back"; says "Backline's own"; one_line
exits 64 restore "$C1" export "$T/other/file"; says "not a folder"; one_line
exits 64 restore "$C1" export "$T/other/file/below"; says "no folder"; one_line

say "a cut stream is no success"
"$S1/scripts/bkdb" export - 0 --stream -C "$S1/data/client1" >"$T/stream"
head -c $(($(stat -c %s "$T/stream") * 2 / 3)) "$T/stream" >"$T/cut"
exits 76 restore "$C1" --from "$T/cut" export "$T/cut-out"; says "cut.*the same command goes on"
[[ ! -e $T/cut-out/EXPORT.txt ]] || die "a cut restore looks complete"
exits 0 restore "$C1" --from "$T/stream" export "$T/cut-out"
compare "$T/torture" "$T"/cut-out/0_*/
exits 76 restore "$C1" --from "$T/out" export "$T/noise"

say "damage in the store is named, the rest comes"
python3 - "$S1/store" <<'PY'
import glob, os, sys
path = max(glob.glob(sys.argv[1] + "/journal/*") + glob.glob(sys.argv[1] + "/packs/*/*"), key=os.path.getsize)
with open(path, "r+b") as file:
    file.seek(os.path.getsize(path) // 3)
    bad = bytes(b ^ 0xff for b in file.read(64))
    file.seek(-64, 1)
    file.write(bad)
PY
exits 65 restore "$C1" export "$T/damaged"
says "damaged"
python3 - "$T/torture" "$T/damaged" <<'PY' || die "a wrong byte was written"
import os, sys, glob, filecmp
source, back = sys.argv[1].encode(), glob.glob(sys.argv[2].encode() + b"/0_*")[0]
missing = same = 0
for name in os.listdir(source + b"/sizes"):
    a, b = source + b"/sizes/" + name, back + b"/sizes/" + name
    if not os.path.isfile(a): continue
    if not os.path.exists(b): missing += 1
    elif filecmp.cmp(a, b, shallow=False): same += 1
    else: sys.exit("differs: %r" % name)
print(missing, same)
sys.exit(same == 0)
PY
