#!/usr/bin/env bash
# Goal: a live SQLite database backed up again and again while a program writes: every backup, restored by the page's own command, is sound and has all rows that were committed before it began.
. "$(dirname "$0")/lib.sh"
count=${1:-3}
lab_up
mkdir "$T/amy"
cat >"$T/writer.py" <<'PY'
import random, sqlite3, sys, time
path, progress, mode = sys.argv[1:]
db = sqlite3.connect(path, timeout=60, isolation_level=None)
db.execute("PRAGMA journal_mode=" + mode)
db.execute("PRAGMA synchronous=OFF")
db.execute("CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER)")
db.execute("CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT)")
db.executemany("INSERT INTO account VALUES (?, 1000)", [(i,) for i in range(1000)])
n = 0
while True:
    n += 1
    a, b, much = random.randrange(1000), random.randrange(1000), random.randrange(50)
    db.execute("BEGIN IMMEDIATE")
    db.execute("UPDATE account SET balance = balance - ? WHERE id = ?", (much, a))
    db.execute("UPDATE account SET balance = balance + ? WHERE id = ?", (much, b))
    db.execute("INSERT INTO note VALUES (?, ?)", (n, "x" * 100))
    db.execute("COMMIT")
    with open(progress, "r+b") as f:
        f.write(b"%012d" % n)
    time.sleep(0.002)
PY
writers=()
ending() { for pid in "${writers[@]}"; do kill "$pid" 2>/dev/null; done; }
for mode in wal delete; do
  echo 000000000000 >"$T/$mode.n"
  /usr/bin/python3 "$T/writer.py" "$T/amy/$mode.sqlite" "$T/$mode.n" "$mode" & writers+=($!)
done
echo 'not a database' >"$T/amy/readme.sqlite"
printf '\n[module.sqlite]\npaths = ["%s/amy/*.sqlite"]\n' "$T" >>"$C1/backupconfig.toml"
for mode in wal delete; do until [[ $(head -c 12 "$T/$mode.n") > 000000000010 ]]; do sleep 0.05; done; done
exits 0 "$C1/scripts/backup_it" --dry-run sqlite ""; same "$(grep -c . "$T/out")" 2

for ((i = 0; i < count; ++i)); do
  before_wal=$(head -c 12 "$T/wal.n") before_delete=$(head -c 12 "$T/delete.n")
  one_round "$C1" "$S1" sqlite
  for mode in wal delete; do
    rm -f "$T"/restored*
    run_block modules/sqlite.md "sh restore" "s|^source=.*|source='$(index_of "$S1" "$T/amy/$mode.sqlite")' target=$T/restored|"
    before=before_$mode
    /usr/bin/python3 - "$T/restored" "${!before}" <<'PY' >"$T/out" 2>&1 || { cat "$T/out"; die "backup $i of $mode"; }
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
assert db.execute("SELECT SUM(balance) FROM account").fetchone() == (1000000,)
rows, last = db.execute("SELECT COUNT(*), MAX(id) FROM note").fetchone()
assert rows == last >= int(sys.argv[2]), (rows, last, sys.argv[2])
PY
    checks=$((checks + 1))
  done
done

say "a row that was deleted some backups ago: found by the page's command, with its table"
/usr/bin/python3 - "$T/amy/tags.sqlite" <<'PY'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.executescript("""CREATE TABLE tag (id INTEGER PRIMARY KEY, title TEXT NOT NULL UNIQUE, up TEXT AS (upper(title)));
CREATE TABLE person (id INTEGER PRIMARY KEY, name TEXT); CREATE TRIGGER t AFTER INSERT ON tag BEGIN INSERT INTO person VALUES (NULL, 'trap'); END;
INSERT INTO tag (id, title) VALUES (1, 'SWC'), (2, 'DC'), (3, 'ü "x"');""")
PY
tags() { /usr/bin/python3 -c 'import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.executescript(sys.argv[2])' "$T/amy/tags.sqlite" "$1"; one_round "$C1" "$S1" sqlite; }
tags "UPDATE tag SET title = 'SWC2' WHERE id = 1"
tags "DELETE FROM tag WHERE title = 'DC'"
tags "DROP TABLE tag"
run_block modules/sqlite.md "sh search" "s|^source=.*|source='$(index_of "$S1" "$T/amy/tags.sqlite")' target=$T/found|"; says '^	2	DC$'; says 'no such table'; says '^\[[0-9]+\] 20'
same "$(/usr/bin/python3 -c 'import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); print(db.execute("SELECT group_concat(title, \"|\"), group_concat(up, \"|\"), (SELECT count(*) FROM sqlite_master WHERE type <> \"index\") FROM tag").fetchone())' "$T/found")" "('SWC2|DC|ü \"x\"', 'SWC2|DC|ü \"X\"', 1)"
idx=$(index_of "$S1" "$T/amy/tags.sqlite")
exits 69 "$T/bin/bkdb" sql "SELECT 1 FROM person WHERE name = 'nobody'" "$idx"
for bad in 'DELETE FROM person' 'ATTACH "/etc/passwd" AS x' 'PRAGMA writable_schema = 1' 'SELECT 1; DROP TABLE person' "SELECT load_extension('/x')" 'CREATE TABLE x (a)'; do
  exits 64 "$T/bin/bkdb" sql "$bad" "$idx"
done
exits 64 "$T/bin/bkdb" sql "SELECT 1 FROM tag" "$idx" --table tag --into "$T/found"; says 'already exists'
same "$(find "$S1/tmp" -type f 2>/dev/null | wc -l)" 0 "copies left over"

say "what is damaged, locked or gone is no success"
kill "${writers[@]}"; wait "${writers[@]}" 2>/dev/null || true; writers=()
fails() { never_a_success "$C1" "$S1" sqlite "$T/amy/delete.sqlite" "$1"; } # PATTERN
cp "$T/amy/delete.sqlite" "$T/good"
python3 -c 'import sys; f = open(sys.argv[1], "r+b"); f.seek(8192); f.write(b"rubbish" * 2000)' "$T/amy/delete.sqlite"
fails 'malformed|integrity_check|damaged'
cp "$T/good" "$T/amy/delete.sqlite"
sed -i 's/^\[module.sqlite\]/&\nlock_wait = "1s"/' "$C1/backupconfig.toml"
mkfifo "$T/fifo"
/usr/bin/python3 -c 'import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None); db.execute("BEGIN EXCLUSIVE"); print("held", flush=True); sys.stdin.read()' "$T/amy/delete.sqlite" <"$T/fifo" >"$T/held" &
exec 7>"$T/fifo"
until grep -q held "$T/held"; do sleep 0.05; done
fails 'delete.sqlite.*locked: its writer gave no moment to read it'
exec 7>&-; wait $!
if small_disk 64k "$C1/spool"; then
  fails 'full|No space left'
  umount "$MOUNTED"; MOUNTED=
fi
one_round "$C1" "$S1" sqlite
nothing_left "$C1" "$S1" client1
