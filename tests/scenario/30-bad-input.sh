#!/usr/bin/env bash
# Goal: every kind of bad input gets one clear line and its exit status, and nothing that was there is lost.
. "$(dirname "$0")/lib.sh"
lab_up
mkdir -p "$T/src/tree"; echo hello >"$T/src/tree/file"; echo other >"$T/src/tree/second"
paths_of "$C1" directories "$T/src/tree"
one_round "$C1" "$S1" directories
queue() { find "$C1/requests" -type f \( -name 'C*' -o -name 'P*' \) | wc -l; }

say "the command line"
exits 64 "$C1/scripts/backup_it"; one_line
exits 64 "$C1/scripts/backup_it" --no-such-option; one_line
exits 64 "$C1/scripts/backup_it" nosuchmodule ""; one_line; says 'nosuchmodule'
exits 64 "$C1/scripts/backup_it" '-x;rm' "" ; one_line
exits 64 "$C1/scripts/backup_it" directories nosuchserver; one_line; says 'nosuchserver'
exits 64 "$C1/scripts/commit_backup_request" directories relative/path ""; one_line; says 'relative/path'
exits 64 "$C1/scripts/commit_backup_request" directories "$T/src/../src/tree" ""; one_line; says '\.\.'
exits 64 "$C1/scripts/commit_backup_request" 'bad module' "$T/src/tree" ""; one_line
same "$(queue)" 0

say "a missing path and an unreadable file"
got=0; "$C1/scripts/commit_backup_request" directories "$T/nowhere" "" >"$T/out" 2>&1 || got=$?
if [[ $got == 0 ]]; then
  "$C1/scripts/send_request" --now >"$T/out" 2>&1 || got=$?
  "$S1/scripts/do_backup" >>"$T/out" 2>&1 || true
  "$C1/scripts/send_request" --now >>"$T/out" 2>&1 || got=$?
  "$C1/scripts/backup_it" --cancel directories "" >/dev/null 2>&1 || true
fi
[[ $got != 0 ]] || die "a missing path counts as success"
says "nowhere"
find "$C1/requests" -type f -name 'C*' -delete; find "$C1/requests" -type f -name 'P*' -delete
# Root reads everything, so the file is made unreadable by a mount over which no read succeeds: a file of /proc that gives EIO.
if [[ $EUID == 0 ]]; then
  touch "$T/src/tree/unreadable"
  mount --bind /proc/self/mem "$T/src/tree/unreadable" && MOUNTED=$T/src/tree/unreadable
else
  echo x >"$T/src/tree/unreadable"; chmod 0 "$T/src/tree/unreadable"
fi
one_round "$C1" "$S1" directories 3
says 'unreadable'
[[ $EUID == 0 ]] && umount "$MOUNTED" && MOUNTED=
rm -f "$T/src/tree/unreadable"
one_round "$C1" "$S1" directories

say "configuration: a typo is named with file and line, on both sides"
for home in "$C1" "$S1"; do
  cp "$home/backupconfig.toml" "$T/saved.toml"
  printf 'hots = "x"\n%s\n' "$(cat "$T/saved.toml")" >"$home/backupconfig.toml"
  if [[ $home == "$C1" ]]; then program=$C1/scripts/send_request; else program=$S1/scripts/do_backup; fi
  exits 78 "$program"; one_line; says 'backupconfig.toml:1'; says 'host'
  printf '[[[\n' >"$home/backupconfig.toml"; exits 78 "$program"; one_line; says 'backupconfig.toml:1'
  cp "$T/saved.toml" "$home/backupconfig.toml"
done

say "configuration: what others may have written is not read, by any program"
chmod g+w "$C1/backupconfig.toml"
for program in "backup_it directories" backup_all "commit_backup_request directories $T/src/tree" send_request "send_request --status" \
  "restore_it ls" "backup_agent --home $C1 --server server1"; do
  # shellcheck disable=SC2086
  exits 78 env SSH_ORIGINAL_COMMAND="backline tree" "$C1/scripts/"$program
  one_line; says 'backupconfig.toml": is not read, because others .*mode 06.*chmod go-w'
done
chmod 600 "$C1/backupconfig.toml"
chmod o+w "$S1/backupconfig.toml"
for program in do_backup "do_backup --status" "bkdb ls -C $S1" "bk_pull --sweep"; do
  # shellcheck disable=SC2086
  exits 78 "$S1/scripts/"$program
  one_line; says 'chmod go-w'
done
chmod 640 "$S1/backupconfig.toml"
same "$(queue)" 0
one_round "$C1" "$S1" directories

say "the administrator's files: a bad push is refused as a whole, with file and line"
admin=$L/admin/server1
push() { git -C "$admin" push >"$T/out" 2>&1; }
refused() { # FILE PATTERN
  git -C "$admin" add -A; git -C "$admin" -c user.name=a -c user.email=a@localhost commit -qm bad
  push && die "a bad $1 was accepted"; says "$2"; git -C "$admin" reset -q --hard HEAD~1; }
sed -i 's/^address/adres/' "$admin/backline.conf"; refused backline.conf 'backline.conf.*(adres|address)'
printf '[group x\nmembers = a\n' >>"$admin/gitosis.conf"; refused gitosis.conf 'gitosis.conf'
echo 'ssh-ed25519 notbase64!' >"$admin/keydir/mallory.pub"; refused keydir 'mallory.pub'
cp "$admin/keydir/client1.pub" "$admin/keydir/twice.pub"; refused keydir 'the same key.*twice'
exits 0 git -C "$admin" push
one_round "$C1" "$S1" directories

say "a wrong key, a changed host key"
key=$(python3 -c 'import sys,tomllib' 2>/dev/null && python3 - "$C1/backupconfig.toml" <<'PY'
import sys, tomllib
print(tomllib.load(open(sys.argv[1], "rb"))["server"]["server1"]["identity"])
PY
)
[[ $key ]] || key=$(sed -n 's/^identity *= *"\(.*\)"/\1/p' "$C1/backupconfig.toml" | head -1)
[[ $key == /* ]] || key=$C1/$key
cp "$key" "$T/key"; rm -f "$key"; ssh-keygen -q -t ed25519 -N '' -f "$key"
exits 0 "$C1/scripts/backup_it" directories ""
exits 77 "$C1/scripts/send_request" --now; one_line
cp "$T/key" "$key"; chmod 600 "$key"
cp "$C1/backupconfig.toml" "$T/saved.toml"
other=$(cut -d' ' -f1,2 "$key.pub")
sed -i "s|^hostkey *=.*|hostkey = \"$other\"|" "$C1/backupconfig.toml"
exits 77 "$C1/scripts/send_request" --now; one_line; says 'host key'
cp "$T/saved.toml" "$C1/backupconfig.toml"
exits 0 "$C1/scripts/send_request" --now
exits 0 "$S1/scripts/do_backup"
exits 0 "$C1/scripts/send_request" --now
nothing_left "$C1" "$S1" client1

say "a store file with a flipped bit: verify names snapshot and path"
pack=$(find "$S1/store" -type f \( -path '*/packs/*' -o -path '*/journal/*' \) -size +0 -printf '%s %p\n' | sort -rn | head -1 | cut -d' ' -f2)
cp "$pack" "$T/pack"
python3 - "$pack" <<'PY'
import os, sys
n = os.path.getsize(sys.argv[1])
with open(sys.argv[1], "r+b") as f:
    for at in range(n // 4, n, max(1, n // 16)):
        f.seek(at); b = f.read(1); f.seek(at); f.write(bytes([b[0] ^ 4]))
PY
exits 65 "$S1/scripts/bkdb" verify -C "$S1"; says "$T/src/tree"
cp "$T/pack" "$pack"
exits 0 "$S1/scripts/bkdb" verify -C "$S1"

say "bkdb: wrong words"
exits 64 "$S1/scripts/bkdb" frobnicate -C "$S1"; one_line
exits 64 "$S1/scripts/bkdb" ls 0,1, -C "$S1"; one_line
exits 64 "$S1/scripts/bkdb" ls '>x' -C "$S1"; one_line
got=0; "$S1/scripts/bkdb" ls 99 -C "$S1" >"$T/out" 2>&1 || got=$?; [[ $got == 64 || $got == 69 ]] || die "index out of range: exit $got"; one_line
mkdir "$T/full"; touch "$T/full/x"; exits 64 "$S1/scripts/bkdb" export "$T/full" -C "$S1"; one_line
compare "$T/src/tree" "$(export_source "$S1" "$T/src/tree" "$T/out-tree")"
