#!/usr/bin/env bash
# Goal: the manual's steps, in its order, on three hosts with real users, real sshd and stock git: server, client, tunnel, backup,
# browsing; then a second client by one line each way, and a client whose host key changes.
. "$(dirname "$0")/private.sh"
private_network_machine "$@"
. "$(dirname "$0")/lib.sh"

bin=$T/bin
stripped_programs "$bin"
for name in backup web1 web2 desk; do host_up "$name"; done
S1=$T/backup/home
answers() { printf '%s\n' "$@" >"$T/said"; }
setup() { # HOST SIDE ARGS…: with the answers in $T/said
  local host=$1 side=$2; shift 2
  on "$host" "$BK_SOURCE/$side/setup.sh" "$@" --bin "$bin" --schedule cron <"$T/said" >"$T/out" 2>&1 || { cat "$T/out"; die "$side/setup.sh on $host"; }
}
# What cron would do now: the line of the file, through its shell, as its user.
cron() { # HOST FILE [STATUS]
  local line user command status=0
  line=$(on "$1" grep -v '^#' "/etc/cron.d/$2" | grep '^\*/5')
  read -r _ _ _ _ _ user command <<<"$line"
  on "$1" runuser -u "$user" -- env -i HOME=/ SHELL=/bin/sh PATH=/usr/bin:/bin /bin/sh -c "$command" >"$T/out" 2>&1 </dev/null || status=$?
  [[ $status == "${3:-0}" ]] || { cat "$T/out"; die "cron on $1: exit $status instead of ${3:-0}"; }
  checks=$((checks + 1))
}
server() { on backup runuser -u backupsrv -- "$@"; }
client() { local host=$1; shift; on "$host" runuser -u backupclient -- "$@"; }

say "the server: setup.sh URL path, and its three questions"
ssh-keygen -q -t ed25519 -N '' -C alice -f "$T/alice" </dev/null
answers "" root@example.org "$T/alice.pub" y
setup backup server backup.example.org "$S1"

say "the client: setup.sh URL path, and its three questions; which paths to back up; groups that can read them"
answers "" root@example.org backup.example.org y
setup web1 client web1.example.org "$T/web1/home" --name web1
C1=$T/web1/home
mkdir -p "$T/data/www" "$T/data/wiki" "$T/data/git/app.git"
cp -a /usr/share/common-licenses "$T/data/www/licenses"
echo secret >"$T/data/www/for the group"; chown root:www-data "$T/data/www/for the group"; chmod 640 "$T/data/www/for the group"
echo page >"$T/data/wiki/page"
git -C "$T/data/git/app.git" init -q --bare -b main
git -C "$T/data/git/app.git" -c user.name=a -c user.email=a@b commit-tree -m one "$(git -C "$T/data/git/app.git" mktree </dev/null)" |
  xargs git -C "$T/data/git/app.git" update-ref refs/heads/main
paths_of "$C1" directories "$T/data/www"; paths_of "$C1" wiki "$T/data/wiki"; archive_form "$C1" wiki; paths_of "$C1" git "$T/data/git"
on web1 usermod -aG www-data backupclient

say "the tunnel, by hand: clone gitosis-admin with stock git, add the key, edit, commit, push"
printf 'backup.example.org %s\n' "$(cut -d' ' -f1,2 "$T/backup/etc/ssh/ssh_host_ed25519_key.pub")" >"$T/known_hosts"
export GIT_SSH_COMMAND="ssh -i $T/alice -o IdentitiesOnly=yes -o UserKnownHostsFile=$T/known_hosts -o StrictHostKeyChecking=yes"
admin=$T/desk/gitosis-admin
exits 0 on desk git clone -q ssh://backupsrv@backup.example.org/gitosis-admin.git "$admin"
cp "$C1/.ssh/id_ed25519.pub" "$admin/keydir/web1.pub"
printf '\n[group web1]\nmembers = web1\nwritable = web1\n' >>"$admin/gitosis.conf"
printf '[client web1]\naddress = backupclient@web1.example.org\nhostkey = %s\n' "$(cut -d' ' -f1,2 "$T/web1/etc/ssh/ssh_host_ed25519_key.pub")" >>"$admin/backline.conf"
git -C "$admin" add -A
git -C "$admin" -c user.name=alice -c user.email=a@b commit -qm 'web1 may ask'
exits 0 on desk git -C "$admin" push -q
read -ra line < <(on backup "$BK_SOURCE/setup/backline-setup" line server)
exits 0 on web1 "$BK_SOURCE/setup/backline-setup" "${line[@]:1}"

say "backup_it for each module, then cron on both sides"
for module in directories wiki git; do exits 0 client web1 "$C1/scripts/backup_it" "$module" ""; done
cron web1 backupclient
cron backup backupserver
cron web1 backupclient
exits 0 client web1 "$C1/scripts/send_request" --status

say "browsing: bkdb in the client's folders, export, equal to the original"
exits 0 server sh -c "cd $S1/data/web1/rsync && $S1/scripts/bkdb ls"
says "^\* \[0\] $T/data/www$"
exits 0 server sh -c "cd $S1/data/web1/sftp && $S1/scripts/bkdb ls"; says "^\* \[0\] $T/data/wiki$"
exits 0 on backup "$S1/scripts/bkdb" export "$T/export" 0 -C "$S1/data/web1/rsync"
compare "$T/data/www" "$(find "$T/export" -mindepth 1 -maxdepth 1 ! -name EXPORT.txt)"
exits 0 server git clone -q "$(find "$S1/data/web1/git" -name '*.git' -type d -prune)" "$S1/clone"
same "$(server git -C "$S1/clone" log --format=%s)" one

say "no shell for either key: not on the server, not on the client"
client web1 ssh -o BatchMode=yes -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -i "$C1/.ssh/id_ed25519" backupsrv@backup.example.org id >"$T/out" 2>&1 </dev/null || true
! grep -q 'uid=' "$T/out" || die "a client got a shell on the server"
server ssh -o BatchMode=yes -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -i "$S1/.ssh/id_ed25519" backupclient@web1.example.org id >"$T/out" 2>&1 </dev/null || true
! grep -q 'uid=' "$T/out" || die "the server got a shell on the client"

say "a second client, by one line each way"
answers "" "" backup.example.org y
setup web2 client web2.example.org "$T/web2/home" --name web2
paths_of "$T/web2/home" directories "$T/data/wiki"
read -ra hello < <(on web2 "$BK_SOURCE/setup/backline-setup" line client)
same "${hello[0]}" bk_access
exits 0 server "$S1/scripts/bk_access" "${hello[@]:1}"
exits 0 on web2 "$BK_SOURCE/setup/backline-setup" "${line[@]:1}"
exits 0 client web2 "$T/web2/home/scripts/backup_all"
cron web2 backupclient; cron backup backupserver; cron web2 backupclient
same "$(server "$S1/scripts/bkdb" ls --json -C "$S1" | grep -o '"client": *"web2"' | sort -u | wc -l)" 1 "web2's backup"
exits 0 on desk git -C "$admin" pull -q
[[ -s $admin/keydir/web2.pub ]] || die "the line did not reach gitosis-admin"

say "a host key changes: a state with one notice, nobody connects again, until the new key is pinned"
connections() { grep -c '^Connection from\|Connection closed by\|Accepted publickey' "$T/$1/sshd.log" || true; }
host_keys web1
exits 0 client web1 "$C1/scripts/backup_it" directories ""
cron web1 backupclient
before=$(connections web1)
cron backup backupserver 77
[[ $(connections web1) -gt $before ]] || die "the server did not look"
cron web1 backupclient 77; says 'the host key changed'
grep -q 'host key changed' "$S1/log/notices" || die "no notice"
exits 77 server "$S1/scripts/do_backup" --status; says '^HOST KEY CHANGED: "web1": .* pinned is ssh-ed25519 '
before=$(connections web1)
exits 0 client web1 "$C1/scripts/backup_it" directories ""
exits 0 client web1 "$C1/scripts/backup_it" git ""
cron web1 backupclient
cron backup backupserver 77
same "$(connections web1)" "$before" "connections to a host whose key changed"
cron web1 backupclient 77
read -ra hello < <(on web1 "$BK_SOURCE/setup/backline-setup" line client)
exits 77 server "$S1/scripts/bk_access" "${hello[@]:1}"; says 'client rekey'
exits 0 server "$S1/scripts/bk_access" client rekey web1 "${hello[@]:6:2}" "${hello[@]:10}"
exits 0 client web1 "$C1/scripts/backup_it" directories ""
cron web1 backupclient; cron backup backupserver; cron web1 backupclient
exits 0 server "$S1/scripts/do_backup" --status
! grep 'HOST KEY' "$T/out" || die "the state stays after a new key was pinned"

say "the server's host key changes: the client keeps its requests, and does not talk"
host_keys backup
exits 0 client web1 "$C1/scripts/backup_it" directories ""
cron web1 backupclient 77; says 'the host key changed'
same "$(grep -c 'backupsrv@.*host key changed' "$C1/log/notices")" 1 "notices"
before=$(connections backup)
cron web1 backupclient 77
same "$(grep -c 'backupsrv@.*host key changed' "$C1/log/notices")" 1 "notices"
same "$(connections backup)" "$before" "connections to a server whose key changed"
exits 77 client web1 "$C1/scripts/send_request" --status; says '^HOST KEY CHANGED: '
exits 77 client web1 "$C1/scripts/restore_it" ls; one_line; says 'host key changed'
read -ra line < <(on backup "$BK_SOURCE/setup/backline-setup" line server)
exits 0 on web1 "$BK_SOURCE/setup/backline-setup" "${line[@]:1}"
cron web1 backupclient; cron backup backupserver; cron web1 backupclient
