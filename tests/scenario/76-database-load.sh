#!/usr/bin/env bash
# Goal: a MariaDB (mysql) or PostgreSQL (postgres) of a few hundred MB, backed up again and again while accounts transfer money: every backup, restored by the page's own
# commands, is of one moment: each account's balance is what its transfers say, the sum is right, and all transfers are there that were committed before it began.
#   76-database-load.sh mysql|postgres [MEGABYTES [BACKUPS [WRITERS]]]
. "$(dirname "$0")/lib.sh"
kind=$1 megabytes=${2:-300} backups=${3:-5} most_writers=${4:-3}
accounts=100000
rows=$((megabytes * 1000000 / 200))
D=$T/db
page=modules/$kind.md
writers=()
stop_writers() { for pid in "${writers[@]}"; do kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done; writers=(); }

if [[ $kind == mysql ]]; then
  . "$BK_SOURCE/tests/support/services/mariadb.sh"
  mariadb_or_skip
  down() { mariadb_down "$D" KILL; }
  up() { mariadb_up "$D"; }
  sql() { local database=$1; shift; mariadb --no-defaults -u root --default-character-set=utf8mb4 -N -D "$database" "$@"; }
  configure() {
    block "$page" "sql grant" | sql mysql
    install -m 600 /dev/null "$C1/mysql.cnf"
    printf '[client]\nuser = backup\npassword = a long password\nsocket = %s\n' "$D/sock" >"$C1/mysql.cnf"
    printf '\n[module.mysql]\ncredentials = "%s"\ndatabases = ["bank"]\naccounts = false\n' "$C1/mysql.cnf" >>"$C1/backupconfig.toml"
  }
  fill() {
    sql mysql <<SQL
CREATE DATABASE bank; USE bank;
CREATE TABLE account (id INT PRIMARY KEY, owner VARCHAR(80), balance BIGINT NOT NULL) ENGINE=InnoDB;
CREATE TABLE transfer (id BIGINT AUTO_INCREMENT PRIMARY KEY, a INT, b INT, amount BIGINT, KEY (a), KEY (b)) ENGINE=InnoDB;
CREATE TABLE history (id INT PRIMARY KEY, account INT, hash CHAR(128), text VARCHAR(80)) ENGINE=InnoDB;
INSERT INTO account SELECT seq, CONCAT('owner ', seq, ' ', MD5(seq)), 1000 FROM seq_1_to_$accounts;
INSERT INTO history SELECT seq, 1 + seq % $accounts, SHA2(seq, 512), CONCAT('entry ', seq, ' of the history') FROM seq_1_to_$rows;
DELIMITER //
CREATE PROCEDURE pay (x INT, y INT, much BIGINT) BEGIN
  UPDATE account SET balance = balance - IF(id = x, much, 0) + IF(id = y, much, 0) WHERE id IN (x, y);
  INSERT INTO transfer (a, b, amount) VALUES (x, y, much); END//
SQL
    for _ in {1..20}; do
      echo "START TRANSACTION; CALL pay(1 + FLOOR(RAND() * $accounts), 1 + FLOOR(RAND() * $accounts), FLOOR(RAND() * 50)); COMMIT;"
    done >"$T/pay"
  }
  megabytes_in() { sql bank -e 'SELECT ROUND(SUM(DATA_LENGTH + INDEX_LENGTH) / 1e6) FROM information_schema.TABLES WHERE TABLE_SCHEMA = "bank"'; }
  drop() { sql mysql -e "DROP DATABASE $1"; }
else
  . "$BK_SOURCE/tests/support/services/postgres.sh"
  postgres_or_skip
  down() { postgres_down "$D"; }
  up() { chmod 711 "$T"; postgres_up "$D"; }
  sql() { local database=$1; shift; psql -XqAt -F $'\t' -v ON_ERROR_STOP=1 -d "$database" "$@"; }
  configure() {
    block "$page" "sql grant" | sql postgres
    install -m 600 /dev/null "$C1/pgpass"
    echo "$D/socket:*:*:backup:a long password" >"$C1/pgpass"
    printf '\n[module.postgres]\nhost = "%s"\nuser = "backup"\ncredentials = "%s"\ndatabases = ["bank"]\naccounts = false\n' "$D/socket" "$C1/pgpass" >>"$C1/backupconfig.toml"
  }
  fill() {
    sql postgres -c 'CREATE DATABASE bank'
    sql bank <<SQL
CREATE TABLE account (id int PRIMARY KEY, owner text, balance bigint NOT NULL);
CREATE TABLE transfer (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int, b int, amount bigint);
CREATE TABLE history (id int PRIMARY KEY, account int, hash text, text text);
INSERT INTO account SELECT i, 'owner ' || i || ' ' || md5(i::text), 1000 FROM generate_series(1, $accounts) i;
INSERT INTO history SELECT i, 1 + i % $accounts, encode(sha512(i::text::bytea), 'hex'), 'entry ' || i || ' of the history' FROM generate_series(1, $rows) i;
CREATE FUNCTION pay (x int, y int, much bigint) RETURNS void LANGUAGE sql AS \$\$
  UPDATE account SET balance = balance - CASE WHEN id = x THEN much ELSE 0 END + CASE WHEN id = y THEN much ELSE 0 END
    WHERE id IN (SELECT id FROM account WHERE id IN (x, y) ORDER BY id FOR UPDATE);
  INSERT INTO transfer (a, b, amount) VALUES (x, y, much) \$\$;
SQL
    for _ in {1..20}; do
      echo "SELECT pay(1 + floor(random() * $accounts)::int, 1 + floor(random() * $accounts)::int, floor(random() * 50)::bigint);"
    done >"$T/pay"
  }
  megabytes_in() { sql bank -c "SELECT round(pg_database_size('bank') / 1e6)"; }
  drop() { sql postgres -c "DROP DATABASE $1"; }
fi
ending() { stop_writers; down; }
lab_up
up
configure
fill
printf '#!/bin/sh\nexec /usr/bin/mariadb --no-defaults -u root --default-character-set=utf8mb4 "$@"\n' >"$T/bin/mariadb"
chmod +x "$T/bin"/*
stored() { local bytes; bytes=$(du -sb "$S1/store" 2>/dev/null | cut -f1) || true; echo $((${bytes:-0} / 1000)); }
committed() { sql bank <<<'SELECT COUNT(*) FROM transfer;'; }
for ((i = 0; i < most_writers; ++i)); do
  mkfifo "$T/fifo$i"
  sql bank <"$T/fifo$i" >/dev/null 2>"$T/writer$i" & writers+=($!)
  { while cat "$T/pay"; do sleep 0.05; done >"$T/fifo$i"; } 2>/dev/null & writers+=($!)
done
until (($(committed) > 100)); do sleep 0.1; done
size=$(megabytes_in)
say "$size MB, $most_writers writers: $backups backups"
before=()
for ((i = 0; i < backups; ++i)); do
  before+=("$(committed)")
  store=$(stored) began=$(date +%s%N)
  one_round "$C1" "$S1" "$kind"
  echo "   backup $i: $((($(date +%s%N) - began) / 1000000)) ms, store +$(($(stored) - store)) KB, $(committed) transfers by now"
done
for pid in "${writers[@]}"; do kill -0 "$pid" 2>/dev/null || { cat "$T"/writer[0-9]; die "a writer has ended"; }; done
stop_writers

say "every backup restored as the page says"
mapfile -t times < <("$S1/scripts/bkdb" ls --json -C "$S1" | python3 -c 'import json,sys
print("\n".join(sorted(one["began"][:19].replace("T", " ") for s in json.load(sys.stdin)["sources"] if s["path"] == "/bank" for one in s["snapshots"])))')
same "${#times[@]}" "$backups" "backups"
what='export "$folder" "$source"'
for ((i = 0; i < backups; ++i)); do
  rm -rf "$T/restored"
  { echo 'set -eo pipefail'; block "$page" "sh restore" | sed "s|^source=.*|source='$(index_of "$S1" /bank)' database=past folder=$T/restored|; s|$what|& '=${times[i]}'|"; } >"$T/restore.sh"
  grep -qF "'=${times[i]}'" "$T/restore.sh" || die "the page's command is another one"
  PATH=$T/bin:$PATH exits 0 bash "$T/restore.sh"
  same "$(sql past <<<"SELECT SUM(balance), COUNT(*) FROM account;")" $'100000000\t100000' "backup $i: the sum"
  same "$(sql past <<<"SELECT COUNT(*) FROM history;")" "$rows"
  same "$(sql past <<<"SELECT COUNT(*) FROM account LEFT JOIN (SELECT id, SUM(amount) AS moved FROM (SELECT a AS id, -amount AS amount FROM transfer UNION ALL SELECT b, amount FROM transfer) m GROUP BY id) t ON t.id = account.id WHERE balance <> 1000 + COALESCE(moved, 0);")" 0 "backup $i: accounts whose balance is not what their transfers say"
  there=$(sql past <<<"SELECT COUNT(*) FROM transfer;")
  ((there >= before[i])) || die "backup $i has $there transfers; ${before[i]} were committed before it began"
  echo "   backup $i: $there transfers, ${before[i]} were committed before it began"
  drop past
done
nothing_left "$C1" "$S1" client1
