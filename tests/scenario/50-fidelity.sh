#!/usr/bin/env bash
# Goal: a tree that holds everything, and its changed second version, come back without a difference; what a plain user may not read is reported.
#
#   50-fidelity.sh root [--huge] | tmpfs | plain
. "$(dirname "$0")/lib.sh"
view=${1:-root} seeds="1 2" groups=
torture="$BK_SOURCE/tests/support/torture_tree.py"
plain=65534
as_client() { "$@"; }
lab_up
W=$T/w
mkdir "$W"
tree=$W/tree

case $view in
  root) ;;
  tmpfs) # other limits than the disk's: 64 KiB of attributes, years far away
    [[ $(id -u) == 0 ]] || skip "mounting needs root"  # only as scenario:fidelity-tmpfs
    mount -t tmpfs -o size=2g backline "$W" || skip "mounting needs the right to"
    MOUNTED=$W seeds=3 groups=sparse,attributes,acls,owners,times,traps,special,symlinks,changing ;;
  plain)
    seeds=4
    if [[ $(id -u) == 0 ]]; then # the client is nobody in all it does; only its sshd is root's
      as_client() { setpriv --reuid=$plain --regid=$plain --clear-groups "$@"; }
      chmod 755 "$T" "$L"
      chown -R $plain:$plain "$C1"
      sed -i "s/command=\"/command=\"setpriv --reuid=$plain --regid=$plain --clear-groups /" "$C1/.ssh/authorized_keys"
    else
      plain=$(id -u)
    fi ;;
  *) die "unknown view $view" ;;
esac

round() { # STATUS: of the client's last look
  exits 0 as_client "$C1/scripts/backup_it" directories ""
  exits 0 as_client "$C1/scripts/send_request" --now
  "$S1/scripts/do_backup" >"$T/pull.out" 2>&1 || true
  exits "$1" as_client "$C1/scripts/send_request" --now
  nothing_left "$C1" "$S1" client1
}
judge() { # EXPORTED : against the tree as it is
  if [[ $view != plain ]]; then compare "$tree" "$1"; return; fi
  python3 "$BK_SOURCE/tests/support/compare_trees.py" --as "$plain" --unreadable "$T/unreadable" "$tree" "$1" >"$T/compare.out" 2>&1 ||
    { head -40 "$T/compare.out"; die "what the client can read differs"; }
  python3 - "$T/unreadable" "$(find "$S1/store/snapshots/client1" -name '*.snapshot' | sort | tail -n 1)" <<'PY' || die "what the client cannot read is not what was reported"
import sys
from urllib.parse import unquote_to_bytes as decode
unreadable = {line for line in open(sys.argv[1], "rb").read().split(b"\0") if line}
reported, count = set(), 0
for line in open(sys.argv[2]):
    key, _, value = line.rstrip("\n").partition(": ")
    if key == "skipped":
        reported.add(decode(decode(value).partition(b" ")[2]))
    if key == "skipped-count":
        count = int(value)
print("   %d entries cannot be read, %d reported by name, %d in all" % (len(unreadable), len(reported), count))
for path in sorted(reported - unreadable)[:9]: print("reported and readable:", path)
if count <= 1000:
    for path in sorted(unreadable - reported)[:9]: print("unreadable and not reported:", path)
sys.exit(not reported <= unreadable or count != len(unreadable))
PY
  checks=$((checks + 1))
}

export_tree() { # DEST [RANGE] : prints the exported tree
  rm -rf "$1"
  exits $partial "$S1/scripts/bkdb" export "$1" "$(index_of "$S1" "$tree")" "${@:2}" -C "$S1"
  find "$1" -mindepth 1 -maxdepth 1 -type d
}

say "the first version"
python3 "$torture" make "$tree" --only "$groups" "${@:2}"
chmod 755 "$tree"
paths_of "$C1" directories "$tree"
partial=0; [[ $view != plain ]] || partial=3
round $partial
got=$(export_tree "$W/first")
judge "$got"

say "nothing changed"
before=$(du -sb "$S1/store" | cut -f1)
round $partial
added=$(($(du -sb "$S1/store" | cut -f1) - before))
(( added < 200000 )) || die "an unchanged run added $added bytes"

for seed in $seeds; do
  say "changed by seed $seed"
  python3 "$torture" change "$tree" --seed "$seed"
  round $partial
  judge "$(export_tree "$W/changed")"
  rm -rf "$W/changed"
done

say "the first version, once more"
compare "$got" "$(export_tree "$W/again" '>1970-01-01,1')"
exits 0 "$S1/scripts/bkdb" verify -C "$S1"
