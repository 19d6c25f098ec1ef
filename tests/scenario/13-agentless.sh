#!/usr/bin/env bash
# Goal: a device with nothing but an SFTP server is backed up by the server's own request, compared, cut, refused and shown like any other.
. "$(dirname "$0")/lib.sh"
lab_up
# shellcheck disable=SC1091
. "$BK_SOURCE/tests/support/sshd.sh"

say "a plain sshd that knows the server's key"
nas=$T/nas
ending() { bk_sshd_stop "$nas"; }
mkdir -p "$nas/.ssh" "$nas/data/photos/2026" "$nas/data/My Documents"
identity=$(python3 -c 'import sys,tomllib; print(tomllib.load(open(sys.argv[1],"rb"))["identity"])' "$S1/backupconfig.toml")
[[ $identity == /* ]] || identity=$S1/$identity
sed 's/^/restrict /' "$identity.pub" >"$nas/.ssh/authorized_keys"
bk_sshd_start "$nas"
for i in {1..300}; do echo "photo $i" >"$nas/data/photos/2026/p$i"; done
head -c 5000000 /dev/urandom >"$nas/data/photos/film"
ln -s 2026/p1 "$nas/data/photos/best"
echo letter >"$nas/data/My Documents/letter"
touch -d 2020-01-01 "$nas/data/photos/2026/"* "$nas/data/photos/film" "$nas/data/My Documents/letter"

push_rules() { # TEXT : what the administrator pushes
  (cd "$L/admin/server1" && cat >>backline.conf && git commit -qam "the NAS" && git push -q) >"$T/out" 2>&1
}
say "wrong rules are refused with line and reason"
! push_rules <<<$'[client bad]\npaths = /data' || die "paths without agent = no were accepted"
says 'backline.conf:[0-9]+: .*agent = no'
(cd "$L/admin/server1" && git reset -q --hard '@{u}')

say "the server asks by itself, once per period"
push_rules <<RULES || die "the rules were refused"
[client nas]
address = $(id -un)@127.0.0.1:$BK_SSHD_PORT
hostkey = $BK_SSHD_HOSTKEY
agent = no
paths = $nas/data/photos $nas/data/My%20Documents
every = 1d
RULES
exits 0 "$S1/scripts/do_backup"
same "$(snapshots_of "$S1" "$nas/data/photos")" 1
same "$(snapshots_of "$S1" "$nas/data/My%20Documents")" 1
exits 0 "$S1/scripts/do_backup"
same "$(snapshots_of "$S1" "$nas/data/photos")" 1 "a second run within the period"
entry=$(export_source "$S1" "$nas/data/photos" "$T/export")
exits 0 diff -r --no-dereference "$nas/data/photos" "$entry"
same "$(stat -c %Y "$entry/2026/p7")" "$(stat -c %Y "$nas/data/photos/2026/p7")"
[[ ! -e $S1/repositories/nas.git ]] || die "a control repository was made for a client that never pushes"

say "--once backs it up now, and only what changed grows the store"
before=$(du -sb "$S1/store" | cut -f1)
echo new >"$nas/data/photos/2026/p301"
exits 0 "$S1/scripts/do_backup" --once nas
same "$(snapshots_of "$S1" "$nas/data/photos")" 2
[[ $(($(du -sb "$S1/store" | cut -f1) - before)) -lt 100000 ]] || die "a small change made the store grow a lot"
checks=$((checks + 1))
entry=$(export_source "$S1" "$nas/data/photos" "$T/export2")
exits 0 diff -r --no-dereference "$nas/data/photos" "$entry"

say "a device that is away is tried again later; a folder that is gone is refused"
bk_sshd_stop "$nas"
exits 75 "$S1/scripts/do_backup" --once nas
exits 0 "$S1/scripts/do_backup" --status
says 'next try|waiting'
bk_sshd_start "$nas"
rm -r "$nas/data/My Documents"
exits 77 "$S1/scripts/do_backup" --once nas
says 'no such file'
same "$(snapshots_of "$S1" "$nas/data/photos")" 3
exits 0 "$S1/scripts/bkdb" verify -C "$S1"
