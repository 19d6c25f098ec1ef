#!/bin/bash
# A private sshd on a loopback port, as the invoking user, for the lab and the tests.
#
#   source tests/support/sshd.sh                 or:  tests/support/sshd.sh start|stop|status DIR [KEYS_FILE…]
#   bk_sshd_start DIR [KEYS_FILE…]               sets BK_SSHD_PORT and BK_SSHD_HOSTKEY ("<type> <base64>")
#   bk_sshd_stop DIR
#   bk_sshd_status DIR                           prints "<pid> <port> up" or "- <port> down"
#
# Everything lies in DIR/sshd: config, host key, port, log, and the pid file "<pid> <start time>".  Only that very process and
# its own children are ever signalled.  KEYS_FILE defaults to DIR/.ssh/authorized_keys; a missing file means that nobody may log in.
# Nothing outside DIR is touched, except that a sshd started by root needs the empty directory /run/sshd.
# The port is random, free, below the ephemeral range, and kept over a restart as long as nobody else took it.
# BK_SSHD_EXTRA may hold further lines of sshd_config (one SetEnv line, too).  Every wait has a deadline.

BK_SSHD_DEADLINE=${BK_SSHD_DEADLINE:-20}  # seconds

# The kernel's start time of a process (field 22 of its stat line, which follows the last ")"), empty when there is none.
# A zombie counts as gone.
bk_start_time() {
  local stat
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
  stat=${stat##*) }
  local -a field
  read -ra field <<<"$stat"
  [[ ${field[0]} == Z ]] || echo "${field[19]}"
}

# The pid recorded in a file when that very process still runs.
bk_running_pid() {
  local pid start
  { read -r pid start <"$1"; } 2>/dev/null || return 1
  [[ -n $start && $(bk_start_time "$pid") == "$start" ]] && echo "$pid"
}

bk_wait_gone() {  # PID START
  local tries=$((BK_SSHD_DEADLINE * 20))
  while [[ $(bk_start_time "$1") == "$2" ]]; do
    ((tries-- > 0)) || return 1
    sleep 0.05
  done
}

bk_sshd_write_config() {  # DIR PORT KEYS_FILE…
  local dir=$1 port=$2 file keys= extra=${BK_SSHD_EXTRA:-}
  # A bash of the second level does not read the user's .bashrc, which has no part in what is tested.  Only the first SetEnv counts.
  if [[ $extra == *"SetEnv "* ]]; then extra=${extra/SetEnv /SetEnv SHLVL=1 }; else extra+=$'\nSetEnv SHLVL=1'; fi
  shift 2
  for file in "$@"; do keys+=" \"$file\""; done
  cat >"$dir/sshd/config" <<CONFIG
ListenAddress 127.0.0.1:$port
HostKey "$dir/sshd/host_ed25519"
AuthorizedKeysFile$keys
AllowUsers $(id -un)
PidFile none
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UsePAM no
# The keys lie below a temporary folder, whose parents belong to others.
StrictModes no
UseDNS no
X11Forwarding no
PrintMotd no
PrintLastLog no
MaxStartups 300
MaxSessions 300
LoginGraceTime 30
LogLevel VERBOSE
Subsystem sftp internal-sftp
$extra
CONFIG
}

# Starts the daemon on the configured port; fails when it did not come up (the port may be taken).
bk_sshd_launch() {  # DIR PORT
  local dir=$1 port=$2 pid tries=$((BK_SSHD_DEADLINE * 20))
  local log=$dir/sshd/log
  : >"$log"
  # In a session of its own and without our descriptors: nobody's pipe or lock lives on in it.
  (
    exec </dev/null >>"$log" 2>&1
    for fd in /proc/"$BASHPID"/fd/*; do
      fd=${fd##*/}
      if ((fd > 2)) && [[ -e /proc/$BASHPID/fd/$fd ]]; then eval "exec $fd>&-"; fi
    done
    exec setsid "$(PATH=$PATH:/usr/sbin:/sbin type -P sshd)" -D -e -f "$dir/sshd/config"
  ) &
  pid=$!
  disown "$pid"
  while ((tries-- > 0)); do
    if grep -q "^Server listening on 127.0.0.1 port $port" "$log"; then
      echo "$pid $(bk_start_time "$pid")" >"$dir/sshd/pid"
      return 0
    fi
    [[ -n $(bk_start_time "$pid") ]] || return 1
    sleep 0.05
  done
  kill "$pid" 2>/dev/null || true
  return 1
}

bk_sshd_start() {  # DIR [KEYS_FILE…]
  local dir=$1 port attempt
  shift
  [[ $# -gt 0 ]] || set -- "$dir/.ssh/authorized_keys"
  mkdir -p "$dir/sshd" "$dir/.ssh" || return 1
  chmod 700 "$dir/.ssh"
  if [[ ! -s $dir/sshd/host_ed25519 ]]; then
    ssh-keygen -q -t ed25519 -N '' -C host -f "$dir/sshd/host_ed25519" </dev/null || return 1
  fi
  BK_SSHD_HOSTKEY=$(cut -d' ' -f1,2 "$dir/sshd/host_ed25519.pub")
  BK_SSHD_PORT=
  if bk_running_pid "$dir/sshd/pid" >/dev/null; then
    BK_SSHD_PORT=$(<"$dir/sshd/port")
    return 0
  fi
  if [[ $EUID == 0 ]]; then mkdir -p -m 0755 /run/sshd || return 1; fi
  for attempt in {1..30}; do
    if [[ $attempt == 1 && -s $dir/sshd/port ]]; then
      port=$(<"$dir/sshd/port")
    else
      port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
    fi
    bk_sshd_write_config "$dir" "$port" "$@"
    if bk_sshd_launch "$dir" "$port"; then
      echo "$port" >"$dir/sshd/port"
      BK_SSHD_PORT=$port
      return 0
    fi
    # Anything but a taken port will not get better.
    grep -q 'Address already in use' "$dir/sshd/log" || break
  done
  echo "sshd for $dir did not start: $(tail -n 1 "$dir/sshd/log")" >&2
  return 1
}

bk_sshd_stop() {  # DIR
  local pid start child children=() starts=() i
  pid=$(bk_running_pid "$1/sshd/pid") || { rm -f "$1/sshd/pid"; return 0; }
  start=$(bk_start_time "$pid")
  # Callers may run under "set -e": a process that is gone meanwhile is no failure.
  read -ra children < <(cat "/proc/$pid/task/$pid/children" 2>/dev/null) || true
  for child in "${children[@]}"; do starts+=("$(bk_start_time "$child")"); done
  kill -TERM "$pid" 2>/dev/null || true
  if ! bk_wait_gone "$pid" "$start"; then
    kill -KILL "$pid" 2>/dev/null || true
    bk_wait_gone "$pid" "$start" || { echo "sshd $pid for $1 does not end" >&2; return 1; }
  fi
  # Sessions outlive their listener.
  for i in "${!children[@]}"; do
    child=${children[$i]}
    [[ -z ${starts[$i]} || $(bk_start_time "$child") != "${starts[$i]}" ]] || kill -TERM "$child" 2>/dev/null || true
  done
  rm -f "$1/sshd/pid"
}

bk_sshd_status() {  # DIR
  local pid port=-
  [[ ! -s $1/sshd/port ]] || port=$(<"$1/sshd/port")
  if pid=$(bk_running_pid "$1/sshd/pid"); then echo "$pid $port up"; else echo "- $port down"; fi
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then
  command=${1:-} dir=${2:-}
  case $command in
    start | stop | status) ;;
    *) echo "usage: $0 start|stop|status DIR [KEYS_FILE…]" >&2; exit 64 ;;
  esac
  [[ $dir == /* ]] || { echo "$0: DIR must be absolute" >&2; exit 64; }
  shift 2
  "bk_sshd_$command" "$dir" "$@" || exit 74
  if [[ $command == start ]]; then echo "$BK_SSHD_PORT $BK_SSHD_HOSTKEY"; fi
fi
