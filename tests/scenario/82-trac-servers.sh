#!/usr/bin/env bash
# Goal: a Trac environment whose database lies in PostgreSQL or MariaDB, saved while tickets and attachments come and go: conf, attachments and database are of one moment, and come back by the page's
# command in another folder, database and account, where no row names a file that is not there.
. "$(dirname "$0")/lib.sh"
. "$BK_SOURCE/tests/support/services/mariadb.sh"
. "$BK_SOURCE/tests/support/services/postgres.sh"
mariadb_or_skip
postgres_or_skip
ending() { touch "$T/stop"; exec 7>&-; [[ -z ${writer:-} ]] || wait "$writer"; mariadb_down "$T/my" KILL; postgres_down "$T/pg"; }
lab_up
chmod 711 "$T"
mariadb_up "$T/my"; postgres_up "$T/pg"
my() { mariadb --no-defaults -u root -N "$@"; }
pg() { psql -XqAt -v ON_ERROR_STOP=1 "$@"; }
password='p@ss:w/ö%'
my -e "CREATE DATABASE trac CHARACTER SET utf8mb4 COLLATE utf8mb4_bin; CREATE DATABASE moved; CREATE USER trac@localhost IDENTIFIED BY '$password'; CREATE USER other@localhost IDENTIFIED BY 'other\"\\\\ ä'; GRANT ALL ON trac.* TO trac@localhost; GRANT ALL ON moved.* TO other@localhost"
pg -c "CREATE ROLE trac LOGIN PASSWORD '$password'" -c "CREATE ROLE other LOGIN PASSWORD 'other:\\ ä'" -c "CREATE DATABASE trac OWNER trac" -c "CREATE DATABASE moved OWNER other"
tables="CREATE TABLE ticket(id integer PRIMARY KEY, summary text); CREATE TABLE attachment(type varchar(50), id varchar(50), filename varchar(50), size integer, PRIMARY KEY(type, id, filename)); CREATE TABLE zlast(id integer);"
word="p%40ss%3Aw%2F%C3%B6%25"
for kind in mysql postgres; do
  E=$T/$kind; mkdir -p "$E"/{conf,files/attachments/ticket,htdocs,log,plugins,templates}
  echo "Trac Environment Version 1" >"$E/VERSION"
  [[ $kind == mysql ]] && address="mysql://trac:$word@localhost/trac?unix_socket=$T/my/sock" || address="postgres://trac:$word@/trac?schema=tr&host=$T/pg/socket"
  printf '# -*- coding: utf-8 -*-\n[project]\nname = Test\n\n[trac]\n# database = sqlite:db/trac.db\ndatabase = %s\nbase_url = x\n\n[ticket]\ndatabase = no\n' "$address" >"$E/conf/trac.ini"
done
my trac -e "$tables"; pg -d trac -c "SET ROLE trac; CREATE SCHEMA tr; SET search_path = tr; $tables"
# as Trac does it: the file, then its row, committed; when deleting the row, then the file, then the commit
cat >"$T/trac_like.py" <<'PY'
import hashlib, os, subprocess, sys, time
what, kind, env = sys.argv[1:4]
place = lambda i: "%s/files/attachments/ticket/%s" % (env, (lambda h: h[:3] + "/" + h)(hashlib.sha1(str(i).encode()).hexdigest()))
path = lambda i: place(i) + "/" + hashlib.sha1(b"log.txt").hexdigest() + ".txt"
size = lambda i: 3000 + i
old, gone = 60, 0  # what is deleted was there before the first backup
class Client:
    def __init__(self, database):
        words = {"mysql": ["mariadb", "--no-defaults", "-u", "root", "-N", "--batch", "--unbuffered", database],
                 "postgres": ["psql", "-XqAt", "-F", "\t", "-d", database]}[kind]
        self.run = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if kind == "postgres":
            self.ask("SET search_path = tr")
    def ask(self, sql):
        self.run.stdin.write(sql + ";\nSELECT 'done';\n"); self.run.stdin.flush()
        out = []
        for line in self.run.stdout:
            if line == "done\n":
                return [l.split("\t") for l in out]
            out.append(line.rstrip("\n"))
        sys.exit("the client has ended")
def add(db, i):
    os.makedirs(place(i), exist_ok=True)
    with open(path(i), "w") as f:
        f.write("x" * size(i))
    db.ask("BEGIN; INSERT INTO ticket VALUES(%d, 'Ticket %d'); INSERT INTO attachment VALUES('ticket', '%d', 'log.txt', %d); COMMIT" % (i, i, i, size(i)))
def delete(db, i):
    db.ask("BEGIN; DELETE FROM attachment WHERE id = '%d'" % i)
    os.unlink(path(i)); os.rmdir(place(i))
    time.sleep(0.01)
    db.ask("COMMIT")
if what == "write":
    db, i, stop, told = Client("trac"), 0, sys.argv[4], sys.argv[5]
    for i in range(1, old + 1):
        add(db, i)
    while not os.path.exists(stop):
        i += 1
        add(db, i)
        time.sleep(0.05)
        if i % 3 == 0 and gone < old: gone += 1; delete(db, gone)
        with open(told + ".new", "w") as f:
            f.write(str(i))
        os.rename(told + ".new", told)
elif what == "delete":
    delete(Client("trac"), int(sys.argv[4]))
else:
    db, least = Client("moved"), int(sys.argv[4])
    tickets = int(db.ask("SELECT count(*) FROM ticket")[0][0])
    assert tickets >= least, "%d tickets, %d were committed before it began" % (tickets, least)
    rows = db.ask("SELECT id, size FROM attachment")
    for i, n in rows:
        assert os.path.getsize(path(int(i))) == int(n), path(int(i))
    print(tickets, "tickets", len(rows), "attachments")
PY
settings_of() { python3 - "$1" <<'PY'
import configparser, sys, urllib.parse as u
p = configparser.RawConfigParser(); p.read(sys.argv[1], encoding="utf-8")
at = u.urlsplit(p.get("trac", "database")); q = dict(u.parse_qsl(at.query))
print(at.scheme, u.unquote(at.username), u.unquote(at.password), at.path, q.get("unix_socket", q.get("host")), q.get("schema"), p.get("trac", "base_url"), p.get("ticket", "database"))
PY
}
restored() { # KIND LEAST
  local kind=$1
  DUMP=$(export_source "$S1" "$T/$kind" "$T/dump") TARGET=$T/moved-$kind DATABASE=moved ACCESS=$T/access OWNER=
  rm -rf "$TARGET"
  if [[ $kind == mysql ]]; then
    my -e "DROP DATABASE moved; CREATE DATABASE moved"
    (umask 077; printf '[client]\nuser = other\npassword = "other\\"\\\\ ä"\nsocket = %s\n' "$T/my/sock" >"$ACCESS")
  else
    pg -c 'DROP DATABASE moved' -c 'CREATE DATABASE moved OWNER other'
    (umask 077; printf '# the new one\n%s:*:*:other:other\\:\\\\ ä\n' "$T/pg/socket" >"$ACCESS")
  fi
  export DUMP TARGET DATABASE ACCESS OWNER
  (unset "${!PG@}"; trap - EXIT; run_block modules/trac.md sh) || die "restore_site"
  exits 0 python3 "$T/trac_like.py" judge "$kind" "$TARGET" "$2"
  echo "   $(cat "$T/out"), $2 tickets were committed before it began"
}
for kind in mysql postgres; do
  rm -f "$T/stop" "$T/told"
  paths_of "$C1" trac "$T/$kind"
  python3 "$T/trac_like.py" write "$kind" "$T/$kind" "$T/stop" "$T/told" & writer=$!
  for _ in $(seq 400); do [[ -s $T/told ]] && (($(cat "$T/told") > 62)) && break; sleep 0.05; done
  for n in 1 2 3; do
    say "$kind: backup $n while it is written"
    least=$(cat "$T/told")
    one_round "$C1" "$S1" trac
    kill -0 "$writer" || die "the writer has ended"
    restored "$kind" "$least"
  done
  touch "$T/stop"; wait "$writer"
  [[ $kind == mysql ]] && want="mysql other other\"\\ ä /moved $T/my/sock None" || want="postgres other other:\\ ä /moved $T/pg/socket tr"
  same "$(settings_of "$TARGET/conf/trac.ini")" "$want x no"
  same "$kind $(my -e "SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'moved'")" "$kind $([[ $kind == mysql ]] && echo utf8mb4_bin || my -e "SELECT DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'moved'")"

  say "$kind: an attachment that is deleted while the database is dumped"
  victim=$(cat "$T/told")
  mkfifo "$T/fifo"
  if [[ $kind == mysql ]]; then my trac <"$T/fifo" >/dev/null 2>&1 & exec 7>"$T/fifo"; echo "LOCK TABLES zlast WRITE; SELECT 1;" >&7
  else pg -d trac <"$T/fifo" >/dev/null 2>&1 & exec 7>"$T/fifo"; echo "BEGIN; LOCK TABLE tr.zlast; SELECT 1;" >&7; fi
  sleep 0.5
  exits 0 "$C1/scripts/backup_it" trac ""
  "$C1/scripts/send_request" --now >"$T/sent" 2>&1 7>&- & sender=$!
  until [[ $kind == mysql && $(my information_schema -e 'SELECT COUNT(*) FROM PROCESSLIST WHERE STATE LIKE "Waiting for table metadata lock%"') == 1 ]] ||
    [[ $kind == postgres && $(pg -c "SELECT count(*) FROM pg_locks WHERE NOT granted") == 1 ]]; do kill -0 "$sender" || { cat "$T/sent"; die "it does not wait"; }; sleep 0.05; done
  exits 0 python3 "$T/trac_like.py" delete "$kind" "$T/$kind" "$victim"
  exec 7>&-; rm "$T/fifo"
  wait "$sender" || true
  "$S1/scripts/do_backup" >/dev/null 2>&1 || true
  exits 0 "$C1/scripts/send_request" --now
  restored "$kind" "$(cat "$T/told")"
  same "$(if [[ $kind == mysql ]]; then my moved -e "SELECT count(*) FROM attachment WHERE id = '$victim'"; else pg -d moved -c "SELECT count(*) FROM tr.attachment WHERE id = '$victim'"; fi)" 1 "the row was in the dump"
done
nothing_left "$C1" "$S1" client1
! grep -rqF "$password" "$C1/log" || die "the password stands in a log"
