#!/usr/bin/env bash
# Goal: the Debian packages hold what a side needs and nothing of the other, with sound rights, and set up from where they lie.
. "$(dirname "$0")/lib.sh"
(cd "$BK_BUILD" && cpack -G DEB -B "$T/deb" -D CPACK_DEBIAN_COMPRESSION_TYPE=gzip) >"$T/cpack.log" 2>&1 || { cat "$T/cpack.log"; die "cpack"; }
ssh-keygen -q -t ed25519 -N "" -C alice -f "$T/alice" </dev/null
for side in client server; do
  deb=$(find "$T/deb" -maxdepth 1 -name "backline-${side}_*.deb")
  [[ -f $deb ]] || die "no package of the $side"
  dpkg-deb -c "$deb" | awk '{print $1, $2, $6}' >"$T/$side.list"
  dpkg-deb -x "$deb" "$T/$side"
  dpkg-deb -e "$deb" "$T/$side.control"
  ! grep -v ' root/root ' "$T/$side.list" || die "$side: files of somebody else"
  ! grep -E '^[^l].{4}w|^[^l].{7}w|^-.{2}[sS]|^-.{5}[sS]' "$T/$side.list" || die "$side: rights"
  ! grep -vE ' \./(usr/(bin|sbin|lib/backline|share/(doc|man|bash-completion))?|usr/(lib|share)?)?(/|$)' "$T/$side.list" || die "$side: a strange place"
  [[ -z $(find "$T/$side" -xtype l) ]] || die "$side: links that lead nowhere"
  grep -qE '^Depends: .*libssh-4.*' "$T/$side.control/control" || die "$side: the libraries are no dependency"
  for page in "$T/$side"/usr/share/man/man*/*.gz; do gzip -t "$page"; done
  while read -r program; do readelf -d "$program" | grep -E 'RPATH|RUNPATH' && die "$program names the builder's folders"; done \
    < <(find "$T/$side/usr/lib/backline/$side/bin" -type f)
  exits 0 "$T/$side/usr/lib/backline/$side/bin/$([[ $side == client ]] && echo backup_it || echo do_backup)" --version
  exits 0 "$T/$side/usr/sbin/backline-$side-setup" "$side" host.example.org "$T/home" --dry-run --yes --schedule cron $([[ $side == server ]] && echo --admin-key=$T/alice.pub || echo --default-server=b)
  says "^would link $T/home/scripts/"
  checks=$((checks + 8))
done 2>"$T/errors" || { cat "$T/errors"; exit 1; }
! grep -E 'bkdb|do_backup|bk_access' "$T/client.list" || die "the client's package has the server's programs"
! grep -E 'backup_agent|send_request|cmds' "$T/server.list" || die "the server's package has the client's programs"
sort <(awk '$1 !~ /^d/ {print $3}' "$T/client.list") <(awk '$1 !~ /^d/ {print $3}' "$T/server.list") | uniq -d >"$T/both"
[[ ! -s $T/both ]] || { cat "$T/both"; die "both packages have them"; }

say "an older package, set up and at work, then this one over it, then none: data, keys, settings and queue stay"
cat >"$T/upgrade" <<'IN'
set -euo pipefail
die() { echo "FAILED: $*"; exit 1; }
T=$1
userdel backupsrv 2>/dev/null || true; userdel backupclient 2>/dev/null || true
rm -rf /etc/backline /etc/cron.d/backup*
dpkg -i --force-depends "$T"/old/*.deb >"$T/dpkg" 2>&1 || { cat "$T/dpkg"; die "the older packages"; }
backline-server-setup server localhost /srv/u/server --yes --schedule cron --admin-key "$T/alice.pub"
backline-client-setup client localhost /srv/u/client --name web1 --yes --schedule cron
printf '\n[server.main]\nurl = "ssh://backupsrv@localhost/web1.git"\nhostkey = "ssh-ed25519 AAAA"\nidentity = ".ssh/id_ed25519"\n' >>/srv/u/client/backupconfig.toml
runuser -u backupclient -- /srv/u/client/scripts/commit_backup_request directories /usr/share/doc
[[ $(/srv/u/client/scripts/backup_it --version) == "the older one" && -e /usr/share/doc/backline-client/older ]] || die "not the older one"
state() { (cd /srv/u && find . -path '*/scripts' -prune -o -path '*/log' -prune -o -type f ! -name lock -exec sha256sum {} + | sort -k 2); ls -l /etc/cron.d/backup* /etc/logrotate.d/backline-*; }
state >"$T/before"
dpkg -i --force-depends "$T"/deb/*.deb >"$T/dpkg" 2>&1 || { cat "$T/dpkg"; die "the upgrade"; }
state >"$T/after"
diff "$T/before" "$T/after" | grep '^<' && die "lost or changed by the upgrade"
/srv/u/client/scripts/backup_it --version | grep -q Backline || die "the program is the older one"
[[ ! -e /usr/share/doc/backline-client/older ]] || die "a file of the older one is left"
runuser -u backupclient -- /srv/u/client/scripts/backup_it --list | grep -q /usr/share/doc || die "the queue is empty"
runuser -u backupsrv -- /srv/u/server/scripts/bk_access check alice writable gitosis-admin >/dev/null || die "the administrator"
cp -r /srv/u "$T/kept"
dpkg -P backline-client backline-server >"$T/dpkg" 2>&1 || { cat "$T/dpkg"; die "purging"; }
[[ ! -e /srv/u/client/scripts/backup_it && ! -e /etc/cron.d/backupclient && ! -e /usr/lib/backline/client ]] || die "something is left"
(cd "$T/kept" && find . -path '*/scripts' -prune -o -type f -print) | while read -r file; do [[ -e /srv/u/$file ]] || die "purged: $file"; done
IN
overlay() { mount -t tmpfs over "$T/over" && mkdir "$T/over/upper" "$T/over/work" "$T/over/root" && mount -t overlay -o "lowerdir=/,upperdir=$T/over/upper,workdir=$T/over/work" overlay "$T/over/root" && mount --rbind /proc "$T/over/root/proc" && mount --rbind /dev "$T/over/root/dev" && mount --rbind "$T" "$T/over/root$T"; }
mkdir "$T/over" "$T/old"
for side in client server; do
  dpkg-deb -R "$(find "$T/deb" -maxdepth 1 -name "backline-${side}_*.deb")" "$T/old/$side"
  sed -i 's/^Version: .*/Version: 0.0.1/' "$T/old/$side/DEBIAN/control"
done
rm "$T/old/client/usr/lib/backline/client/bin/backup_it"
printf '#!/bin/sh\necho the older one\n' >"$T/old/client/usr/lib/backline/client/bin/backup_it"; chmod 755 "$T/old/client/usr/lib/backline/client/bin/backup_it"
touch "$T/old/client/usr/share/doc/backline-client/older"
for side in client server; do dpkg-deb --root-owner-group -Znone -b "$T/old/$side" "$T/old/$side.deb" >/dev/null; done
export -f overlay
export T
if [[ $EUID == 0 ]] && unshare --mount --propagation private bash -c overlay 2>"$T/errors"; then
  chmod 755 "$T"
  exits 0 unshare --mount --propagation private bash -c 'overlay && exec chroot "$T/over/root" bash "$T/upgrade" "$T"'
else
  echo "   (not tried: overlay file systems are not allowed here)"
fi
