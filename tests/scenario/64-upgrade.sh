#!/usr/bin/env bash
# Goal: homes that an older version left in the middle of its work are set up again in place: nothing is lost, keys stay, what was
# queued is carried out, older backups are whole, and taking the new version away leaves all data.  See tests/golden/make_homes.
. "$(dirname "$0")/private.sh"
private_network_machine "$@"
. "$(dirname "$0")/lib.sh"
private_etc
ip link set lo up
chmod 755 "$T"
C1=/srv/bk/client S1=/srv/bk/server
bin=$T/bin
stripped_programs "$bin"
client() { runuser -u backupclient -- "$@"; }
server() { runuser -u backupsrv -- "$@"; }
set_up() { exits 0 "$BK_SOURCE/$1/setup.sh" localhost --yes --bin "$bin"; }
# What may not change by setting up: all but programs, logs, and what stands beside data to be made anew.
state() { (cd "$1" && find . -path ./scripts -prune -o -path ./log -prune -o -name lock -prune -o ! -type d -printf '%p %m %u\n' | sort; find . -path ./scripts -prune -o -path ./log -prune -o -type f ! -name lock ! -name reserve -exec sha256sum {} + | sort -k 2); }
names() { (cd "$1" && find . -path ./scripts -prune -o -type f -print | sort); }

for archive in "$BK_SOURCE"/tests/golden/homes/*.tar.gz; do
  say "${archive##*/}: the homes as they were"
  umount /srv 2>/dev/null || true
  mount -t tmpfs -o mode=755 srv /srv
  rm -rf /etc/backline /etc/cron.d/backup* /etc/logrotate.d/backline-*
  for user in backupsrv:server backupclient:client; do
    userdel "${user%:*}" 2>/dev/null || true
    useradd --system --user-group --home-dir "/srv/bk/${user#*:}" --no-create-home --shell /bin/bash "${user%:*}"
  done
  tar -C / -xzf "$archive"
  rm -f /etc/ssh/ssh_host_* /etc/ssh/sshd_config.d/*
  cp /srv/bk/host.pub /etc/ssh/ssh_host_ed25519_key.pub
  /usr/sbin/sshd -h /srv/bk/host -o PidFile="$T/sshd.pid"
  for side in client server; do state "/srv/bk/$side" >"$T/$side.before"; names "/srv/bk/$side" >"$T/$side.names"; done

  say "set up in place: every file that was there is there, byte for byte; the settings of then hold"
  for side in client server; do
    set_up "$side"
    state "/srv/bk/$side" >"$T/$side.after"
    diff "$T/$side.before" "$T/$side.after" | grep '^<' >"$T/out" || true
    same "$(cat "$T/out")" "" "$side: lost or changed"
    set_up "$side"; says 'nothing to do'
  done
  grep -q 'a word of the administrator' "$C1/backupconfig.toml" || die "the configuration was written anew"
  [[ -x $C1/scripts/cmds/own ]] || die "a cmd of the administrator's own is gone"
  same "$(stat -c %s "$C1/scripts/send_request")" "$(stat -c %s "$bin/send_request")" "the program is the new one"
  grep -q '^\*/5 .* backupclient /srv/bk/client/scripts/send_request$' /etc/cron.d/backupclient || die "cron's line"

  say "what was queued on both sides is carried out, and the older backup is whole"
  exits 0 server "$S1/scripts/bkdb" verify -C "$S1"
  exits 0 client "$C1/scripts/backup_it" --list; says 'wiki'; says 'git'
  # Then the module took an archive of any folder; now it is asked for by name.
  sed -i '/^\[module.wiki\]/a cmd = ["backup_archive"]\nmethod = "sftp"' "$C1/backupconfig.toml"
  for _ in 1 2; do
    client "$C1/scripts/send_request" --now >"$T/sent" 2>&1 || true
    server "$S1/scripts/do_backup" >"$T/pulled" 2>&1 || { cat "$T/pulled"; die "do_backup"; }
  done
  client "$C1/scripts/send_request" --now >"$T/sent" 2>&1 || { cat "$T/sent"; die "send_request"; }
  nothing_left "$C1" "$S1" web1
  for path in /srv/bk/data/www /srv/bk/data/wiki /srv/bk/data/git/app.git; do same "$(snapshots_of "$S1" "$path")" 1 "$path"; done
  compare /srv/bk/data/www "$(export_source "$S1" /srv/bk/data/www "$T/www-${archive##*/}")"

  say "the next backup of the same tree reads on from the old one"
  echo new >/srv/bk/data/www/new
  exits 0 client "$C1/scripts/backup_it" directories ""
  client "$C1/scripts/send_request" --now >"$T/sent" 2>&1 || true
  exits 0 server "$S1/scripts/do_backup"
  same "$(snapshots_of "$S1" /srv/bk/data/www)" 2
  client "$C1/scripts/send_request" --now >"$T/sent" 2>&1 || { cat "$T/sent"; die "send_request"; }
  exits 0 server "$S1/scripts/bkdb" verify -C "$S1"

  say "taken away: data, keys and configuration stay"
  for side in client server; do names "/srv/bk/$side" >"$T/$side.names"; exits 0 "$BK_SOURCE/$side/setup.sh" --uninstall; same "$(names "/srv/bk/$side" | diff "$T/$side.names" - | grep '^<' || true)" ""; done
  [[ ! -e $C1/scripts/backup_it && ! -e /etc/cron.d/backupserver ]] || die "something was left"
  kill "$(cat "$T/sshd.pid")"
done
(( checks > 20 )) || die "no archive"
