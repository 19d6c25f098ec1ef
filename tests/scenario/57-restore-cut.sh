#!/bin/bash
# Goal: a restore that was killed, or met a full disk, is gone on with by the same command: what is there is compared, only the rest is sent, and the end is exact.
. "$(dirname "$0")/lib.sh"
lab_up
restore() { local home=$1; shift; "$home/scripts/restore_it" "$@"; }
admin=$L/admin/server1
sed -i '/^\[client client1\]/a restore = yes' "$admin/backline.conf"
git -C "$admin" commit -qam "client1 restores" && git -C "$admin" push -q >"$T/out" 2>&1 || { cat "$T/out"; die "push"; }

say "killed in the middle, really: the same command sends only the rest"
mkdir "$T/many"
python3 - "$T/many" <<'PY'
import os, sys
for i in range(1200):
    os.mkdir("%s/d%04d" % (sys.argv[1], i))
    open("%s/d%04d/f" % (sys.argv[1], i), "wb").write(os.urandom(10000))
open(sys.argv[1] + "/zbig", "wb").write(os.urandom(24 << 20))
PY
paths_of "$C1" directories "$T/many"
one_round "$C1" "$S1" directories
many=$(index_of "$S1" "$T/many")
received() { sed -n 's/^received \([0-9]*\) bytes$/\1/p' "$T/out"; }
exits 0 restore "$C1" export "$T/whole" "$many"
whole=$(received)
((whole > 30 << 20)) || die "received $whole bytes"
for kill in bkdb.export_begun bkdb.export_group:28 bkdb.export_window:3 bkdb.export_synced bkdb.export_listed; do
  exits 137 env BACKLINE_CRASH_AT="$kill" "$C1/scripts/restore_it" export "$T/$kill" "$many"
  [[ -s $T/$kill/UNFINISHED.txt ]] || die "$kill: nothing says that it is unfinished"
  exits 0 restore "$C1" export "$T/$kill" "$many"
  echo "   $kill: $(received) of $whole bytes"
  case $kill in
    *:28) (($(received) < whole * 7 / 10)) || die "sent again: $(received) of $whole" ;;
    *_window:3 | *_synced | *_listed) (($(received) < whole / 50)) || die "sent again: $(received) of $whole" ;;
  esac
  compare "$T/many" "$T/$kill"/?_*/
  [[ ! -e $T/$kill/UNFINISHED.txt ]] || die "$kill: still unfinished"
  rm -r "${T:?}/$kill"
done

say "a full disk: said before, and why; with some room the same command goes on"
mkdir "$T/small"
if mount -t tmpfs -o size=20m none "$T/small"; then
  MOUNTED=$T/small
  exits 74 restore "$C1" export "$T/small/back" "$many"; says "No space left on device.*the same command goes on"
  says "(19|20)\.[0-9] MiB are free there, and the snapshot's files have 3[0-9]\.[0-9] MiB"
  mount -o remount,size=64m "$T/small"
  exits 0 restore "$C1" export "$T/small/back" "$many"
  echo "   $(received) of $whole bytes"
  (($(received) < whole * 7 / 10)) || die "sent again: $(received) of $whole"
  compare "$T/many" "$T/small/back"/?_*/
  umount "$T/small"
  MOUNTED=
fi

say "another snapshot is not mixed in"
exits 137 env BACKLINE_CRASH_AT=bkdb.export_window "$C1/scripts/restore_it" export "$T/mixed" "$many"
echo new >"$T/many/new"
one_round "$C1" "$S1" directories
exits 64 restore "$C1" export "$T/mixed" "$many"; says "unfinished restore"; one_line
