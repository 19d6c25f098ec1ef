#!/usr/bin/env bash
# Goal: what is secret (private keys, the store's key, a sealing key, a cmd's password, words in a configuration) stands in no log, no
# command line or environment but the cmd's own, no request, receipt, repository, journal or core file, whatever fails.
. "$(dirname "$0")/lib.sh"
[[ $EUID == 0 ]] || skip "other processes are looked into as root only"
lab_up
look=$BK_SOURCE/tests/support/canaries.py
chatter=$T/chatter  # all that the programs said
mkdir "$T/core" "$T/tree"
cd "$T/core"  # where a core file would lie
ulimit -c unlimited
said() { local got=0; "$@" >>"$chatter" 2>&1 </dev/null || got=$?; checks=$((checks + 1)); return "$got"; }
random() { printf '%s%s%s%s' $RANDOM $RANDOM $RANDOM $RANDOM; }
round() { said "$C1/scripts/backup_all" || true; said "$C1/scripts/send_request" --now || true; said "$S1/scripts/do_backup" --once client1 || true; said "$C1/scripts/send_request" --now || true; }

say "every configuration gets a secret of its own"
exits 0 "$S1/scripts/bkdb" key new "$S1/store.key"
printf '\n[store]\nkey_file = "store.key"\n' >>"$S1/backupconfig.toml"
exits 0 "$S1/scripts/bkdb" key seal "$S1/seal" "$S1/unseal"
password=Pw$(random) argument=Ar$(random) comment=Co$(random) admin=Ad$(random)
printf '%s\n' "$password" >"$C1/ledger.secret"; chmod 600 "$C1/ledger.secret"
cat >"$C1/scripts/cmds/dump_ledger" <<'CMD'
#!/bin/bash
# Two secrets, as databases want them: one out of a file that only this user reads, one (badly) as an argument.
LEDGER_PASSWORD=$(<"$BACKLINE_HOME/ledger.secret")
export LEDGER_PASSWORD
/bin/sleep 0.3
grep core /proc/self/limits >"$BACKLINE_HOME/tmp/limits"
[[ ! -e $BACKLINE_HOME/wrong ]] || { echo "access denied for ledger (using password: YES)" >&2; exit 1; }
add_queue "$BACKLINE_NAME" "rsync $2"
CMD
chmod +x "$C1/scripts/cmds/dump_ledger"
printf '\n# %s\n[module.ledger]\ncmd = ["dump_ledger", "--token=%s"]\npaths = ["%s/tree"]\n' "$comment" "$argument" "$T" >>"$C1/backupconfig.toml"
printf '# %s\n' "$comment" >>"$S1/backupconfig.toml"
printf '# %s\n' "$admin" >>"$L/admin/server1/backline.conf"
git -C "$L/admin/server1" commit -qam "a word" && git -C "$L/admin/server1" push -q >"$T/out" 2>&1 || { cat "$T/out"; die "push"; }
{
  for host in client1 server1; do printf '%s-key %s\n' "$host" "$(sed -n 3p "$L/$host/.ssh/id_ed25519")"; done
  printf 'store-key %s\nseal %s\nunseal %s\n' "$(sed -n 's/^key: //p' "$S1/store.key")" "$(sed -n 's/^identity: //p' "$S1/seal")" "$(sed -n 's/^private: //p' "$S1/unseal")"
  printf 'password %s\nargument %s\ncomment %s\nadmin %s\n' "$password" "$argument" "$comment" "$admin"
} >"$T/canaries"
chmod 600 "$T/canaries"
same "$(awk 'length($2) >= 8' "$T/canaries" | wc -l)" 9
for i in $(seq 300); do head -c 20000 /dev/urandom >"$T/tree/$i"; done
git init -q --bare "$T/repo.git"
paths_of "$C1" git "$T/repo.git"; paths_of "$C1" wiki "$T/tree"; paths_of "$C1" directories "$T/tree"
sed -i '/^\[module.wiki\]/a cmd = ["backup_archive"]\nmethod = "sftp"' "$C1/backupconfig.toml"
"$look" watch "$T/canaries" "$T/seen" & watcher=$!

say "a round that goes well, and what people look at"
round
same "$(snapshots_of "$S1" "$T/tree")" 3
for words in "send_request --status" "backup_agent --server server1 --show-consent" "backup_it --list"; do said "$C1"/scripts/$words || true; done
for words in "do_backup --status --json" "bkdb ls" "bkdb verify" "bkdb key show store.key"; do (cd "$S1"; said "$S1"/scripts/$words) || true; done

say "rounds that fail: a cmd, wrong and damaged and readable keys, configurations with mistakes"
touch "$C1/wrong"; round; rm "$C1/wrong"
ask() { said "$C1/scripts/backup_it" ledger "" || true; said "$C1/scripts/send_request" --now || true; }
mishap() { # FILE: with it changed as the standard input's program does
  cp -p "$1" "$T/kept"; python3 - "$1"; ask; said "$S1/scripts/do_backup" --once client1 || true; said "$S1/scripts/bkdb" ls -C "$S1" || true; cp -p "$T/kept" "$1"
}
for home in "$C1" "$S1"; do
  cp -p "$home/.ssh/id_ed25519" "$T/kept-key"
  rm "$home/.ssh/id_ed25519"; ssh-keygen -q -t ed25519 -N '' -f "$home/.ssh/id_ed25519" </dev/null; ask; said "$S1/scripts/do_backup" --once client1 || true
  cp -p "$T/kept-key" "$home/.ssh/id_ed25519"
  mishap "$home/.ssh/id_ed25519" <<<'import sys; t = open(sys.argv[1]).read(); open(sys.argv[1], "w").write(t.replace("-----END", "--END"))'
  chmod 644 "$home/.ssh/id_ed25519"; ask; said "$S1/scripts/do_backup" --once client1 || true; chmod 600 "$home/.ssh/id_ed25519"
  for mistake in '"\npassphrase = \"" + word + "\"\n"' '"\nx = " + word + "\n"' '"\n[module.ledger\n" + word' '"\n[store]\nkey = " + repr(word)'; do
    mishap "$home/backupconfig.toml" <<<"import sys; word = [l.split()[1] for l in open('$T/canaries') if l.startswith('comment ')][0]; open(sys.argv[1], 'a').write($mistake)"
  done
done
for mistake in 't.replace("key: ", "key: 0")' 't[:-20]' 't.replace("name:", "nam:")' '""'; do
  mishap "$S1/store.key" <<<"import sys; t = open(sys.argv[1]).read(); open(sys.argv[1], 'w').write($mistake)"
done
chmod 644 "$S1/store.key"; ask; said "$S1/scripts/do_backup" --once client1 || true; chmod 600 "$S1/store.key"
grep -q 'is open to others than its owner' "$chatter" || die "readable keys are taken without a word"
for side in "$C1" "$S1"; do grep -rq "identity file .*open to others" "$side/log" || die "$side took a readable key"; done

say "agents and servers that are killed with core files allowed"
kill_when_there() { # PROGRAM, of this lab: others may be at work on the machine
  local tries=0 pid
  while ((++tries < 400)); do
    for pid in $(pgrep -f "^[^ ]*$1" 2>/dev/null); do
      [[ $(readlink "/proc/$pid/exe") == */$1 && $(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") == *"$L"* ]] || continue
      readlink "/proc/$pid/cwd" >>"$T/cwds" && kill -SEGV "$pid" && return 0
    done
    sleep 0.01
  done
  return 1
}
killed=
for program in backup_agent send_request do_backup; do
  for _ in 1 2 3 4 5 6; do
    said "$C1/scripts/backup_it" ledger "" || true
    head -c 3000000 /dev/urandom >"$T/tree/new"
    (round) & busy=$!
    kill_when_there "$program" && killed+=" $program"
    wait "$busy" || true
    [[ $killed != *"$program" ]] || break
  done
done
same "$killed" " backup_agent send_request do_backup"
round
while read -r folder; do [[ -z $(find "$folder" -maxdepth 1 -name 'core*' -type f -newer "$T/canaries") ]] || die "a core file in $folder"; done <"$T/cwds"
[[ -z $(find "$L" "$T/core" -name 'core*' -type f -size +8k) ]] || die "a core file"

say "each program by itself: no limit that is lifted, and no signal, makes a core file; what it starts has none either"
chmod 777 "$T/core"
if [[ $("$look" core /bin/cat /dev/zero) == "core open unlimited unlimited" ]]; then
  rm -f "$T"/core/core*
  for program in "$BK_BIN"/* "$BK_BIN"/cmds/*; do
    [[ -f $program && -x $program ]] || continue
    same "$("$look" core "$program")" "none closed 1 1" "${program##*/}"
  done
else
  echo "   (this machine's core_pattern makes none in any case)"
fi
same "$(awk '{print $5, $6}' "$C1/tmp/limits")" "1 1" "the cmd's limit"

touch "$T/seen.stop"; wait "$watcher"
say "nobody but the cmd itself had a secret on its command line or in its environment"
(( $(sed -n 's/^samples //p' "$T/seen") > 50 )) || die "hardly anything was sampled"
grep -q '^password environ sleep$' "$T/seen" || die "the sampling misses what is there: $(cat "$T/seen")"
grep -v '^samples ' "$T/seen" | grep -vE '^(password environ|argument cmdline) (dump_ledger|sleep|grep|add_queue|bash)$' >"$T/out" || true
same "$(cat "$T/out")" ""

say "nothing that was written has one, except where it was put"
printf 'marker %s\n' "$T/tree" >"$T/marker"
for place in "$C1/log" "$C1/requests" "$S1/log" "$chatter"; do [[ -n $("$look" search "$T/marker" "$place") ]] || die "the search does not find what is in $place"; done
"$look" search "$T/canaries" "$L" "$chatter" "$T/core" >"$T/found"
allowed="^(client1-key $C1/.ssh/id_ed25519|server1-key $S1/.ssh/id_ed25519|store-key $S1/store.key|(un)?seal $S1/(un)?seal|password $C1/ledger.secret|(argument|comment) $C1/backupconfig.toml|comment $S1/backupconfig.toml|admin $L/admin/server1/.*|admin $S1/repositories/gitosis-admin.git.*)\$"
same "$(grep -vE "$allowed" "$T/found" || true)" ""
same "$(grep -cE "^(client1-key|store-key|password) " "$T/found")" 3
