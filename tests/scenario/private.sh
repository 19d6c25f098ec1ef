# shellcheck shell=bash
# Sourced before lib.sh by scenarios that make users or write below /etc: both happen in a mount namespace of their own, on a copy
# of /etc; the machine gets nothing of it.
#
#   . "$(dirname "$0")/private.sh"; private_machine "$@"       runs the script again inside; exit 77 when that is not allowed
#   . "$(dirname "$0")/lib.sh"; private_etc                     after which /etc, /usr/local/share and /run are our own

private_machine() {
  [[ -z ${BK_PRIVATE:-} ]] || return 0
  [[ $EUID == 0 ]] || { echo "skipped: making users needs root"; exit 77; }
  unshare --mount true 2>/dev/null || { echo "skipped: mount namespaces are not allowed here"; exit 77; }
  BK_PRIVATE=yes exec unshare --mount --propagation private "$0" "$@"
}

private_etc() {
  mkdir "$T/etc"
  cp -a /etc/. "$T/etc"
  mount --bind "$T/etc" /etc || skip "mounting is not allowed here"
  rm -rf /etc/backline /etc/cron.d/backup* /etc/systemd/system/backline-*
  local user
  for user in backupsrv backupclient; do
    ! getent passwd "$user" >/dev/null || userdel "$user" 2>/dev/null
  done
  mkdir -p /usr/local/share
  mount -t tmpfs -o mode=755 private /usr/local/share
  mount -t tmpfs -o mode=755 private /run
  mkdir -p /run/sshd
}
