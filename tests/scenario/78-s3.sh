#!/bin/bash
# Goal: a bucket of a real object store, with versions, is backed up as a tree in little memory, changes follow, no way to fail is a success, and the page's own command brings it back into another bucket.
. "$(dirname "$0")/lib.sh"

mkdir "$T/store"
exec 8> >(exec "$BK_SOURCE/tests/support/services/swift_server.py" "$T/store" >"$T/store.out" 2>&1); store=$!
for _ in $(seq 300); do grep -qE 'ready|installed' "$T/store.out" 2>/dev/null && break; sleep 0.1; done
grep -q installed "$T/store.out" && skip "$(cat "$T/store.out")"
grep -q ready "$T/store.out" || { cat "$T/store.out"; die "the object store does not start"; }
. "$T/store/env"
lab_up

# swift METHOD PATH [CONTENT [HEADER]] : by the store's own interface
swift() {
  python3 - "$S3_ENDPOINT" "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" "$@" <<'PY'
import sys, urllib.parse, urllib.request
end, user, key, method, path = sys.argv[1:6]
login = urllib.request.Request(end + "/auth/v1.0", headers={"X-Auth-User": user, "X-Auth-Key": key})
with urllib.request.urlopen(login) as answer:
    token, url = answer.headers["X-Auth-Token"], answer.headers["X-Storage-Url"]
data = sys.argv[6].encode() if len(sys.argv) > 6 and sys.argv[6] else None
if data == b"@large": data = b"x" * 3000000
if data == b"@many":
    import io, tarfile
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for i in range(2001):
            one = tarfile.TarInfo("n%04d" % i if i < 2000 else "large")
            one.size = 20 if i < 2000 else 96 << 20
            tar.addfile(one, io.BytesIO(b"x" * one.size))
    data = out.getvalue()
request = urllib.request.Request(url + "/" + urllib.parse.quote(path, safe="/?="), method=method, data=data, headers={"X-Auth-Token": token})
if len(sys.argv) > 7: request.add_header(*sys.argv[7].split(": ", 1))
with urllib.request.urlopen(request) as answer:
    sys.stdout.write(answer.read().decode())
PY
}
swift PUT photos "" "X-Versions-Enabled: true"; swift PUT again
swift PUT "photos/2020/a b.txt" one "X-Object-Meta-Who: me"
swift PUT "photos/../up" two
swift PUT "photos/2020" "an object and a folder"

say "the example of the page, with this store's values"
mkdir -p "$C1/.aws"
printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" >"$C1/.aws/credentials"
chmod 600 "$C1/.aws/credentials"
describe() { block modules/s3.md toml | sed "s|^endpoint = [^ ]*|endpoint = \"$S3_ENDPOINT\"|; s|^region = [^ ]*|region = \"$S3_REGION\"|; s|^bucket = [^ ]*|bucket = \"$1\"|" >"$C1/$2"; }
describe photos photos.toml
paths_of "$C1" s3 "$C1/photos.toml"
one_round "$C1" "$S1" s3

say "what is stored is the bucket"
exits 0 "$S1/scripts/bkdb" export "$T/back" -C "$S1"
tree=$(echo "$T"/back/0_*)
same "$(cat "$tree/objects/2020/a b.txt")" one
same "$(cat "$tree/objects/%2E%2E/up")" two
same "$(cat "$tree/objects/2020/%")" "an object and a folder"

grep -qE '^\{"file":"2020/a%20b.txt",.*"version":"[^"]+"' "$tree/objects.jsonl" || die "$(cat "$tree/objects.jsonl")"

say "a second run takes what changed: the newest versions, without what was deleted"
swift PUT "photos/2020/a b.txt" changed; swift DELETE "photos/../up"
one_round "$C1" "$S1" s3
exits 0 "$S1/scripts/bkdb" export "$T/second" -C "$S1"
same "$(cat "$T"/second/0_*/objects/2020/a\ b.txt)" changed
[[ ! -e $(echo "$T"/second/0_*)/objects/%2E%2E ]] || die "a deleted object is there"

say "no way to fail is a success: each says what to do, the next run goes on, earlier backups stay"
fails() { never_a_success "$C1" "$S1" s3 "$C1/photos.toml" "$1"; } # PATTERN
good=$(<"$C1/.aws/credentials") described=$(<"$C1/photos.toml")
sed -i 's/^aws_secret_access_key.*/aws_secret_access_key = wrong/' "$C1/.aws/credentials"
fails 'secret key is not the one of access key .*, from .*/.aws/credentials'
sed -i 's/^aws_access_key_id.*/aws_access_key_id = nobody/' "$C1/.aws/credentials"
fails 'access key "nobody", from .*/.aws/credentials'
echo "$good" >"$C1/.aws/credentials"
grep -rq "$AWS_SECRET_ACCESS_KEY" "$C1/log" "$C1/requests" "$S1/log" && die "a secret in the log"
chmod 644 "$C1/.aws/credentials"; fails 'chmod'; chmod 600 "$C1/.aws/credentials"
describe absent photos.toml; fails 'there is no bucket "absent" at http'
echo "$described" | sed 's|^endpoint.*|endpoint = "http://127.0.0.1:1"|' >"$C1/photos.toml"; fails 'http://127.0.0.1:1: .*onnect'
echo "$described" >"$C1/photos.toml"
if small_disk 1m "$C1/spool"; then
  swift PUT photos/large @large
  fails 'No space left on device'
  umount "$MOUNTED"; MOUNTED=
  one_round "$C1" "$S1" s3
  swift DELETE photos/large
fi
one_round "$C1" "$S1" s3
exits 0 "$S1/scripts/bkdb" export "$T/third" -C "$S1"
diff -r "$T"/second/0_* "$T"/third/0_* || die "what is stored now is not what is in the bucket"

say "a key that others can read is not used; it stands nowhere but in its file (A20)"
chmod 640 "$C1/.aws/credentials"
"$C1/scripts/backup_it" s3 "" >/dev/null
"$C1/scripts/send_request" --now >"$T/out" 2>&1 || true
exits 0 grep -rhE 'may be read by others: chmod 600' "$C1/log"
chmod 600 "$C1/.aws/credentials"
[[ ${#AWS_SECRET_ACCESS_KEY} -ge 8 ]] || die "too short to be looked for"
! grep -rlF --exclude-dir=.aws -e "$AWS_SECRET_ACCESS_KEY" "$C1" "$S1" || die "the key is in these files"
checks=$((checks + 1))

say "the page's restore, as it stands there, into another bucket"
describe again photos.toml
cd "$C1"
HOME=$C1 TREE=$tree run_block modules/s3.md sh
says '3 objects put'
same "$(swift GET "again/2020/a b.txt")" one
same "$(swift GET "again/../up")" two
same "$(swift GET "again/2020")" "an object and a folder"

say "96 MB and 2,000 keys cost little memory"
swift PUT plenty
swift PUT 'plenty?extract-archive=tar' @many
peak() { python3 -c 'import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)' "$@"; }
describe plenty plenty.toml
export BACKLINE_HOME=$C1 BACKLINE_SERVER=server1 BACKLINE_MODULE=s3 BACKLINE_NAME BACKLINE_TOKEN
BACKLINE_NAME=$(printf %s "$C1/plenty.toml" | base64 -w0 | tr '+/' '-_') BACKLINE_TOKEN=$(printf 'a%.0s' {1..32})
mib=$(peak "$BK_BIN/cmds/backup_s3" "$C1/plenty.toml")
same "$(find "$C1/spool/server1/s3" -path '*/data/objects/*' -name 'n*' | wc -l)" 2000
[[ $mib -lt 64 || ${BK_SANITIZE:-} ]] || die "backup_s3 took $mib MiB"

say "a store that is gone"
kill "$store"
while kill -0 "$store" 2>/dev/null; do sleep 0.1; done
describe photos photos.toml
fails 'onnect'
exits 0 "$S1/scripts/bkdb" verify -C "$S1"
