#!/usr/bin/env bash
# Goal: a Trac environment whose SQLite database is written all the while: every backup has all that was committed before it began, is whole, and comes back by the command of its page.
. "$(dirname "$0")/lib.sh"
lab_up
E=$T/trac/main
python3 - "$E" <<'PY'
import hashlib, os, sqlite3, sys
env = sys.argv[1]
for d in ("conf", "db", "files/attachments/ticket", "htdocs", "log", "plugins", "templates"):
    os.makedirs(os.path.join(env, d))
open(env + "/VERSION", "w").write("Trac Environment Version 1\n")
open(env + "/conf/trac.ini", "w").write("# -*- coding: utf-8 -*-\n[project]\nname = Test\n\n[trac]\ndatabase = sqlite:db/trac.db?journal_mode=wal\n")
db = sqlite3.connect(env + "/db/trac.db")
db.execute("PRAGMA journal_mode=wal")
db.executescript("""CREATE TABLE system(name text PRIMARY KEY, value text);
CREATE TABLE ticket(id integer PRIMARY KEY, summary text, time integer);
CREATE TABLE attachment(type text, id text, filename text, size integer, UNIQUE(type, id, filename));
INSERT INTO system VALUES('database_version', '45');""")
db.commit()
PY
# as Trac does it: the file first, then ticket and attachment in one transaction
cat >"$T/writer.py" <<'PY'
import hashlib, os, sqlite3, sys, time
env, stop, told = sys.argv[1:4]
db = sqlite3.connect(env + "/db/trac.db", timeout=30)
i = 0
while not os.path.exists(stop):
    i += 1
    h = hashlib.sha1(str(i).encode()).hexdigest()
    d = "%s/files/attachments/ticket/%s/%s" % (env, h[:3], h)
    os.makedirs(d)
    open("%s/%s.txt" % (d, hashlib.sha1(b"log.txt").hexdigest()), "w").write("ticket %d\n" % i * 50)
    db.execute("INSERT INTO ticket VALUES(?, ?, 0)", (i, "Ticket %d" % i))
    db.execute("INSERT INTO attachment VALUES('ticket', ?, 'log.txt', ?)", (str(i), len("ticket %d\n" % i) * 50))
    db.commit()
    with open(told + ".new", "w") as f:
        f.write(str(i))
    os.rename(told + ".new", told)
    time.sleep(0.02)
PY
cat >"$T/judge.py" <<'PY'
import hashlib, os, sqlite3, sys
env, least = sys.argv[1], int(sys.argv[2])
db = sqlite3.connect(env + "/db/trac.db")
assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
n, = db.execute("SELECT count(*) FROM ticket").fetchone()
assert n >= least, "%d tickets, %d were committed before it began" % (n, least)
for i, size in db.execute("SELECT id, size FROM attachment"):
    h = hashlib.sha1(i.encode()).hexdigest()
    path = "%s/files/attachments/ticket/%s/%s/%s.txt" % (env, h[:3], h, hashlib.sha1(b"log.txt").hexdigest())
    assert os.path.getsize(path) == size, path
print(n)
PY
paths_of "$C1" trac "$E"
python3 "$T/writer.py" "$E" "$T/stop" "$T/told" & writer=$!
ending() { touch "$T/stop"; wait "$writer"; }
for _ in $(seq 200); do [[ -e $T/told ]] && break; sleep 0.05; done
for round in 1 2 3; do
  say "backup $round while it is written"
  least=$(cat "$T/told")
  one_round "$C1" "$S1" trac
  DUMP=$(export_source "$S1" "$E" "$T/dump") TARGET=$T/restored$round DATABASE= ACCESS= OWNER=
  export DUMP TARGET DATABASE ACCESS OWNER
  run_block modules/trac.md sh
  exits 0 python3 "$T/judge.py" "$TARGET" "$least"
  [[ ! -e $TARGET/db/trac.db-wal ]] || die "a WAL without its database's lock was copied"
done
touch "$T/stop"; wait "$writer"
nothing_left "$C1" "$S1" client1

say "an unchanged environment adds next to nothing"
one_round "$C1" "$S1" trac
spooled() { find "$C1/spool" -type f -path '*/data/*' -printf '%P %i %C@\n' | sort; }
spooled >"$T/spool.before"
before=$(du -sb "$S1/store" | cut -f1); one_round "$C1" "$S1" trac; after=$(du -sb "$S1/store" | cut -f1)
spooled >"$T/spool.after"
cmp "$T/spool.before" "$T/spool.after" || die "files of the spool that did not change were written anew"
(( after - before < 8192 )) || die "the unchanged run added $((after - before)) bytes"
mkdir "$T/compare"; tar -C "$E" --exclude='trac.db*' -cf - . | tar -C "$T/compare" -xf -
DUMP=$(export_source "$S1" "$E" "$T/dump"); rm "$DUMP/site/db/trac.db"
diff -r "$T/compare" "$DUMP/site" >"$T/diff" || { cat "$T/diff"; die "the environment's files differ"; }

say "nothing that is not whole counts: no database, a damaged one, no environment"
mv "$E/db/trac.db" "$T/kept.db"; rm -f "$E"/db/trac.db-*
exits 0 "$C1/scripts/backup_it" trac ""
exits 75 "$C1/scripts/send_request" --now; says 'there is no database'
head -c 100000 /dev/urandom >"$E/db/trac.db"
exits 75 "$C1/scripts/send_request" --now; says 'not a database'
mv "$T/kept.db" "$E/db/trac.db"; mv "$E/conf/trac.ini" "$T/kept.ini"
exits 75 "$C1/scripts/send_request" --now; says 'no Trac environment'
printf '[trac]\ndatabase = oracle://x\n' >"$E/conf/trac.ini"
exits 75 "$C1/scripts/send_request" --now; says 'is none of sqlite, postgres, mysql'
