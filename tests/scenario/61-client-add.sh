#!/usr/bin/env bash
# Goal: bk_access client add, rekey, rename, retire: one commit each, in force at once, all or nothing whenever it is killed.
. "$(dirname "$0")/lib.sh"
lab_up
access() { "$S1/scripts/bk_access" "$@"; }
tip() { git -C "$S1/repositories/gitosis-admin.git" rev-parse master; }
for key in web1 web1-new host host-new; do ssh-keygen -q -t ed25519 -N '' -C x -f "$T/$key" </dev/null; done
word() { cut -d' ' -f1,2 "$T/$1.pub" | tr ' ' :; }
print() { ssh-keygen -lf "$T/$1.pub" | cut -d' ' -f2; }
add=(client add web1 --address backupclient@web1.example.org:2222 --hostkey "$(word host)" --key "$(word web1)")

say "a damaged line changes nothing"
before=$(tip)
exits 77 access "${add[@]}" --fingerprint "$(print web1)"; one_line
exits 64 access client add web1 --address backupclient@web1; one_line
exits 64 access client enlarge web1; one_line
exits 64 access client add ../web1 "${add[@]:3}"; one_line
exits 69 access client retire nobody; one_line
exits 78 access client add web2 --address a@b --hostkey "$(word host)" --key "$(cut -d' ' -f1,2 "$C1/.ssh/id_ed25519.pub" | tr ' ' :)"; one_line
same "$(tip)" "$before" "the tip"

say "killed at any step it was never, or is whole; the next run ends it"
for step in access.client_commit access.client_ref access.gitosis_conf access.authorized_keys access.tip; do
  BACKLINE_CRASH_AT=$step access "${add[@]}" >/dev/null 2>&1 && die "$step was not reached"
  if [[ $step == access.client_commit ]]; then same "$(tip)" "$before" "killed before the ref moved"; fi
  exits 0 access "${add[@]}" --fingerprint "$(print host)"
  exits 0 access check web1 RW+ web1
  grep -qF "serve web1\" $(tr : ' ' <<<"$(word web1)")" "$S1/.ssh/authorized_keys" || die "$step: no key in authorized_keys"
  git -C "$S1/repositories/gitosis-admin.git" fsck --no-progress >/dev/null || die "$step: fsck"
  [[ $step == access.tip ]] || exits 0 access client retire web1
  before=$(tip)
done
exits 0 access "${add[@]}"; says '^nothing to change$'
same "$(tip)" "$before" "adding twice"

say "stock git sees it as any other commit, and pushes on top of it"
exits 0 git -C "$L/admin/server1" pull -q
grep -q '^address = backupclient@web1.example.org:2222$' "$L/admin/server1/backline.conf" || die "address"
printf '\n[keep web1]\ndaily = 3\n' >>"$L/admin/server1/backline.conf"
exits 0 git -C "$L/admin/server1" -c user.name=a -c user.email=a@b commit -qam keep
exits 0 git -C "$L/admin/server1" push -q

say "new keys take the place of the old ones"
exits 77 access "${add[@]:0:5}" --hostkey "$(word host-new)" --key "$(word web1)"; says 'client rekey'
exits 0 access client rekey web1 --hostkey "$(word host-new)" --key "$T/web1-new.pub" --fingerprint "$(print host-new)"
grep -qF "$(cut -d' ' -f2 "$T/web1-new.pub")" "$S1/.ssh/authorized_keys" || die "the new key is not in force"
! grep -qF "$(cut -d' ' -f2 "$T/web1.pub")" "$S1/.ssh/authorized_keys" || die "the old key still works"

say "another name, then none"
exits 0 access client rename web1 shop; says 'stay under web1'
exits 0 access check shop RW+ shop; exits 1 access check web1 RW+ web1
exits 0 access client retire shop
exits 1 access check shop RW+ shop
! grep -q 'serve shop"' "$S1/.ssh/authorized_keys" || die "a retired client's key still works"
exits 0 git -C "$L/admin/server1" pull -q
grep -q '^\[keep web1\]' "$L/admin/server1/backline.conf" || die "the rules for its snapshots are gone"

say "the lab's own client goes on as before"
mkdir "$T/data"; echo one >"$T/data/file"
paths_of "$C1" directories "$T/data"
one_round "$C1" "$S1" directories
compare "$T/data" "$(export_source "$S1" "$T/data" "$T/export")"

say "what waits when a client is renamed is refused, and the receipt says why"
exits 0 "$C1/scripts/backup_it" directories ""; exits 0 "$C1/scripts/send_request" --now
exits 0 access client rename client1 shop; says '^1 waiting requests of client1 ended as refused$'
[[ -z $(find "$S1/TODO/client1" -maxdepth 1 -name '[CP]*') ]] || die "client1 still has work"
git -C "$S1/repositories/client1.git" grep -q 'client client1 was renamed to shop' receipts 2>/dev/null ||
  git -C "$S1/repositories/client1.git" grep -qE 'is(%20| )called(%20| )shop' receipts || die "no receipt says why"
exits 0 access client rename shop client1
rm -rf "$C1/log/queues"

say "a user who does not own gitosis-admin is told who does"
if [[ $EUID == 0 ]]; then
  cp "$(readlink -f "$S1/scripts/bk_access")" "$T/bk_access"
  chmod 755 "$T" "$L" "$S1" "$S1/repositories" "$S1/repositories/gitosis-admin.git"
  exits 77 setpriv --reuid 65534 --clear-groups "$T/bk_access" --home "$S1" client retire client1; one_line
fi
