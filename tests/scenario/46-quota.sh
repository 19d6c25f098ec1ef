#!/usr/bin/env bash
# Goal: a client that reached its quota is refused with a receipt that says why, whatever the method; its older snapshots
# stay, nothing piles up however often it asks again, and removing and cleaning makes room.
. "$(dirname "$0")/lib.sh"
lab_up --clients 1
mkdir -p "$T/src/tree" "$T/src/code"
paths_of "$C1" directories "$T/src/tree"; paths_of "$C1" git "$T/src/code"
quota() { # SIZE
  python3 - "$L/admin/server1/backline.conf" "$1" <<'PY'
import re, sys
text = re.sub(r"quota = .*\n", "", open(sys.argv[1]).read())
open(sys.argv[1], "w").write(text.replace("[client client1]\n", "[client client1]\nquota = %s\n" % sys.argv[2]))
PY
  git -C "$L/admin/server1" -c user.name=a -c user.email=a@example.org commit -qam quota
  git -C "$L/admin/server1" push -q >"$T/push.out" 2>&1 || { cat "$T/push.out"; die "the push of a quota is refused"; }
}
store_kb() { du -sk "$S1/store" | cut -f1; }
junk() { head -c "$1" /dev/urandom >"$2"; }
git_() { git -C "$T/src/code" -c user.name=a -c user.email=a@example.org "$@"; }

say "a quota that fits"
quota 8MiB
junk 5000000 "$T/src/tree/a"
git_ init -q -b main; junk 1000000 "$T/src/code/file"; git_ add .; git_ commit -qm one
one_round "$C1" "$S1" directories
one_round "$C1" "$S1" git
exits 0 "$S1/scripts/do_backup" --status; says '^client1: 5\.[0-9] MiB of its quota of 8 MiB used$'

say "what does not fit is refused, with a receipt that says why"
rm "$T/src/tree/a"; junk 5000000 "$T/src/tree/b"
one_round "$C1" "$S1" directories 77
says 'quota 8 MiB of client "client1", used 5\.[0-9] MiB before, this backup needs at least [0-9.]+ MiB more'
same "$(snapshots_of "$S1" "$T/src/tree")" 1
grep -q 'quota 8 MiB' "$S1/log/notices" || die "the administrator is not told"

say "again and again, with other content each time: the store stays as it is"
before=$(store_kb)
for _ in 1 2 3; do junk 5000000 "$T/src/tree/b"; one_round "$C1" "$S1" directories 77; done
git_ commit -q --allow-empty -m two
for i in 1 2; do
  junk 4000000 "$T/src/code/file"; git_ commit -qam "big $i"; one_round "$C1" "$S1" git 77; says 'quota'
done
[[ $(store_kb) -lt $((before + 2500)) ]] || die "the store grew from $before to $(store_kb) kB"
same "$(snapshots_of "$S1" "$T/src/code")" 1
[[ $(du -sk "$S1/data/client1/git" | cut -f1) -lt 3000 ]] || die "the mirror keeps what was refused"
exits 0 git clone -q "$(find "$S1/data/client1/git" -name '*.git' -type d -prune)" "$T/clone"
same "$(git -C "$T/clone" log --format=%s)" one
exits 0 "$S1/scripts/do_backup" --status --json
python3 - "$T/out" <<'PY' || die "--json"
import json, sys
s = json.load(open(sys.argv[1]))["sources"][0]
assert s["quota_bytes"] == 8 << 20 and 5 << 20 < s["quota_used_bytes"] <= 8 << 20, s
PY

say "clean gives back what refused backups stored; a smaller source fits then"
exits 0 "$S1/scripts/bkdb" clean -C "$S1"
junk 1000000 "$T/src/tree/b"
one_round "$C1" "$S1" directories
same "$(snapshots_of "$S1" "$T/src/tree")" 2

say "rm and clean make room; the administrator is told in time"
oldest=$("$S1/scripts/bkdb" ls --json -C "$S1" | python3 -c 'import json,sys
s=[s for s in json.load(sys.stdin)["sources"] if s["path"]==sys.argv[1]][0]
print(min(x["began"] for x in s["snapshots"])[:19].replace("T", " "))' "$T/src/tree")
exits 0 "$S1/scripts/bkdb" rm --yes --expect 1 -C "$S1" "$(index_of "$S1" "$T/src/tree")" "=$oldest"
exits 0 "$S1/scripts/bkdb" clean -C "$S1"
junk 5700000 "$T/src/tree/b"
one_round "$C1" "$S1" directories
grep -q 'client1 has used .* of its quota of 8 MiB' "$S1/log/notices" || die "nobody is warned at 90 per cent"
exits 0 "$S1/scripts/do_backup" --status; says 'NEARLY FULL'
compare "$T/src/tree" "$(export_source "$S1" "$T/src/tree" "$T/back")"
exits 0 "$S1/scripts/bkdb" verify -C "$S1"
nothing_left "$C1" "$S1" client1
