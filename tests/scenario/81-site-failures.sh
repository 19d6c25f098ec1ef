#!/usr/bin/env bash
# Goal: WordPress, MediaWiki and Trac on MariaDB, PostgreSQL and SQLite: a wrong password, a missing right, a locked table, a server that is killed in the middle or down, a full disk, settings that are
# broken: none is ever a success, each says what to do, and the earlier backups stay what they are.
. "$(dirname "$0")/lib.sh"
. "$BK_SOURCE/tests/support/services/mariadb.sh"
. "$BK_SOURCE/tests/support/services/postgres.sh"
mariadb_or_skip
postgres_or_skip
M=$T/my P=$T/pg
ending() { exec 7>&- 8>&- 9>&-; mariadb_down "$M" KILL; postgres_down "$P"; }
lab_up
chmod 711 "$T"
up() { mariadb_up "$M"; postgres_up "$P"; }
up
my() { mariadb --no-defaults -u root -N "$@"; }
pg() { psql -XqAt -v ON_ERROR_STOP=1 "$@"; }

W=$T/www
mkdir -p "$W"/{blog/wp-content,mwiki/images,pwiki/images,swiki/images,data,mtrac/conf,ptrac/conf,strac/conf,strac/db}
for name in blog/wp-content/a.bin {m,p,s}wiki/images/a.bin {m,p,s}trac/a.bin; do head -c 300000 /dev/urandom >"$W/$name"; done
my -e "CREATE USER site@localhost IDENTIFIED BY 'good'"
for name in blog mwiki mtrac; do
  my -e "CREATE DATABASE $name; GRANT ALL ON $name.* TO site@localhost"
  my "$name" -e "CREATE TABLE a (id INT PRIMARY KEY); INSERT INTO a SELECT seq FROM seq_1_to_2000; CREATE TABLE b (id INT PRIMARY KEY, v TEXT); INSERT INTO b VALUES (1, 'of $name')"
done
pg -c "CREATE ROLE site LOGIN PASSWORD 'good'"
for name in pwiki ptrac; do
  pg -c "CREATE DATABASE $name OWNER site"
  pg -d "$name" -c "SET ROLE site; CREATE SCHEMA s; CREATE TABLE s.a (id int); INSERT INTO s.a SELECT generate_series(1, 2000); CREATE TABLE s.b (id int, v text); INSERT INTO s.b VALUES (1, 'of $name')"
done
python3 -c "import sqlite3, sys
for file in sys.argv[1:]:
    db = sqlite3.connect(file); db.execute('CREATE TABLE b (v)'); db.execute('INSERT INTO b VALUES (1)'); db.commit()" "$W/data/wiki.sqlite" "$W/strac/db/trac.db"
settings() {
  cat >"$W/blog/wp-config.php" <<PHP
<?php define('DB_NAME', 'blog'); define('DB_USER', 'site'); define('DB_PASSWORD', 'good'); define('DB_HOST', 'localhost:$M/sock'); \$table_prefix = 'wp_';
PHP
  printf '<?php\n$wgDBtype = "mysql"; $wgDBname = "mwiki"; $wgDBuser = "site"; $wgDBpassword = "good"; $wgDBserver = "localhost:%s/sock";\n' "$M" >"$W/mwiki/LocalSettings.php"
  printf '<?php\n$wgDBtype = "postgres"; $wgDBname = "pwiki"; $wgDBuser = "site"; $wgDBpassword = "good"; $wgDBserver = "%s/socket";\n' "$P" >"$W/pwiki/LocalSettings.php"
  printf '<?php\n$wgDBtype = "sqlite"; $wgDBname = "wiki"; $wgSQLiteDataDir = "%s/data";\n' "$W" >"$W/swiki/LocalSettings.php"
  printf '[trac]\ndatabase = mysql://site:good@localhost/mtrac?unix_socket=%s/sock\n' "$M" >"$W/mtrac/conf/trac.ini"
  printf '[trac]\ndatabase = postgres://site:good@/ptrac?host=%s/socket\n' "$P" >"$W/ptrac/conf/trac.ini"
  printf '[trac]\ndatabase = sqlite:db/trac.db\n' >"$W/strac/conf/trac.ini"
}
settings
paths_of "$C1" wordpress "$W/blog"
paths_of "$C1" wiki "$W/mwiki" "$W/pwiki" "$W/swiki"
paths_of "$C1" trac "$W/mtrac" "$W/ptrac" "$W/strac"
for module in wordpress wiki trac; do
  sed -i "s|^\[module\.$module\]|&\nlock_wait = \"2s\"|" "$C1/backupconfig.toml"
done
sites=(blog mwiki pwiki swiki mtrac ptrac strac)
module_of() { case $1 in blog) echo wordpress ;; *wiki) echo wiki ;; *) echo trac ;; esac; }
state() { find "$C1/spool" -path '*/data/*' -type f -exec sha256sum {} + | sort -k 2; }
count() { local n=0 name; for name in "${sites[@]}"; do n=$((n + $(snapshots_of "$S1" "$W/$name"))); done; echo "$n"; }
round() { # EXPECTED-SUM-OF-SNAPSHOTS
  for module in wordpress wiki trac; do exits 0 "$C1/scripts/backup_it" "$module" ""; done
  attempt
  cp "$T/out" "$T/sent.out"
  "$S1/scripts/do_backup" >"$T/pull.out" 2>&1 || true
  exits 0 "$C1/scripts/send_request" --now
  [[ $(count) == "$1" ]] || { cat "$T/sent.out" "$T/pull.out"; die "$(count) snapshots instead of $1"; }
}
attempt() {
  "$C1/scripts/send_request" --now >"$T/out" 2>&1 && true
  "$C1/scripts/send_request" --status >>"$T/out" 2>&1 || true
}
# fails SITE PATTERN ... : an attempt for these fails and says so; nothing becomes a backup, the dumps in the spool stay
asked() { while [[ $# -gt 0 ]]; do exits 0 "$C1/scripts/commit_backup_request" "$(module_of "$1")" "$W/$1"; shift 2; done; }
judged() {
  while [[ $# -gt 0 ]]; do grep -F -- "$W/$1" "$T/out" | grep -qE -- "$2" || { cat "$T/out"; die "$1: no word of: $2"; }; checks=$((checks + 1)); shift 2; done
  ! grep -qE 'good|secret' "$T/out" || { cat "$T/out"; die "a password is shown"; }
  "$S1/scripts/do_backup" >"$T/pull.out" 2>&1 || true
  same "$(count)" 7 "snapshots after a failure"
  state | cmp - "$T/state" || die "a dump in the spool was touched"
  for module in wordpress wiki trac; do "$C1/scripts/backup_it" --cancel "$module" >/dev/null 2>&1 || true; done
}
fails() { asked "$@"; attempt; judged "$@"; }

say "all of them saved once"
round 7
state >"$T/state"
same "$(grep -l "of blog\|of mwiki\|of pwiki\|of mtrac\|of ptrac" "$C1"/spool/*/*/*/data/database/database.sql | wc -l)" 5

say "a wrong password"
my -e "ALTER USER site@localhost IDENTIFIED BY 'secret'"; pg -c "ALTER ROLE site PASSWORD 'secret'"
fails blog 'check user and password in ".*/blog/wp-config.php"' mwiki 'check user and password in ".*/mwiki/LocalSettings.php"' mtrac 'check user and password in ".*/mtrac/conf/trac.ini"' \
  pwiki 'check user and password in ".*/pwiki/LocalSettings.php"' ptrac 'check user and password in ".*/ptrac/conf/trac.ini"'
my -e "ALTER USER site@localhost IDENTIFIED BY 'good'"; pg -c "ALTER ROLE site PASSWORD 'good'"

say "a role without rights: what it may not see would be missing without a word"
my -e "REVOKE TRIGGER ON blog.* FROM site@localhost; REVOKE ALL ON mwiki.* FROM site@localhost; GRANT SELECT ON mwiki.a TO site@localhost; REVOKE ALL ON mtrac.* FROM site@localhost"
pg -d pwiki -c "ALTER TABLE s.b OWNER TO admin"; pg -d ptrac -c "ALTER TABLE s.b OWNER TO admin; GRANT SELECT ON s.b TO site; ALTER TABLE s.b ENABLE ROW LEVEL SECURITY"
fails blog 'lacks TRIGGER for database "blog".*GRANT TRIGGER ON `blog`\.\*' mwiki 'lacks SELECT, SHOW VIEW, TRIGGER, EVENT.*GRANT' mtrac 'no database "mtrac" that this account may see' \
  pwiki 'permission denied.*GRANT' ptrac 'row-level security.*BYPASSRLS'
my -e "GRANT ALL ON blog.* TO site@localhost; GRANT ALL ON mwiki.* TO site@localhost; GRANT ALL ON mtrac.* TO site@localhost"
pg -d pwiki -c "ALTER TABLE s.b OWNER TO site"; pg -d ptrac -c "ALTER TABLE s.b DISABLE ROW LEVEL SECURITY; ALTER TABLE s.b OWNER TO site"

say "a locked table, a locked database"
mkfifo "$T/fifo7" "$T/fifo8" "$T/fifo9"
mariadb --no-defaults -u root <"$T/fifo7" >/dev/null 2>&1 & psql -Xq -d pwiki <"$T/fifo8" >/dev/null 2>&1 &
python3 -c "import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None); db.execute('BEGIN EXCLUSIVE'); print('locked', flush=True); sys.stdin.read()" "$W/strac/db/trac.db" <"$T/fifo9" >"$T/locked" &
exec 7>"$T/fifo7" 8>"$T/fifo8" 9>"$T/fifo9"
lock() {
  echo "LOCK TABLES blog.b WRITE, mwiki.b WRITE, mtrac.b WRITE; SELECT 1;" >&7; echo "BEGIN; LOCK TABLE s.b IN ACCESS EXCLUSIVE MODE; SELECT 1;" >&8
  until my information_schema -e 'SELECT COUNT(*) FROM PROCESSLIST WHERE COMMAND = "Sleep"' | grep -q 1 && pg -d pwiki -c "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND granted" | grep -q '[1-9]'; do sleep 0.05; done
}
lock
until [[ -s $T/locked ]]; do sleep 0.05; done
fails blog 'locked table' mwiki 'locked table' mtrac 'locked table' pwiki 'timeout.*lock_wait' strac 'gave no moment'

say "servers that are killed in the middle, and then are down"
exec 9>&-
sed -i 's/^lock_wait = .*/lock_wait = "60s"/' "$C1/backupconfig.toml"
victims=(blog 'ended, or cut the connection' mwiki 'ended, or cut the connection' mtrac 'ended, or cut the connection' pwiki 'ended, or cut the connection')
asked "${victims[@]}"
sed -i 's/^parallel = .*//; 1i parallel = 4' "$C1/backupconfig.toml"
attempt & attempted=$!
until [[ $(my information_schema -e 'SELECT COUNT(*) FROM PROCESSLIST WHERE STATE LIKE "Waiting for table metadata lock%"') == 3 ]] &&
  [[ $(pg -c "SELECT count(*) FROM pg_locks WHERE NOT granted") == 1 ]]; do kill -0 "$attempted" || die "nobody waits"; sleep 0.05; done
kill -9 "$(<"$M/child")"; postgres_down "$P" QUIT
wait "$attempted" || true
judged "${victims[@]}"
exec 7>&- 8>&-
mariadb_down "$M" KILL
fails blog 'is the server running.*blog/wp-config.php' mwiki 'is the server running.*mwiki/LocalSettings.php' mtrac 'is the server running.*mtrac/conf/trac.ini' \
  pwiki 'is the server running.*pwiki/LocalSettings.php' ptrac 'is the server running.*ptrac/conf/trac.ini'
up

say "a full disk"
for name in blog mwiki mtrac; do my "$name" -e "INSERT INTO b SELECT seq + 10, REPEAT(SHA2(seq, 512), 8) FROM seq_1_to_3000"; done
for name in pwiki ptrac; do pg -d "$name" -c "INSERT INTO s.b SELECT i + 10, repeat(md5(i::text), 32) FROM generate_series(1, 3000) i"; done
mv "$C1/spool" "$C1/kept"; mkdir -m 700 "$C1/spool"
full=(blog 'No space left on device' mwiki 'No space left on device' mtrac 'No space left on device' pwiki 'No space left on device' ptrac 'No space left on device' swiki 'No space left on device' strac 'No space left on device')
if small_disk 2500k "$C1/spool"; then
  asked "${full[@]:0:10}"; attempt
  umount "$MOUNTED"; mount -t tmpfs -o size=200k none "$C1/spool"
  for module in wordpress wiki trac; do "$C1/scripts/backup_it" --cancel "$module" >/dev/null 2>&1 || true; done
  cp "$T/out" "$T/out.large"
  asked "${full[@]}"; attempt
  umount "$MOUNTED"; MOUNTED=
  rmdir "$C1/spool"; mv "$C1/kept" "$C1/spool"
  judged "${full[@]}"
  grep -q 'No space left on device' "$T/out.large" || { cat "$T/out.large"; die "no word of the full disk while a database is dumped"; }
else
  rmdir "$C1/spool"; mv "$C1/kept" "$C1/spool"
fi

say "settings that are broken, computed or gone"
printf '<?php define("DB_NAME", "blog"); define("DB_USER", "site"); define("DB_PASSWORD", "goo' >"$W/blog/wp-config.php"
echo '$wgDBpassword = file_get_contents("/run/password");' >>"$W/mwiki/LocalSettings.php"
echo '$wgDBservers = [];' >>"$W/pwiki/LocalSettings.php"
rm "$W/swiki/LocalSettings.php"
printf '[trac]\ndatabase = oracle://site:good@h/db\n' >"$W/mtrac/conf/trac.ini"
printf '[trac]\ndatabase = postgres://site:good@/nobase?host=%s/socket\n' "$P" >"$W/ptrac/conf/trac.ini"
rm "$W/strac/db/trac.db"
fails blog 'DB_PASSWORD has no plain value|DB_PASSWORD is not in it' mwiki 'wgDBpassword has no plain value' pwiki 'wgDBservers' swiki 'no MediaWiki.*LocalSettings.php' \
  mtrac 'is none of sqlite, postgres, mysql' ptrac 'are user and database right in' strac 'there is no database'

say "when all is well again, all is saved again"
settings
python3 -c "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('CREATE TABLE b (v)')" "$W/strac/db/trac.db"
round 14
nothing_left "$C1" "$S1" client1
for name in blog mwiki pwiki mtrac ptrac; do
  dump=$(export_source "$S1" "$W/$name" "$T/dump")
  grep -q "of $name" "$dump/database/database.sql" || die "$name: its row is not in the dump"
  cmp "$dump/site/$([[ $name == blog ]] && echo wp-content/; [[ $name == *wiki ]] && echo images/)a.bin" "$W/$name/$([[ $name == blog ]] && echo wp-content/; [[ $name == *wiki ]] && echo images/)a.bin"
  checks=$((checks + 2))
done
