# shellcheck shell=bash
# A private PostgreSQL in a folder, on a socket only.  Sourced.  Root runs it as postgres, so DIR must be reachable by that user.
#
#   postgres_or_skip               for a scenario (lib.sh); forgets what the environment says of another server
#   postgres_up DIR                makes it when it is not there, starts it, exports PGHOST (its socket), PGUSER (admin, a superuser)
#   postgres_down DIR [SIGNAL]     INT by default: at once, but in order
. "$(dirname "${BASH_SOURCE[0]}")/child.sh"
postgres_as=()
[[ $EUID != 0 ]] || postgres_as=(setpriv --reuid=postgres --regid=postgres --init-groups)
postgres_or_skip() {
  compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || skip "postgresql is not installed (setup/packages)"
  unset "${!PG@}"
}
postgres_up() {
  local dir=$1 bin
  bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -1)
  export PGHOST=$dir/socket PGUSER=admin PGDATABASE=postgres
  if [[ ! -e $dir/data/PG_VERSION ]]; then
    mkdir -p "$dir/socket" "$dir/data"
    [[ $EUID != 0 ]] || chown postgres: "$dir/socket" "$dir/data"
    (cd / && "${postgres_as[@]}" "$bin/initdb" -D "$dir/data" -U admin -A trust --no-sync -E UTF8 --locale=C.UTF-8) >"$dir/initdb.log" 2>&1 ||
      { cat "$dir/initdb.log" >&2; return 1; }
    printf 'local all admin trust\nlocal all all scram-sha-256\n' >"$dir/data/pg_hba.conf"
  fi
  (cd / && exec "${postgres_as[@]}" "$bin/postgres" -D "$dir/data" -k "$dir/socket" -h '' -F -c max_connections=30) >>"$dir/log" 2>&1 </dev/null &
  echo $! >"$dir/child"
  child_answers "$dir" psql -qAtc 'SELECT 1'
}
postgres_down() { child_down "$1" "${2:-INT}"; }
