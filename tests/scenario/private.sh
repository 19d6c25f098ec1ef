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

# --- hosts: namespaces with a name, an address, an /etc and an sshd of their own ---
#
#   private_network_machine "$@"      instead of private_machine; lib.sh comes after it
#   host_up NAME                      10.77.N.2, reached as NAME.example.org by every host; sshd on port 22, stock configuration
#   on NAME COMMAND…                  as root of that host
#   host_keys NAME                    new host keys, as after an installation; sshd is started again

private_network_machine() {
  [[ -z ${BK_PRIVATE:-} ]] || return 0
  [[ $EUID == 0 ]] || { echo "skipped: making users and hosts needs root"; exit 77; }
  unshare --mount --net --pid --fork --mount-proc sh -c 'ip link set lo up && ip link add up type veth peer name down' >/dev/null 2>&1 ||
    { echo "skipped: network namespaces are not allowed here"; exit 77; }
  # With the first process everything in its namespaces ends.
  BK_PRIVATE=yes exec unshare --mount --net --pid --fork --kill-child --mount-proc --propagation private "$0" "$@"
}

declare -A host_pid=() sshd_pid=()
host_up() {
  local name=$1 number=$((${#host_pid[@]} + 1)) tries=0
  local dir=$T/$name
  if [[ $number == 1 ]]; then
    chmod 755 "$T"
    ip link set lo up
    echo 1 >/proc/sys/net/ipv4/ip_forward
    : >"$T/hosts"
  fi
  echo "10.77.$number.2 $name.example.org" >>"$T/hosts"
  mkdir -p "$dir"
  cp -a /etc "$dir/etc"
  rm -rf "$dir"/etc/backline "$dir"/etc/cron.d/backup* "$dir"/etc/ssh/ssh_host_* "$dir"/etc/ssh/sshd_config.d/*
  mkdir -p "$dir/etc/cron.d"
  ln -sf "$T/hosts" "$dir/etc/hosts" 2>/dev/null || cp "$T/hosts" "$dir/etc/hosts"
  sed -i -E '/^(backupsrv|backupclient):/d' "$dir"/etc/{passwd,shadow,group,gshadow}
  unshare --mount --net --uts --propagation private sleep infinity </dev/null >/dev/null 2>&1 &
  host_pid[$name]=$!
  until [[ -e /proc/${host_pid[$name]}/ns/net && $(readlink "/proc/${host_pid[$name]}/ns/net") != $(readlink /proc/self/ns/net) ]]; do
    ((++tries < 200)) || die "the namespaces of $name"
    sleep 0.02
  done
  ip link add "up$number" type veth peer name eth0 netns "${host_pid[$name]}"
  ip addr add "10.77.$number.1/24" dev "up$number"
  ip link set "up$number" up
  on "$name" sh -ec "mount --bind '$dir/etc' /etc; mount -t tmpfs -o mode=755 private /run; mkdir /run/sshd
    mkdir -p /usr/local/share; mount -t tmpfs -o mode=755 private /usr/local/share
    hostname $name; ip link set lo up; ip addr add 10.77.$number.2/24 dev eth0; ip link set eth0 up; ip route add default via 10.77.$number.1"
  host_keys "$name"
}

on() { local name=$1; shift; nsenter --target "${host_pid[$name]}" --mount --net --uts -- "$@"; }

host_keys() {
  local name=$1 tries=0
  [[ -z ${sshd_pid[$name]:-} ]] || { kill "${sshd_pid[$name]}"; wait "${sshd_pid[$name]}" 2>/dev/null || true; }
  on "$name" sh -c 'rm -f /etc/ssh/ssh_host_*; ssh-keygen -q -A' >/dev/null
  on "$name" /usr/sbin/sshd -D -e -o LogLevel=VERBOSE </dev/null >>"$T/$name/sshd.log" 2>&1 &
  sshd_pid[$name]=$!
  until [[ $(on "$name" ss -Hltn 'sport = 22') ]]; do
    ((++tries < 200)) || { cat "$T/$name/sshd.log"; die "sshd of $name"; }
    sleep 0.05
  done
}
