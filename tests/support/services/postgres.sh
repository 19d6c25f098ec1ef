# shellcheck shell=bash
# A private PostgreSQL in a folder, on a socket only.  Sourced.  Root runs it as postgres, so DIR must be reachable by that user.
#
#   postgres_up DIR                makes it when it is not there, starts it, exports PGHOST (its socket), PGUSER (admin, a superuser)
#   postgres_down DIR [SIGNAL]     INT by default: at once, but in order
postgres_as() {
  if [[ $EUID == 0 ]]; then setpriv --reuid=postgres --regid=postgres --init-groups "$@"; else "$@"; fi
}
postgres_up() {
  local dir=$1 bin tries=600
  bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -1)
  export PGHOST=$dir/socket PGUSER=admin PGDATABASE=postgres
  if [[ ! -e $dir/data/PG_VERSION ]]; then
    mkdir -p "$dir/socket" "$dir/data"
    [[ $EUID != 0 ]] || chown postgres: "$dir/socket" "$dir/data"
    (cd / && postgres_as "$bin/initdb" -D "$dir/data" -U admin -A trust --no-sync -E UTF8 --locale=C.UTF-8) >"$dir/initdb.log" 2>&1 ||
      { cat "$dir/initdb.log" >&2; return 1; }
    printf 'local all admin trust\nlocal all all scram-sha-256\n' >"$dir/data/pg_hba.conf"
  fi
  (cd / && if [[ $EUID == 0 ]]; then exec setpriv --reuid=postgres --regid=postgres --init-groups "$bin/postgres" -D "$dir/data" -k "$dir/socket" -h '' -F -c max_connections=30; else
    exec "$bin/postgres" -D "$dir/data" -k "$dir/socket" -h '' -F -c max_connections=30; fi) >>"$dir/log" 2>&1 </dev/null &
  echo $! >"$dir/child"
  until psql -qAtc 'SELECT 1' >/dev/null 2>&1; do
    kill -0 "$(<"$dir/child")" 2>/dev/null && ((tries-- > 0)) || { tail "$dir/log" >&2; return 1; }
    sleep 0.05
  done
}
postgres_down() {
  [[ -s $1/child ]] || return 0
  kill "-${2:-INT}" "$(<"$1/child")" 2>/dev/null || true
  { wait "$(<"$1/child")"; } 2>/dev/null || true
  rm -f "$1/child"
}
