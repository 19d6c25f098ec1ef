#!/usr/bin/env bash
# Goal: databases of a real PostgreSQL, saved while accounts transfer money, restored by the page's own commands with every sum right; and no way to fail is a success.
. "$(dirname "$0")/lib.sh"
. "$BK_SOURCE/tests/support/services/postgres.sh"
postgres_or_skip
D=$T/db
ending() { exec 7>&-; postgres_down "$D"; [[ -z ${writer:-} ]] || kill "$writer" 2>/dev/null; }
lab_up
chmod 711 "$T"
postgres_up "$D"
sql() { local database=$1; shift; psql -XqAt -v ON_ERROR_STOP=1 -d "$database" "$@"; }

say "the role that the page describes, a database that holds all kinds of things"
block modules/postgres.md "sql grant" | sql postgres
install -m 600 /dev/null "$C1/pgpass"
echo "localhost:*:*:backup:a long password" >"$C1/pgpass"
sed -i "s|^localhost|$D/socket|" "$C1/pgpass"
printf '\n[module.postgres]\nhost = "%s"\nuser = "backup"\ncredentials = "%s"\nlock_wait = "2s"\nexclude_tables = ["shop.app.cache*"]\nexclude_databases = ["past*", "*again", "postgres"]\n' "$D/socket" "$C1/pgpass" >>"$C1/backupconfig.toml"
sql postgres -c 'CREATE DATABASE shop' -c "CREATE DATABASE \"a=b'c/d\"" -c "CREATE ROLE clerk LOGIN PASSWORD 'secret of the clerk'" -c 'CREATE ROLE reader' -c 'GRANT reader TO clerk'
sql "dbname='a=b\\'c/d'" -c 'CREATE TABLE t (id int); INSERT INTO t VALUES (7)'
sql shop <<'SQL'
CREATE SCHEMA app AUTHORIZATION clerk; SET search_path = app, public;
CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN posint AS int CHECK (VALUE > 0);
CREATE TABLE account (id int PRIMARY KEY, owner text, balance numeric NOT NULL, m mood, n posint, up text GENERATED ALWAYS AS (upper(owner)) STORED);
CREATE TABLE transfer (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int REFERENCES account, b int REFERENCES account, amount numeric);
INSERT INTO account SELECT i, E'Köln "' || i || E'" \t\\ ''; 😀', 1000, 'ok', i FROM generate_series(1, 2000) i;
CREATE TABLE picture (id int PRIMARY KEY, bytes bytea, doc jsonb, tags text[]);
INSERT INTO picture SELECT i, decode(repeat(md5(i::text) || '0a275c00', 300), 'hex'), jsonb_build_object('n', i), ARRAY['a', NULL, i::text] FROM generate_series(1, 300) i;
CREATE TABLE cached (k int); INSERT INTO cached SELECT generate_series(1, 50);
CREATE TABLE "Odd; ""Näme""" ("a b" int, "ß" text); INSERT INTO "Odd; ""Näme""" VALUES (1, E'x\n\\.\ny'), (NULL, NULL);
CREATE TABLE ev (id int, day date NOT NULL) PARTITION BY RANGE (day); CREATE TABLE ev_rest PARTITION OF ev DEFAULT; INSERT INTO ev SELECT i, date '2024-01-01' + i FROM generate_series(1, 500) i;
CREATE VIEW rich AS SELECT id FROM account WHERE balance > 900; CREATE MATERIALIZED VIEW stat AS SELECT m, count(*) FROM account GROUP BY 1;
CREATE FUNCTION pay (x int, y int, much numeric) RETURNS void LANGUAGE sql AS $$ UPDATE app.account SET balance = balance - much WHERE id = least(x, y);
  UPDATE app.account SET balance = balance + much WHERE id = greatest(x, y); INSERT INTO app.transfer (a, b, amount) VALUES (x, y, much) $$;
CREATE FUNCTION touch () RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.owner := NEW.owner; RETURN NEW; END $$;
CREATE TRIGGER touched BEFORE UPDATE ON account FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TABLE secret (id int, owner name); INSERT INTO secret VALUES (1, 'clerk'), (2, 'nobody');
ALTER TABLE secret ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON secret USING (owner = current_user); GRANT SELECT ON secret TO reader;
SELECT lo_from_bytea(4711, decode(repeat('00ff10', 100000), 'hex')) \g /dev/null
SQL

say "what is asked for"
exits 0 "$C1/scripts/backup_it" --dry-run postgres ""
says "^would queue postgres \"/shop\" "; says '^would queue postgres "/@accounts" '
same "$(grep -c . "$T/out")" 3

say "backups under transfers, restored as the page says: every sum is right"
for _ in {1..20}; do echo 'SELECT app.pay((1 + random() * 1998)::int, 2000, (random() * 50)::int);'; done >"$T/pay"
while cat "$T/pay"; do sleep 0.02; done 2>/dev/null | sql shop >/dev/null & writer=$!
writer=$(jobs -p %+)
for _ in 1 2; do one_round "$C1" "$S1" postgres; done
kill "$writer"; wait "$writer" 2>/dev/null || true; writer=
restore() { # SOURCE DATABASE [SED]
  rm -rf "$T/restored"
  run_block modules/postgres.md "sh restore" "s|^source=.*|source='$(index_of "$S1" "$1")' database=$2 folder=$T/restored|${3:+; $3}"
}
restore /shop again
same "$(sql again -c 'SELECT sum(balance), count(*) FROM app.account')" '2000000|2000'
n=0
while read -r time; do
  restore /shop "past$n" "s|export \"\$folder\" \"\$source\"|& '=$time'|"
  same "$(sql "past$n" -c 'SELECT sum(balance), count(*) FROM app.account')" '2000000|2000'
  n=$((n + 1))
done < <("$S1/scripts/bkdb" ls --json -C "$S1" | python3 -c 'import json,sys
for s in json.load(sys.stdin)["sources"]:
    if s["path"] == "/shop":
        for one in s["snapshots"]: print(one["began"][:19].replace("T", " "))')
same "$n" 2

say "nothing is missing: the dump of the restored database is the dump of the original"
one_round "$C1" "$S1" postgres
sql postgres -c 'DROP DATABASE again'
restore /shop again
for name in shop again; do pg_dump --exclude-table-data=app.cached "$name" | grep -v restrict >"$T/$name.sql"; done
for name in shop again; do LC_ALL=C sort "$T/$name.sql" >"$T/$name.sorted"; done
diff "$T/shop.sorted" "$T/again.sorted" >"$T/diff" || { head -20 "$T/diff"; die "the restored database differs"; }
same "$(sql again -c 'SELECT count(*) FROM app.cached')" 0 "rows of an excluded table"
same "$(sql again -c 'SELECT md5(lo_get(4711))')" "$(sql shop -c 'SELECT md5(lo_get(4711))')" "the large object"
same "$(sql again -c 'SELECT count(*) FROM app.secret')" 2 "rows behind row-level security"
odd=$("$S1/scripts/bkdb" ls --json -C "$S1" | python3 -c 'import json,sys; print([s["path"] for s in json.load(sys.stdin)["sources"] if s["path"].startswith("/a")][0])')
restore "$odd" odd_again
same "$(sql odd_again -c 'SELECT id FROM t')" 7
sql shop -c 'REASSIGN OWNED BY clerk TO admin; DROP OWNED BY clerk; DROP OWNED BY reader'
for name in again past0 past1; do sql postgres -c "DROP DATABASE $name"; done
sql postgres -c 'DROP ROLE clerk; DROP ROLE reader'
"$S1/scripts/bkdb" export - "$(index_of "$S1" /@accounts)" -C "$S1" | tar -xOf - --wildcards '*.sql' | psql -Xq -d postgres >"$T/out" 2>&1
same "$(PGPASSWORD='secret of the clerk' psql -XqAt -U clerk -d postgres -c 'SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid WHERE r.rolname = '"'reader'")" 1

say "what did not change is the very same file; the other formats"
data=$(find "$C1/spool/server1/postgres" -name dump -path '*/L3Nob3A=/data/*')
stat -c '%n %i %z' "$data"/[0-9b]*.dat >"$T/before"
one_round "$C1" "$S1" postgres
diff <(stat -c '%n %i %z' "$data"/[0-9b]*.dat) "$T/before" >"$T/diff" || { cat "$T/diff"; die "an unchanged table was written again"; }
! grep -rqE 'a long password|secret of the clerk' "$C1/log" "$C1/requests" || die "a password in a log"
for format in custom plain; do
  sed -i "/^format/d; s/^user = \"backup\"/&\nformat = \"$format\"/" "$C1/backupconfig.toml"
  one_round "$C1" "$S1" postgres
  entry=$(export_source "$S1" /shop "$T/$format")
  sql postgres -c "CREATE DATABASE ${format}_again TEMPLATE template0"
  if [[ $format == custom ]]; then pg_restore --exit-on-error -d custom_again "$entry/database.dump"; else sql plain_again -f "$entry/database.sql" >/dev/null; fi
  same "$(sql "${format}_again" -c 'SELECT sum(balance) FROM app.account')" 2000000
done
sed -i '/^format/d' "$C1/backupconfig.toml"
one_round "$C1" "$S1" postgres

say "every hundredth row changed: little is stored, and the rows are those of the server"
stored() { du -sb "$S1/store" | cut -f1; }
sum_of() { sql "$1" -c 'SELECT count(*), count(DISTINCT id), md5(string_agg(m::text, chr(10) ORDER BY id)) FROM many m'; }
sql postgres -c 'CREATE DATABASE rows_'
sql rows_ <<'SQL'
CREATE TABLE many (id int PRIMARY KEY, a text, b bytea, t text, up int);
INSERT INTO many SELECT i, md5(i::text), decode(md5((-i)::text), 'hex'), E'Zeile\n\\.\n' || i, 60001 - i FROM generate_series(1, 60000) i;
ALTER TABLE many ADD FOREIGN KEY (up) REFERENCES many;
CREATE TABLE same (x text); INSERT INTO same SELECT repeat('y', 100) FROM generate_series(1, 20000);
SELECT lo_from_bytea(4712, decode(repeat('00ff0a', 1000000), 'hex')) \g /dev/null
SQL
store=$(stored); one_round "$C1" "$S1" postgres; first=$(($(stored) - store))
for round in 1 2; do
  sql rows_ -c "UPDATE many SET a = md5(a || random()) WHERE id % 100 = $round; DELETE FROM same WHERE ctid IN (SELECT ctid FROM same LIMIT 3)"
  store=$(stored); one_round "$C1" "$S1" postgres; grown=$(($(stored) - store))
  echo "   round $round: $grown bytes more than $first"
  ((grown * 20 <= first)) || die "the store grew by $grown of $first bytes"
done
"$T/bin/bkdb" export "$T/rows" "$(index_of "$S1" /rows_)" >"$T/out" 2>&1; says "run bkdb whole $T/rows\$"
sql postgres -c 'CREATE DATABASE rows_forgotten TEMPLATE template0'
exits 1 pg_restore --exit-on-error -d rows_forgotten "$T"/rows/*/dump; says 'could not open'
more=$(echo "$T"/rows/*/dump/*.dat.more)
mv "$more" "$T/more"; sed 5d "$T/more" >"$more"
exits 65 "$T/bin/bkdb" whole "$T/rows"; says 'do not belong together|is not what was dumped'
mv "$T/more" "$more"
exits 0 "$C1/scripts/restore_it" whole "$T/rows"; says '^[1-9] files of rows made whole'
restore /rows_ rows_again
same "$(sum_of rows_again)" "$(sum_of rows_)" "rows put together"
same "$(sql rows_again -c 'SELECT count(*), min(x), max(x) FROM same')" "$(sql rows_ -c 'SELECT count(*), min(x), max(x) FROM same')"
same "$(sql rows_again -c 'SELECT md5(lo_get(4712))')" "$(sql rows_ -c 'SELECT md5(lo_get(4712))')" "the large object"
diff -r "$T/rows"/*/ "$T/restored"/*/ >"$T/out" || die "server and client put it together in two ways"
for name in rows_ rows_again rows_forgotten; do sql postgres -c "DROP DATABASE $name"; done

say "no way to fail is a success"
before=$(snapshots_of "$S1" /shop)
fails() { # PATTERN
  never_a_success "$C1" "$S1" postgres /shop "$1" "$before"
  [[ -s $data/toc.dat ]] || die "the last dump was touched"
}
good=$(<"$C1/pgpass")
sed -i 's/:a long password/:wrong/' "$C1/pgpass"
fails 'password authentication failed.*check the password in'
exits 74 "$C1/scripts/backup_it" postgres ""; says 'check the password'
echo "$good" >"$C1/pgpass"
chmod 644 "$C1/pgpass"; fails 'can be read by others.*chmod 600'; chmod 600 "$C1/pgpass"
sql postgres -c 'ALTER ROLE backup NOBYPASSRLS'; fails 'row-level security.*BYPASSRLS'; sql postgres -c 'ALTER ROLE backup BYPASSRLS'
sql postgres -c 'ALTER ROLE backup RESET lo_compat_privileges'; fails 'large object.*lo_compat_privileges'; sql postgres -c 'ALTER ROLE backup SET lo_compat_privileges = on'
sql postgres -c 'REVOKE pg_read_all_data FROM backup'; fails 'permission denied.*pg_read_all_data'; sql postgres -c 'GRANT pg_read_all_data TO backup'
mkfifo "$T/fifo"; sql shop <"$T/fifo" >"$T/locked" & exec 7>"$T/fifo"
echo 'BEGIN; LOCK TABLE app.picture IN ACCESS EXCLUSIVE MODE; SELECT 1;' >&7
until grep -q 1 "$T/locked"; do sleep 0.05; done
fails 'timeout.*lock_wait'
sed -i 's/^lock_wait.*/lock_wait = "10m"/' "$C1/backupconfig.toml"
( sleep 1; kill -QUIT "$(<"$D/child")" ) &
fails 'ended, or cut the connection'
exec 7>&-
postgres_down "$D"
fails 'is the server running'
exits 74 "$C1/scripts/backup_it" postgres ""; says 'is the server running'
postgres_up "$D"
if small_disk 200k "$C1/spool"; then
  never_a_success "$C1" "$S1" postgres /shop 'No space left on device'
  umount "$MOUNTED"; MOUNTED=
fi
one_round "$C1" "$S1" postgres
nothing_left "$C1" "$S1" client1
