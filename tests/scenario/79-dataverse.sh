#!/usr/bin/env bash
# Goal: the files of a Dataverse, in a folder, a bucket of a real object store and a store of another name, are backed up from the page's own description, no way to fail is a success, and the page's command gives them back.
. "$(dirname "$0")/lib.sh"
. "$BK_SOURCE/tests/support/services/postgres.sh"
postgres_or_skip
D=$T/db
ending() { exec 7>&- 8>&-; postgres_down "$D"; kill "$store" 2>/dev/null; }
mkdir "$T/store"
exec 8> >(exec "$BK_SOURCE/tests/support/services/swift_server.py" "$T/store" >"$T/store.out" 2>&1); store=$!
lab_up
chmod 711 "$T"
postgres_up "$D"
for _ in $(seq 300); do grep -qE 'ready|installed' "$T/store.out" 2>/dev/null && break; sleep 0.1; done
grep -q installed "$T/store.out" && skip "$(cat "$T/store.out")"
. "$T/store/env"
sql() { local database=$1; shift; psql -XqAt -v ON_ERROR_STOP=1 -d "$database" "$@"; }

say "a Dataverse: its tables, the page's role, files in three stores"
sql postgres -c 'CREATE DATABASE dvndb' -c 'CREATE DATABASE backupdb' -c "CREATE ROLE backline LOGIN PASSWORD 'a long password'"
sql dvndb <<'SQL'
CREATE TABLE dvobject (id serial PRIMARY KEY, dtype varchar(31), authority varchar(255), identifier varchar(255), protocol varchar(255), createdate timestamp NOT NULL DEFAULT now(), storageidentifier varchar(255), owner_id bigint REFERENCES dvobject(id));
CREATE TABLE dataset (id bigint PRIMARY KEY REFERENCES dvobject(id), harvestingclient_id bigint);
CREATE TABLE datafile (id bigint PRIMARY KEY REFERENCES dvobject(id), checksumtype varchar(255) NOT NULL, checksumvalue varchar(255) NOT NULL, filesize bigint);
CREATE TABLE datatable (id serial PRIMARY KEY, originalfilesize bigint, datafile_id bigint NOT NULL);
CREATE TABLE alternativepersistentidentifier (id serial PRIMARY KEY, dvobject_id bigint NOT NULL, authority varchar(255), identifier varchar(255), storagelocationdesignator boolean);
INSERT INTO dvobject (id, dtype, authority, identifier) VALUES (1, 'Dataset', '10.5072', 'FK2/NOW');
INSERT INTO dataset (id) VALUES (1);
INSERT INTO alternativepersistentidentifier (dvobject_id, authority, identifier, storagelocationdesignator) VALUES (1, '10.5072', 'FK2/OLD', true);
INSERT INTO dvobject (id, dtype, owner_id, storageidentifier) SELECT i, 'DataFile', 1, (ARRAY['file://', 'S3_archive://dv-bucket:', 'local2://'])[i % 3 + 1] || '18b-' || i FROM generate_series(10, 40) i;
INSERT INTO datafile (id, checksumtype, checksumvalue, filesize) SELECT i, 'SHA-256', encode(sha256(('content ' || i)::bytea), 'hex'), length('content ' || i) FROM generate_series(10, 40) i;
SQL
block modules/dataverse.md sql | sql dvndb
sql backupdb -c 'CREATE TABLE datafilestatus (id serial PRIMARY KEY, datasetidentifier varchar(255), storageidentifier varchar(255), status varchar(255), createdate timestamp, lastbackuptime timestamp, lastbackupmethod varchar(16), UNIQUE (storageidentifier))' \
  -c 'GRANT SELECT, INSERT, UPDATE ON datafilestatus TO backline' -c 'GRANT USAGE ON SEQUENCE datafilestatus_id_seq TO backline'
bucket() { # put FOLDER | get FOLDER | clear
  BK_BIN=$BK_BIN python3 - "$S3_ENDPOINT" "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" "$@" <<'PY'
import json, os, sys, urllib.parse, urllib.request
end, user, key, what = sys.argv[1:5]
login = urllib.request.Request(end + "/auth/v1.0", headers={"X-Auth-User": user, "X-Auth-Key": key})
with urllib.request.urlopen(login) as answer:
    token, url = answer.headers["X-Auth-Token"], answer.headers["X-Storage-Url"]
def call(method, name="", data=None):
    request = urllib.request.Request(url + "/dv-bucket" + name, method=method, data=data, headers={"X-Auth-Token": token})
    with urllib.request.urlopen(request) as answer:
        return answer.read()
names = lambda: [one["name"] for one in json.loads(call("GET", "?format=json"))]
if what == "put":
    call("PUT")
    for folder, _, files in os.walk(sys.argv[5]):
        for name in files:
            path = os.path.join(folder, name)
            call("PUT", "/" + urllib.parse.quote(os.path.relpath(path, sys.argv[5])), open(path, "rb").read())
for name in names() if what != "put" else []:
    if what == "clear":
        call("DELETE", "/" + urllib.parse.quote(name))
    else:
        path = os.path.join(sys.argv[5], name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        open(path, "wb").write(call("GET", "/" + urllib.parse.quote(name)))
PY
}
stores=(files in-bucket local2)
for i in $(seq 10 40); do
  folder=$T/dv/${stores[i % 3]}/10.5072/FK2/OLD
  mkdir -p "$folder"; printf 'content %s' "$i" >"$folder/18b-$i"
done
bucket put "$T/dv/in-bucket"

say "the example of the page, with these servers' values"
mkdir -p "$C1/.aws"
printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" >"$C1/.aws/credentials"
echo "*:*:*:backline:a long password" >"$C1/.pgpass"
chmod 600 "$C1/.aws/credentials" "$C1/.pgpass"
describe() { # FILES LOCAL2
  block modules/dataverse.md toml | sed "s|^files = [^#]*|files = \"$1\" |; s|^host = [^#]*|host = \"$D/socket\" |; s|^status = [^#]*|status = \"backupdb\" |; s|^endpoint = .*|endpoint = \"$S3_ENDPOINT\"|; s|^directory = .*|directory = \"$2\"|" >"$C1/dataverse.toml"
}
describe "$T/dv/files" "$T/dv/local2"
paths_of "$C1" dataverse "$C1/dataverse.toml"
exits 0 "$C1/scripts/backup_all" --dry-run; says '^would queue dataverse '
one_round "$C1" "$S1" dataverse
grep -rqE '31 files processed; 31 success, 0 failed' "$C1/log" || die "no counts in the log"
same "$(sql backupdb -c "SELECT count(*) FROM datafilestatus WHERE status = 'OK' AND datasetidentifier = '10.5072/FK2/NOW'")" 31

say "broken files: named with a reason, the rest is there; the next run takes what was mended"
printf 'rotten' >"$T/dv/files/10.5072/FK2/OLD/18b-50"; printf 'good' >"$T/dv/local2/10.5072/FK2/OLD/18b-52"
sql dvndb -c "INSERT INTO dvobject (id, dtype, owner_id, storageidentifier) VALUES (50, 'DataFile', 1, 'file://18b-50'), (51, 'DataFile', 1, 'S3_archive://dv-bucket:18b-51'), (52, 'DataFile', 1, 'local2://18b-52'), (53, 'DataFile', 1, 'globus://18b-53//there')" \
  -c "INSERT INTO datafile (id, checksumtype, checksumvalue, filesize) SELECT i, 'MD5', md5('good'), 4 FROM generate_series(50, 53) i"
one_round "$C1" "$S1" dataverse 3
says 'FAIL_VERIFY 10.5072/FK2/NOW/file://18b-50'; says 'FAIL_READ 10.5072/FK2/NOW/S3_archive://dv-bucket:18b-51'
grep -rqE '35 files processed; 31 skipped \(already backed up\), 1 success, 2 failed; 1 in remote stores, not saved' "$C1/log" || die "$(cat "$C1"/log/send_request-*)"
grep -rqE 'FAIL_VERIFY .*MD5 of .* is .* and should be' "$C1/log" || die "no reason in the log"
printf 'good' >"$T/dv/files/10.5072/FK2/OLD/18b-50"
sql dvndb -c 'DELETE FROM datafile WHERE id = 51; DELETE FROM dvobject WHERE id = 51'
one_round "$C1" "$S1" dataverse
grep -rqE '34 files processed; 32 skipped \(already backed up\), 1 success, 0 failed; 1 in remote stores, not saved; 1 removed' "$C1/log" || die "$(cat "$C1"/log/send_request-*)"

say "no way to fail is a success: each says what to do, the next run goes on, earlier backups stay"
fails() { never_a_success "$C1" "$S1" dataverse "$C1/dataverse.toml" "$1"; } # PATTERN
echo "*:*:*:backline:wrong" >"$C1/.pgpass"
fails 'password authentication failed.*check user and password, in .*dataverse.toml.* and .*\.pgpass'
echo "*:*:*:backline:a long password" >"$C1/.pgpass"
chmod 644 "$C1/.pgpass"; fails 'can be read by others.*chmod 600'; chmod 600 "$C1/.pgpass"
sql dvndb -c 'REVOKE SELECT ON datatable FROM backline'; fails 'permission denied.*GRANT SELECT ON dvobject.* TO .*backline'; sql dvndb -c 'GRANT SELECT ON datatable TO backline'
sql backupdb -c 'REVOKE INSERT ON datafilestatus FROM backline'
printf 'good' >"$T/dv/files/10.5072/FK2/OLD/18b-60"
sql dvndb -c "INSERT INTO dvobject (id, dtype, owner_id, storageidentifier) VALUES (60, 'DataFile', 1, 'file://18b-60'); INSERT INTO datafile VALUES (60, 'MD5', md5('good'), 4)"
fails 'permission denied for table datafilestatus.*GRANT SELECT, INSERT, UPDATE ON datafilestatus'
sql backupdb -c 'GRANT INSERT ON datafilestatus TO backline'
if small_disk 1m "$C1/spool"; then
  head -c 3000000 /dev/zero >"$T/dv/files/10.5072/FK2/OLD/18b-60"
  sql dvndb -c "UPDATE datafile SET checksumvalue = '$(md5sum <"$T/dv/files/10.5072/FK2/OLD/18b-60" | cut -d' ' -f1)', filesize = 3000000 WHERE id = 60"
  fails 'No space left on device'
  umount "$MOUNTED"; MOUNTED=
fi
postgres_down "$D"
fails 'is the database server running\? host and port stand in .*dataverse.toml'
postgres_up "$D"
one_round "$C1" "$S1" dataverse
! grep -rqE "a long password|$AWS_SECRET_ACCESS_KEY" "$C1/log" "$C1/requests" "$S1/log" || die "a password in a log"

say "the page's restore, into stores that lost everything, is what was there"
exits 0 "$S1/scripts/bkdb" export "$T/back" "$(index_of "$S1" "$C1/dataverse.toml")" -C "$S1"
tree=$(find "$T/back" -name files.jsonl -printf '%h\n')
cp -a "$T/dv" "$T/was"; rm -rf "$T/dv"
bucket clear
cd "$C1"
HOME=$C1 TREE=$tree run_block modules/dataverse.md sh
says '^34 files put, 0 were there, 0 failed'
bucket get "$T/dv/in-bucket"
diff -r "$T/was" "$T/dv" || die "the stores are not what they were"

say "an object store that is gone: files of the other stores are saved, its own are named"
printf 'good' >"$T/dv/files/10.5072/FK2/OLD/18b-70"
sql dvndb -c "INSERT INTO dvobject (id, dtype, owner_id, storageidentifier) VALUES (70, 'DataFile', 1, 'file://18b-70'), (71, 'DataFile', 1, 'S3_archive://dv-bucket:18b-71'); INSERT INTO datafile SELECT i, 'MD5', md5('good'), 4 FROM generate_series(70, 71) i"
kill "$store"
while kill -0 "$store" 2>/dev/null; do sleep 0.1; done
one_round "$C1" "$S1" dataverse 3
says 'FAIL_READ 10.5072/FK2/NOW/S3_archive://dv-bucket:18b-71'
grep -rqE 'FAIL_READ .*18b-71.*onnect' "$C1/log" || die "no reason in the log"
nothing_left "$C1" "$S1" client1
