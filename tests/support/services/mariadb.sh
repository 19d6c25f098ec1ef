# shellcheck shell=bash
# A private MariaDB in a folder, on a socket only.  Sourced.  DIR must be short: a socket's path has 107 bytes.
#
#   mariadb_or_skip                for a scenario (lib.sh)
#   mariadb_up DIR                 makes it when it is not there, starts it, exports MYSQL_UNIX_PORT
#   mariadb_down DIR [SIGNAL]      TERM by default
. "$(dirname "${BASH_SOURCE[0]}")/child.sh"
mariadb_or_skip() {
  PATH=$PATH:/usr/sbin
  command -v mariadbd >/dev/null || skip "mariadb-server is not installed (setup/packages)"
}
mariadb_up() {
  local dir=$1
  export MYSQL_UNIX_PORT=$dir/sock
  mkdir -p "$dir"
  if [[ ! -d $dir/data/mysql ]]; then
    TMPDIR=$dir mariadb-install-db --no-defaults --datadir="$dir/data" --auth-root-authentication-method=normal --skip-test-db \
      --user="$(id -un)" >"$dir/install.log" 2>&1 || { cat "$dir/install.log" >&2; return 1; }
  fi
  TMPDIR=$dir mariadbd --no-defaults --datadir="$dir/data" --socket="$dir/sock" --pid-file="$dir/pid" --skip-networking --user="$(id -un)" \
    --character-set-server=utf8mb4 --innodb-buffer-pool-size=64M --innodb-log-file-size=32M --innodb-flush-log-at-trx-commit=0 \
    --innodb-flush-method=nosync --event-scheduler=OFF >>"$dir/log" 2>&1 </dev/null &
  echo $! >"$dir/child"
  child_answers "$dir" mariadb-admin --no-defaults -u root ping
}
mariadb_down() { child_down "$1" "${2:-TERM}"; }
