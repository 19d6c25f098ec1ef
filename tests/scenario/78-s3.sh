#!/bin/bash
# Goal: a bucket of a real object store is backed up as a tree, changes follow, and the page's own command brings it back into another bucket.
. "$(dirname "$0")/lib.sh"

mkdir "$T/store"
exec 8> >(exec "$BK_SOURCE/tests/support/services/swift_server.py" "$T/store" >"$T/store.out" 2>&1)
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
data = sys.argv[6].encode() if len(sys.argv) > 6 else None
request = urllib.request.Request(url + "/" + urllib.parse.quote(path), method=method, data=data, headers={"X-Auth-Token": token})
if len(sys.argv) > 7: request.add_header(*sys.argv[7].split(": ", 1))
with urllib.request.urlopen(request) as answer:
    sys.stdout.write(answer.read().decode())
PY
}
swift PUT photos; swift PUT again
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

say "a second run takes what changed"
swift PUT "photos/2020/a b.txt" changed; swift DELETE "photos/../up"
one_round "$C1" "$S1" s3
exits 0 "$S1/scripts/bkdb" export "$T/second" -C "$S1"
same "$(cat "$T"/second/0_*/objects/2020/a\ b.txt)" changed
[[ ! -e $(echo "$T"/second/0_*)/objects/%2E%2E ]] || die "a deleted object is there"

say "a wrong secret is refused in words, and is no success"
sed -i 's/^aws_secret_access_key.*/aws_secret_access_key = wrong/' "$C1/.aws/credentials"
exits 0 "$C1/scripts/backup_it" s3 ""
exits 75 "$C1/scripts/send_request" --now
exits 0 grep -rhE 'secret key is not the one of access key' "$C1/log"
grep -rq 'secret_access_key = ' "$C1/log" && die "a secret in the log"
sed -i "s/^aws_secret_access_key.*/aws_secret_access_key = $AWS_SECRET_ACCESS_KEY/" "$C1/.aws/credentials"

say "the page's restore, as it stands there, into another bucket"
describe again photos.toml
cd "$C1"
HOME=$C1 TREE=$tree run_block modules/s3.md sh
says '3 objects put'
same "$(swift GET "again/2020/a b.txt")" one
same "$(swift GET "again/../up")" two
same "$(swift GET "again/2020")" "an object and a folder"
exec 8>&-
