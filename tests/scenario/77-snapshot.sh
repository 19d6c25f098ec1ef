#!/usr/bin/env bash
# Goal: the page's own snapshot of a btrfs subvolume is what the server reads while the tree goes on changing, and it is gone afterwards: after a success, a cut pull, a kill at each step, a snapshot that cannot be made.
. "$(dirname "$0")/lib.sh"
[[ $EUID == 0 ]] || skip "mounting a btrfs needs root"
command -v mkfs.btrfs >/dev/null || skip "btrfs-progs is not installed (setup/packages)"
truncate -s 200M "$T/image"
mkfs.btrfs -q "$T/image" >"$T/out" 2>&1 || { cat "$T/out"; die "mkfs.btrfs"; }
mkdir "$T/srv"
mount -o loop "$T/image" "$T/srv" 2>"$T/out" || skip "no btrfs in a file here: $(cat "$T/out")"
MOUNTED=$T/srv
writer=
ending() { [[ -z $writer ]] || { kill "$writer"; wait "$writer"; } 2>/dev/null; }
lab_up

say "the page's configuration and its program, for a tree in which two files always agree"
mkdir -p "$T/sbin"
block modules/directories.md 'sh www-snapshot' | sed "s|/srv/|$T/srv/|g" >"$T/sbin/www-snapshot"; chmod 755 "$T/sbin/www-snapshot"
block modules/directories.md toml | sed "/^paths/s|\"/etc\", ||; s|/srv/|$T/srv/|g; s|\"sudo\", \"-n\", ||; s|/usr/local/sbin|$T/sbin|" >"$T/section"
python3 - "$C1/backupconfig.toml" "$T/section" <<'PY'
import re, sys
text = open(sys.argv[1]).read()
text = re.sub(r"(?m)^\[module\.directories\]\n(?:(?!\[).*\n?)*", "", text)
open(sys.argv[1], "w").write(text + "\n" + open(sys.argv[2]).read())
PY
btrfs subvolume create "$T/srv/www" >/dev/null
mkdir "$T/srv/www/sessions" "$T/srv/www/many"; echo x >"$T/srv/www/sessions/x"
for i in {1..300}; do echo "$i" >"$T/srv/www/many/$i"; done
cat >"$T/writer.py" <<'PY'
import os, sys, time
n = 0
while True:
    n += 1
    for name in ("a", "b"):
        with open(sys.argv[1] + "/.new", "w") as f:
            f.write("%d\n" % n)
        os.rename(sys.argv[1] + "/.new", sys.argv[1] + "/" + name)
    time.sleep(0.002)
PY
python3 "$T/writer.py" "$T/srv/www" & writer=$!
until [[ -e $T/srv/www/b ]]; do sleep 0.05; done
agree() { # FOLDER : of two files that are written one behind the other, the second is never more than one behind
  local a b; a=$(cat "$1/a"); b=$(cat "$1/b")
  [[ $a == "$b" || $a == $((b + 1)) ]] || die "no moment had a=$a and b=$b"
  checks=$((checks + 1))
}
no_snapshot() { [[ ! -e $T/srv/.www-backup ]] || die "$1: the snapshot is still there"; same "$(find "$C1"/requests -name '.owed-*' | wc -l)" 0 "$1"; }

one_round "$C1" "$S1" directories
no_snapshot "after a success"
TARGET=$T/restored INDEX=$(index_of "$S1" "$T/srv/www") run_block modules/directories.md "sh restore"
got=$(find "$T/restored" -mindepth 1 -maxdepth 1 -type d)
agree "$got"; same "$(find "$got/many" -type f | wc -l)" 300
[[ ! -e $got/sessions/x ]] || die "what the path excludes is there"

say "a pull that is cut: the snapshot stays until the server has read it"
head -c 60000000 /dev/urandom >"$T/srv/www/large"
exits 0 "$C1/scripts/backup_it" directories ""
exits 0 "$C1/scripts/send_request" --now
"$S1/scripts/do_backup" >/dev/null 2>&1 & pull=$!
sleep 0.3; kill -9 "$pull" 2>/dev/null || true; wait "$pull" 2>/dev/null || true
rm "$T/srv/www/large"
"$C1/scripts/send_request" --now >/dev/null 2>&1 || true
if [[ -e $T/srv/.www-backup ]]; then
  "$S1/scripts/do_backup" --once client1 >"$T/out" 2>&1 || true
  "$C1/scripts/send_request" --now >"$T/out" 2>&1 || true
fi
no_snapshot "after a cut pull"
got=$(export_source "$S1" "$T/srv/www" "$T/exported")
same "$(stat -c %s "$got/large")" 60000000 "what the snapshot held"; agree "$got"

for step in steps.owed steps.before steps.release; do
  say "a kill at $step"
  exits 0 "$C1/scripts/backup_it" directories ""
  kills=0
  killed_at "$step" "$C1/scripts/send_request" --now
  "$S1/scripts/do_backup" >/dev/null 2>&1 || true  # after some of these kills there is nothing to pull
  killed_at "$step" "$C1/scripts/send_request" --now
  ((kills > 0)) || die "nothing was killed at $step: are the steps compiled in (BK_CRASH_POINTS)?"
  for _ in 1 2; do
    "$C1/scripts/send_request" --now >"$T/out" 2>&1 || true
    "$S1/scripts/do_backup" >"$T/pull.out" 2>&1 || true
  done
  exits 0 "$C1/scripts/send_request" --now
  no_snapshot "after a kill at $step"
done
nothing_left "$C1" "$S1" client1
agree "$(export_source "$S1" "$T/srv/www" "$T/exported")"

say "a snapshot that cannot be made is a failed attempt that says why, and the next one goes through"
before=$(snapshots_of "$S1" "$T/srv/www")
mkdir "$T/srv/.www-backup"
exits 0 "$C1/scripts/backup_it" directories ""
exits 75 "$C1/scripts/send_request" --now; says 'before: .*www-snapshot ended with status 1: .*ubvolume'
"$S1/scripts/do_backup" >/dev/null 2>&1 || true
same "$(snapshots_of "$S1" "$T/srv/www")" "$before"
rmdir "$T/srv/.www-backup"
"$C1/scripts/send_request" --now >/dev/null 2>&1 || true
"$S1/scripts/do_backup" >/dev/null 2>&1 || true
exits 0 "$C1/scripts/send_request" --now
no_snapshot "after a failure"
same "$(snapshots_of "$S1" "$T/srv/www")" $((before + 1))
nothing_left "$C1" "$S1" client1
