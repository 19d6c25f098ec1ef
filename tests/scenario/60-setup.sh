#!/usr/bin/env bash
# Goal: setup.sh makes a server and a client with the manual's questions, mends and upgrades, translates the old system's
# settings, and takes itself away without the data.  In a mount namespace of its own: this machine gets no user and no file.
. "$(dirname "$0")/private.sh"
private_machine "$@"
. "$(dirname "$0")/lib.sh"
private_etc

bin=$T/bin
stripped_programs "$bin"
chmod 755 "$T"
server() { "$BK_SOURCE/server/setup.sh" "$@" --bin "$bin" --schedule cron; }
client() { "$BK_SOURCE/client/setup.sh" "$@" --bin "$bin" --schedule cron; }
state() { (cd "$1" && find . -printf '%p %y %m %u %l %T@\n' | sort; find . -type f -exec sha256sum {} + | sort); cat /etc/passwd; ls -lR /etc/backline /etc/cron.d /etc/logrotate.d; }
user() { runuser -u "$@"; }
ssh-keygen -q -t ed25519 -N '' -C alice -f "$T/alice" </dev/null
chmod 644 "$T/alice.pub"

say "without an argument it explains itself; without root it does nothing"
exits 0 "$BK_SOURCE/server/setup.sh"; says 'URL_of_this_machine'
exits 0 "$BK_SOURCE/client/setup.sh" --help; says '--dry-run'
exits 77 setpriv --reuid 65534 --clear-groups "$BK_SOURCE/setup/backline-setup" client web1 --yes; says 'please run this script as root'
exits 64 client 'we b' --yes; one_line
exits 64 client web1 relative --yes; one_line
exits 64 client web1 --nonsense --yes; one_line
exits 78 client web1 --yes --administrators 'a;b'; one_line
exits 78 "$BK_SOURCE/client/setup.sh" web1 --yes --bin "$T"; says 'lacks backup_it'

say "a dry run shows the steps and takes none"
exits 0 client web1.example.org "$T/client" --dry-run --yes; says '^would make the system user backupclient'
[[ ! -e $T/client ]] || die "the dry run made a home"
! getent passwd backupclient >/dev/null || die "the dry run made a user"

say "the manual's questions, in its order; only y goes on"
printf '\nroot@example.org ops@example.org\n%s\nn\n' "$T/alice.pub" >"$T/said"
status=0; server backup.example.org:2222 "$T/server" <"$T/said" >"$T/out" 2>&1 || status=$?
same "$status" 77; says 'Bye$'
grep -oE 'Please specify [^:]*:|Is above OK\?' "$T/out" >"$T/asked"
same "$(cat "$T/asked")" "Please specify /path/to/send_mail:
Please specify notification email(a@e.com b@e.com...):
Please specify /path/to/admin_public_key:
Is above OK?"
[[ ! -e $T/server ]] || die "an unwanted setup made a home"
sed -i 's/^n$/y/' "$T/said"
server backup.example.org:2222 "$T/server" <"$T/said" >"$T/out" 2>&1 || { cat "$T/out"; die "server/setup.sh"; }
printf '\n\nbackup.example.org\ny\n' >"$T/said"
client web1.example.org "$T/client" --name web1 <"$T/said" >"$T/out" 2>&1 || { cat "$T/out"; die "client/setup.sh"; }
grep -oE 'Please specify [^:]*:' "$T/out" >"$T/asked"
same "$(tail -n 1 "$T/asked")" "Please specify default backup server' URL:"

say "users, layout, rights, keys, cron"
same "$(getent passwd backupsrv | cut -d: -f6,7)" "$T/server:/bin/bash"
same "$(getent passwd backupclient | cut -d: -f6,7)" "$T/client:/bin/bash"
for folder in client/log client/log/queues client/tmp client/requests client/.ssh; do same "$(stat -c %U "$T/$folder")" backupclient "$folder"; done
for folder in server/log server/data server/TODO server/repositories server/.ssh; do same "$(stat -c %U "$T/$folder")" backupsrv "$folder"; done
same "$(stat -c '%U %a' "$T/client/scripts" "$T/client/scripts/backup_it" "$T/client/scripts/cmds/backup_dir" | sort -u)" "root 755"
same "$(stat -c %a "$T/client/.ssh" "$T/client/.ssh/id_ed25519" | xargs)" "700 600"
grep -q "^\*/5 \* \* \* \* backupsrv $T/server/scripts/do_backup$" /etc/cron.d/backupserver || die "the server's cron line"
grep -q "^\*/5 \* \* \* \* backupclient $T/client/scripts/send_request$" /etc/cron.d/backupclient || die "the client's cron line"
grep -q '^MAILTO=root@example.org,ops@example.org$' /etc/cron.d/backupserver || die "MAILTO"
exits 0 user backupclient -- "$T/client/scripts/send_request" --status
exits 0 user backupsrv -- "$T/server/scripts/do_backup" --status
exits 0 user backupsrv -- "$T/server/scripts/bk_access" check alice writable gitosis-admin; says '^granted '

say "again: nothing changes"
state "$T/client" >"$T/before"
exits 0 client web1.example.org --yes; says 'nothing to do'
state "$T/client" >"$T/after"; cmp "$T/before" "$T/after" || die "a repeated client setup changed something"
state "$T/server" | grep -v gitosis-admin.git/backline >"$T/before"
exits 0 server backup.example.org:2222 --yes; says 'nothing to do'
checks=$((checks + 1))

say "a configuration that others may write is read by nobody, and mended"
chmod 664 "$T/client/backupconfig.toml"
exits 78 user backupclient -- "$T/client/scripts/send_request" --status; one_line; says 'chmod go-w'
exits 0 client web1.example.org --yes; says 'take the right to write .*/backupconfig.toml from others'
same "$(stat -c %a "$T/client/backupconfig.toml")" 644
exits 0 user backupclient -- "$T/client/scripts/send_request" --status

say "each side has one line for the other; a damaged line is refused, a good one pins keys both ways"
ssh-keygen -q -t ed25519 -N '' -C host -f "$T/host" </dev/null
exits 0 server backup.example.org:2222 --yes --hostkey "$T/host.pub"
exits 0 client web1.example.org --yes --hostkey "$T/host.pub"
exits 0 "$BK_SOURCE/setup/backline-setup" line client
says '^bk_access client add web1 --address backupclient@web1.example.org --hostkey ssh-ed25519:[^ ]+ --key ssh-ed25519:[^ ]+ --fingerprint SHA256:'
exits 0 "$BK_SOURCE/setup/backline-setup" line server
says '^backline-setup trust backup.example.org --url ssh://backupsrv@backup.example.org:2222 '
read -ra line <"$T/out"
exits 77 "$BK_SOURCE/setup/backline-setup" "${line[@]:1:8}" --fingerprint SHA256:other; one_line
exits 64 "$BK_SOURCE/setup/backline-setup" trust main --url 'ssh://x@h -oProxyCommand=x' "${line[@]:5}"; one_line
printf 'ssh-ed25519 %s old-unrestricted\nssh-rsa AAAA foreign\n' "$(cut -d' ' -f2 "$T/server/.ssh/id_ed25519.pub")" >"$T/client/.ssh/authorized_keys"
exits 0 "$BK_SOURCE/setup/backline-setup" "${line[@]:1}"; says 'taken from authorized_keys: ssh-ed25519 .* old-unrestricted'
exits 0 cat "$T/client/.ssh/authorized_keys"
same "$(wc -l <"$T/out")" 2; says '^ssh-rsa AAAA foreign$'
says "^restrict,command=\"$T/client/scripts/backup_agent --home $T/client --server backup.example.org\" ssh-ed25519 "
grep -q '^default_server = "backup.example.org"$' "$T/client/backupconfig.toml" || die "default_server"
exits 78 user backupclient -- "$T/client/scripts/backup_it" directories ""; says "has no paths"
exits 0 "$BK_SOURCE/setup/backline-setup" "${line[@]:1}"
exits 0 cat "$T/client/.ssh/authorized_keys"; same "$(wc -l <"$T/out")" 2 "taking a line twice"

say "an upgrade brings new programs and keeps what people wrote"
paths_of "$T/client" directories /etc/hostname
cp "$T/client/backupconfig.toml" "$T/config"
printf 'x' >>"$bin/backup_it"
exits 0 client --upgrade; says 'copy .*/scripts/backup_it$'
cmp "$bin/backup_it" "$T/client/scripts/backup_it"; cmp "$T/config" "$T/client/backupconfig.toml"

say "what the client's user put in place of root's folder is not followed"
mv "$T/client/scripts" "$T/client/scripts.kept"; mkdir "$T/victim"; ln -s "$T/victim" "$T/client/scripts"
exits 74 client --upgrade; says "Not a directory"
same "$(ls "$T/victim")" ""
rm "$T/client/scripts"; mv "$T/client/scripts.kept" "$T/client/scripts"

say "systemd's units are sound, and take the place of cron's line"
exits 0 "$BK_SOURCE/client/setup.sh" --upgrade --bin "$bin" --schedule systemd
[[ ! -e /etc/cron.d/backupclient ]] || die "both cron and systemd would start it"
exits 0 "$BK_SOURCE/server/setup.sh" --upgrade --bin "$bin" --schedule systemd
if command -v systemd-analyze >/dev/null; then
  for unit in client.service client.timer client.path server.service server.timer server.path; do
    systemd-analyze verify --man=no "/etc/systemd/system/backline-$unit" >"$T/out" 2>&1 || { cat "$T/out"; die "backline-$unit"; }
    ! grep "backline-" "$T/out" || die "backline-$unit has flaws"
    checks=$((checks + 1))
  done
fi
grep -q "^PathChanged=$T/client/requests/backup.example.org$" /etc/systemd/system/backline-client.path || die "nobody waits for requests"
for side in client server; do
  ! command -v logrotate >/dev/null || exits 0 logrotate --debug "/etc/logrotate.d/backline-$side"
done

say "the right to read everything goes to the agent alone, and can be taken back"
if command -v getcap >/dev/null; then
  exits 0 client --upgrade --read-all
  same "$(getcap "$T/client/scripts/backup_agent" | cut -d' ' -f2)" "cap_dac_read_search=ep"
  same "$(stat -c '%U:%G %a' "$T/client/scripts/backup_agent")" "root:backupclient 750"
  exits 0 user backupclient -- "$T/client/scripts/backup_agent" --version
  exits 0 client --upgrade --no-read-all
  same "$(getcap "$T/client/scripts/backup_agent")" ""
fi

say "completion offers what the programs say themselves"
same "$(bash -c '. /etc/bash_completion.d/backline; COMP_CWORD=1; _backline "$1" --dry; echo "${COMPREPLY[@]}"' bash "$T/client/scripts/backup_it")" --dry-run
offered() { bash -c '. /etc/bash_completion.d/backline; COMP_CWORD=1; _backline "$1" ""; printf "%s\n" "${COMPREPLY[@]}"' bash "$1" | sort -u; }
same "$(offered "$T/server/scripts/bkdb")" "$("$T/server/scripts/bkdb" --help | sed -nE 's/^usage: bkdb (\[options\] )?([^ ]+).*/\2/p' | tr '|' '\n' | sort -u)"

say "it takes itself away, and keeps the data"
echo kept >"$T/client/requests/kept"
exits 0 client --uninstall
[[ ! -e $T/client/scripts/backup_it && ! -e /etc/backline/client.toml && ! -e /etc/cron.d/backupclient ]] || die "something was left"
[[ -s $T/client/requests/kept && -s $T/client/.ssh/id_ed25519 && -s $T/client/backupconfig.toml ]] || die "data is gone"
getent passwd backupclient >/dev/null || die "the user is gone"
exits 0 server --uninstall
[[ -d $T/server/repositories/gitosis-admin.git && ! -e /etc/systemd/system/backline-server.service ]] || die "the server's uninstall"

say "an old system's home is taken over: its user, its settings, its data"
userdel backupclient; rm -rf "$T/client"
mkdir -p "$T/old/scripts" "$T/old/requests/backup.example.org" "$T/old/.ssh"
useradd --system --home-dir "$T/old" --shell /bin/bash backupclient
cat >"$T/old/scripts/backupconfig.sh" <<OLD
# the old system
Host="web7"
RequestDir="$T/old/requests"
Sendmail=/bin/true
Administrators="root@example.org ops@example.org"
DefaultBackupNode="ssh://backupsrv@backup.example.org/web7.git"
base=/home/services
git_base="\$base/git"
trac=\${base}/trac/
directories="/etc /srv/www"
wiki=\$(touch "$T/executed")
OLD
chown -R backupclient: "$T/old"
exits 0 client web7.example.org "$T/ignored" --yes; says 'its home .*/old is used'; says 'wiki needs a shell'
[[ ! -e $T/executed && ! -e $T/ignored ]] || die "the old settings were run, or the path was not ignored"
exits 0 python3 - "$T/old/backupconfig.toml" <<'PY'
import sys, tomllib
c = tomllib.load(open(sys.argv[1], "rb"))
assert c["host"] == "web7" and c["administrators"] == ["root@example.org", "ops@example.org"], c
m = c["module"]
assert m["git"]["paths"] == ["/home/services/git"] and m["trac"]["paths"] == ["/home/services/trac"], m
assert m["directories"]["paths"] == ["/etc", "/srv/www"] and m["wiki"]["paths"] == [], m
PY
grep -q '^default_server = "backup.example.org"$' /etc/backline/client.toml || die "the old default server is forgotten"
exits 0 user backupclient -- "$T/old/scripts/send_request" --status
