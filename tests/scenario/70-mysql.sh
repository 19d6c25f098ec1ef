#!/usr/bin/env bash
# Goal: databases of a real MariaDB, saved while accounts transfer money, restored by the page's own commands with every sum right; and no way to fail is a success.
. "$(dirname "$0")/lib.sh"
. "$BK_SOURCE/tests/support/services/mariadb.sh"
mariadb_or_skip
D=$T/db
ending() { mariadb_down "$D" KILL; [[ -z ${writer:-} ]] || kill "$writer" 2>/dev/null; }
lab_up
mariadb_up "$D"
sql() { mariadb --no-defaults -u root --default-character-set=utf8mb4 -N "$@"; }
# A table is locked as long as descriptor 7 is open.
lock() { mkfifo "$T/fifo"; sql shop <"$T/fifo" >/dev/null 2>&1 & exec 7>"$T/fifo"; rm "$T/fifo"
  echo "LOCK TABLES numbered WRITE; SELECT 1;" >&7; until sql information_schema -e 'SELECT COUNT(*) FROM PROCESSLIST WHERE COMMAND = "Sleep" AND DB = "shop"' | grep -q 1; do sleep 0.1; done; sleep 0.3; }
unlock() { exec 7>&-; sleep 0.2; }

say "the account that the page describes, a database that holds all kinds of things"
block modules/mysql.md "sql grant" | sql
install -m 600 /dev/null "$C1/mysql.cnf"
printf '[client]\nuser = backup\npassword = a long password\nsocket = %s\n' "$D/sock" >"$C1/mysql.cnf"
printf '\n[module.mysql]\ncredentials = "%s"\nlock_wait = "3s"\nexclude_tables = ["shop.cache*"]\nexclude_databases = ["past*", "*again"]\n' "$C1/mysql.cnf" >>"$C1/backupconfig.toml"
sql <<'SQL'
CREATE DATABASE shop CHARACTER SET latin1 COLLATE latin1_german2_ci; CREATE DATABASE `crm/2`; USE shop;
CREATE TABLE account (id INT PRIMARY KEY, owner VARCHAR(80) CHARACTER SET utf8mb4, balance DECIMAL(12,2) NOT NULL, changed TIMESTAMP(6) DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)) ENGINE=InnoDB;
CREATE TABLE transfer (id BIGINT AUTO_INCREMENT PRIMARY KEY, a INT, b INT, amount DECIMAL(12,2), FOREIGN KEY (a) REFERENCES account (id), FOREIGN KEY (b) REFERENCES account (id)) ENGINE=InnoDB;
CREATE TABLE picture (id INT PRIMARY KEY, bytes LONGBLOB, title VARCHAR(60), up VARCHAR(60) AS (UPPER(title)) PERSISTENT, doc LONGTEXT CHECK (JSON_VALID(doc))) ENGINE=InnoDB;
CREATE TABLE old_log (id INT PRIMARY KEY, msg VARCHAR(200)) ENGINE=MyISAM;
CREATE TABLE cached (k INT PRIMARY KEY, v INT) ENGINE=InnoDB;
CREATE TABLE `odd/name; -- "x" VALUES (ü` (`a ``b` INT PRIMARY KEY, `c VALUES (` VARCHAR(20) CHARACTER SET utf8mb4) ENGINE=InnoDB;
CREATE SEQUENCE number_of START WITH 1000;
CREATE TABLE numbered (id INT PRIMARY KEY DEFAULT NEXT VALUE FOR number_of, t TEXT) ENGINE=InnoDB;
INSERT INTO account (id, owner, balance) SELECT seq, CONCAT('Köln "', seq, '" \n\t\\ \'; 😀'), 1000 FROM seq_1_to_2000;
INSERT INTO picture (id, bytes, title, doc) SELECT seq, UNHEX(REPEAT(CONCAT('0a275c00ff', SHA2(seq, 512)), 30)), CONCAT('pic ', seq), JSON_OBJECT('n', seq) FROM seq_1_to_300;
INSERT INTO picture (id, bytes) VALUES (1000, REPEAT(UNHEX('00ff273b0a'), 400000)), (1001, ''), (1002, NULL);
INSERT INTO old_log SELECT seq, CONCAT('-- Table structure for table `x`\n--\nline ', seq) FROM seq_1_to_1000;
INSERT INTO cached SELECT seq, seq FROM seq_1_to_50;
SET NAMES utf8mb4;
INSERT INTO `odd/name; -- "x" VALUES (ü` VALUES (1, 'ä;\n'), (2, '('), (3, NULL);
INSERT INTO numbered (t) VALUES ('one'), ('two');
CREATE VIEW rich AS SELECT id, owner FROM account WHERE balance > 900;
DELIMITER //
CREATE TRIGGER noted AFTER INSERT ON numbered FOR EACH ROW BEGIN
--
-- Table structure for table `trap`
--
  INSERT IGNORE INTO cached VALUES (NEW.id, 1); END//
CREATE PROCEDURE pay (x INT, y INT, much DECIMAL(12,2)) BEGIN
  UPDATE account SET balance = balance - much WHERE id = x; UPDATE account SET balance = balance + much WHERE id = y;
  INSERT INTO transfer (a, b, amount) VALUES (x, y, much); END//
CREATE FUNCTION gross (p DECIMAL(10,2)) RETURNS DECIMAL(10,2) DETERMINISTIC RETURN p * 1.19//
CREATE EVENT tidy ON SCHEDULE EVERY 1 DAY DO DELETE FROM transfer WHERE id < 0//
DELIMITER ;
USE `crm/2`; CREATE TABLE t (id INT PRIMARY KEY) ENGINE=InnoDB; INSERT INTO t VALUES (7);
CREATE USER 'shop'@'%' IDENTIFIED BY 'secret of the shop'; CREATE ROLE reader; GRANT SELECT ON shop.* TO reader; GRANT reader TO 'shop'@'%'; GRANT INSERT ON shop.transfer TO 'shop'@'%';
SQL

say "what is asked for"
exits 0 "$C1/scripts/backup_it" --dry-run mysql ""
cp "$T/out" "$T/wanted"
exits 0 "$C1/scripts/backup_all" --dry-run
diff "$T/out" "$T/wanted" >/dev/null || die "backup_all asks for something else"
cp "$T/wanted" "$T/out"
says '^would queue mysql "/shop" '; says '^would queue mysql "/crm%2f2" '; says '^would queue mysql "/@accounts" '
same "$(grep -c . "$T/out")" 3

say "backups under transfers, restored as the page says: every sum is right"
for _ in {1..20}; do echo 'START TRANSACTION; CALL pay(1 + FLOOR(RAND() * 2000), 1 + FLOOR(RAND() * 2000), ROUND(RAND() * 50, 2)); COMMIT;'; done >"$T/pay"
while cat "$T/pay"; do sleep 0.02; done 2>/dev/null | sql shop & writer=$!
writer=$(jobs -p %+)
for _ in 1 2; do one_round "$C1" "$S1" mysql; done
kill "$writer"; wait "$writer" 2>/dev/null || true; writer=
printf '#!/bin/sh\nexec /usr/bin/mariadb --no-defaults -u root --default-character-set=utf8mb4 "$@"\n' >"$T/bin/mariadb"
chmod +x "$T/bin/mariadb"
restore() { # SOURCE DATABASE [SED]
  rm -rf "$T/restored"
  run_block modules/mysql.md "sh restore" "s|^source=.*|source='$(index_of "$S1" "$1")' database=$2 folder=$T/restored|${3:+; $3}"
}
restore /shop again
same "$(sql again -e 'SELECT SUM(balance), COUNT(*) FROM account')" $'2000000.00\t2000'
same "$(sql again -e 'SELECT COUNT(*) > 0 FROM transfer')" 1 "transfers during the first backups"
n=0
while read -r time; do
  restore /shop "past$n" "s|export \"\$folder\" \"\$source\"|& '=$time'|"
  same "$(sql "past$n" -e 'SELECT SUM(balance), COUNT(*) FROM account')" $'2000000.00\t2000'
  n=$((n + 1))
done < <("$S1/scripts/bkdb" ls --json -C "$S1" | python3 -c 'import json,sys
for s in json.load(sys.stdin)["sources"]:
    if s["path"] == "/shop":
        for one in s["snapshots"]: print(one["began"][:19].replace("T", " "))')
same "$n" 2

say "nothing is missing: the dump of the restored database is the dump of the original"
one_round "$C1" "$S1" mysql
sql -e 'DROP DATABASE again'
restore /shop again
for name in shop again; do
  mariadb-dump --no-defaults -u root --routines --events --triggers --hex-blob --skip-dump-date --ignore-table-data="$name.cached" "$name" |
    sed -e "/^-- Host/d; /for database/d" >"$T/$name.sql"
done
diff "$T/shop.sql" "$T/again.sql" >"$T/diff" || { head -20 "$T/diff"; die "the restored database differs"; }
same "$(sql again -e 'SELECT COUNT(*) FROM cached')" 0 "rows of an excluded table"
same "$(sql -e "SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'again'")" latin1_german2_ci
restore /crm%252f2 crm_again
same "$(sql crm_again -e 'SELECT id FROM t')" 7
sql -e "DROP USER 'shop'@'%'; DROP ROLE reader"
"$S1/scripts/bkdb" export - "$(index_of "$S1" /@accounts)" -C "$S1" | tar -xOf - --wildcards '*.sql' | sql
mariadb --no-defaults -u shop "-psecret of the shop" -N shop -e 'SET ROLE reader; SELECT COUNT(*) FROM account' >"$T/out"
says '^2000$'

say "what did not change is the very same file"
slot=$(find "$C1/spool/server1/mysql" -name '2-account.sql' -path '*/data/*' -printf '%h\n')
stat -c '%n %i %z' "$slot"/* >"$T/before"
one_round "$C1" "$S1" mysql
diff <(stat -c '%n %i %z' "$slot"/*) "$T/before" || die "an unchanged table was written again"
! grep -rqE 'a long password|secret of the shop' "$C1/log" "$C1/requests" || die "a password in a log"

say "a table without transactions that is written meanwhile is said to be; lock_tables holds it still"
while echo 'REPLACE INTO old_log VALUES (1, UUID());'; do sleep 0.05; done 2>/dev/null | sql shop & writer=$!
writer=$(jobs -p %+)
one_round "$C1" "$S1" mysql 3; says 'changed shop.old_log.*lock_tables'
sed -i 's/^lock_wait.*/&\nlock_tables = true/' "$C1/backupconfig.toml"
one_round "$C1" "$S1" mysql
kill "$writer"; wait "$writer" 2>/dev/null || true; writer=
sed -i '/^lock_tables/d' "$C1/backupconfig.toml"

say "every hundredth row changed: little is stored, and the rows are those of the server"
stored() { du -sb "$S1/store" | cut -f1; }
sum_of() { sql "$1" -e 'SELECT COUNT(*), COUNT(DISTINCT id), SUM(CRC32(CONCAT_WS("|", id, a, HEX(b), t))) FROM many'; }
sql <<'SQL'
CREATE DATABASE rows_; USE rows_;
CREATE TABLE many (id INT PRIMARY KEY, a CHAR(32), b VARBINARY(32), t VARCHAR(80), up INT, FOREIGN KEY (up) REFERENCES many (id)) ENGINE=InnoDB;
SET FOREIGN_KEY_CHECKS = 0; INSERT INTO many SELECT seq, MD5(seq), UNHEX(MD5(-seq)), CONCAT('Zeile\n', seq, '; ,('), 60001 - seq FROM seq_1_to_60000;
CREATE TRIGGER noted BEFORE UPDATE ON many FOR EACH ROW SET NEW.t = CONCAT(OLD.t, '!');
SQL
store=$(stored); one_round "$C1" "$S1" mysql; first=$(($(stored) - store))
for round in 1 2; do
  sql rows_ -e "UPDATE many SET a = MD5(CONCAT(a, RAND())) WHERE id % 100 = $round; INSERT INTO many (id, t) VALUES (70000 + $round, 'new')"
  store=$(stored); one_round "$C1" "$S1" mysql; grown=$(($(stored) - store))
  echo "   round $round: $grown bytes more than $first"
  ((grown * 20 <= first)) || die "the store grew by $grown of $first bytes"
done
entry=$(export_source "$S1" /rows_ "$T/rows")
"$T/bin/bkdb" export - "$(index_of "$S1" /rows_)" 2>"$T/out" >"$T/rows.tar"; says 'whole FOLDER'
"$T/bin/bkdb" export "$T/rows2" "$(index_of "$S1" /rows_)" >"$T/out" 2>&1; says "run bkdb whole $T/rows2\$"
sql -e 'CREATE DATABASE rows_again'
! cat "$entry"/*.sql | sql rows_again >"$T/out" 2>&1 || die "a dump that is not whole was loaded"
says 'bkdb whole'
same "$(sql rows_again -e 'SHOW TABLES')" "" "tables of a dump that is not whole"
mv "$entry"/2-many.sql.more "$T/more"; head -c -100 "$T/more" >"$entry/2-many.sql.more"
exits 65 "$T/bin/bkdb" whole "$T/rows"; [[ ! -e $entry/2-many.sql ]] || die "a file that is not whole"
mv "$T/more" "$entry/2-many.sql.more"
exits 0 "$C1/scripts/restore_it" whole "$T/rows"; says '^1 files of rows made whole'
sql -e 'DROP DATABASE rows_again'
restore /rows_ rows_again
same "$(sum_of rows_again)" "$(sum_of rows_)" "rows put together"
cmp "$T/restored"/*/2-many.sql "$entry/2-many.sql" || die "server and client put it together in two ways"
mariadb-dump --no-defaults -u root --triggers --hex-blob --skip-dump-date rows_ | sed "/^-- Host/d; /for database/d" >"$T/one.sql"
mariadb-dump --no-defaults -u root --triggers --hex-blob --skip-dump-date rows_again | sed "/^-- Host/d; /for database/d" >"$T/other.sql"
cmp "$T/one.sql" "$T/other.sql" || die "the restored database differs"
sed -i 's/^lock_wait.*/&\nchanges = false/' "$C1/backupconfig.toml"
one_round "$C1" "$S1" mysql
[[ -f $(export_source "$S1" /rows_ "$T/rows3")/2-many.sql ]] || die "changes = false, and no whole file"
sed -i '/^changes/d' "$C1/backupconfig.toml"
sql -e 'DROP DATABASE rows_; DROP DATABASE rows_again'

say "no way to fail is a success"
before=$(snapshots_of "$S1" /shop)
fails() { # PATTERN
  never_a_success "$C1" "$S1" mysql /shop "$1" "$before"
  grep -q . "$slot/2-account.sql" || die "the last dump was touched"
}
good=$(<"$C1/mysql.cnf")
sed -i 's/^password.*/password = wrong/' "$C1/mysql.cnf"
fails 'Access denied.*check user and password in'
exits 74 "$C1/scripts/backup_it" mysql ""; says 'check user and password'
echo "$good" >"$C1/mysql.cnf"
chmod 644 "$C1/mysql.cnf"; fails 'can be read by others.*chmod 600'; chmod 600 "$C1/mysql.cnf"
sql -e "REVOKE TRIGGER, EVENT ON *.* FROM 'backup'@'localhost'"
fails 'lacks TRIGGER, EVENT for database "shop".*GRANT TRIGGER, EVENT'
sql -e "GRANT TRIGGER, EVENT ON *.* TO 'backup'@'localhost'; REVOKE SHOW DATABASES ON *.* FROM 'backup'@'localhost'"
exits 77 "$C1/scripts/backup_it" mysql ""; says 'GRANT SHOW DATABASES'
sql -e "REVOKE SELECT ON *.* FROM 'backup'@'localhost'; GRANT SELECT ON shop.* TO 'backup'@'localhost'"
fails 'mysql.*proc.*lacks a right'
sql -e "GRANT SELECT, SHOW DATABASES ON *.* TO 'backup'@'localhost'"
lock
fails 'gave nothing for 3 s.*locked table'
unlock
if small_disk 200k "$C1/spool"; then
  never_a_success "$C1" "$S1" mysql /shop 'No space left on device'
  umount "$MOUNTED"; MOUNTED=
fi
lock
( sleep 1; kill -9 "$(<"$D/child")" ) &
fails 'Lost connection|ended, or cut the connection|server has gone away'
unlock
mariadb_down "$D" KILL
fails 'is the server running'
exits 74 "$C1/scripts/backup_it" mysql ""; says 'is the server running'
mariadb_up "$D"
one_round "$C1" "$S1" mysql
nothing_left "$C1" "$S1" client1
