# shellcheck shell=bash
# A private MariaDB in a folder, on a socket only.  Sourced.  DIR must be short: a socket's path has 107 bytes.
#
#   mariadb_up DIR                 makes it when it is not there, starts it, exports MYSQL_UNIX_PORT
#   mariadb_down DIR [SIGNAL]      TERM by default
mariadb_up() {
  local dir=$1 tries=600
  export MYSQL_UNIX_PORT=$dir/sock
  mkdir -p "$dir"
  if [[ ! -d $dir/data/mysql ]]; then
    mariadb-install-db --no-defaults --datadir="$dir/data" --auth-root-authentication-method=normal --skip-test-db \
      --user="$(id -un)" >"$dir/install.log" 2>&1 || { cat "$dir/install.log" >&2; return 1; }
  fi
  mariadbd --no-defaults --datadir="$dir/data" --socket="$dir/sock" --pid-file="$dir/pid" --skip-networking --user="$(id -un)" \
    --character-set-server=utf8mb4 --innodb-buffer-pool-size=64M --innodb-log-file-size=32M --innodb-flush-log-at-trx-commit=0 \
    --innodb-flush-method=nosync --event-scheduler=OFF >>"$dir/log" 2>&1 </dev/null &
  echo $! >"$dir/child"
  until mariadb-admin --no-defaults -u root ping >/dev/null 2>&1; do
    kill -0 "$(<"$dir/child")" 2>/dev/null && ((tries-- > 0)) || { tail "$dir/log" >&2; return 1; }
    sleep 0.05
  done
}
mariadb_down() {
  [[ -s $1/child ]] || return 0
  kill "-${2:-TERM}" "$(<"$1/child")" 2>/dev/null || true
  { wait "$(<"$1/child")"; } 2>/dev/null || true
  rm -f "$1/child"
}
