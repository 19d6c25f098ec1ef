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
