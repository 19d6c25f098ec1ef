#!/usr/bin/env bash
# Goal: what a before began, after and release end: after a success, a failure, a time limit, a kill and a crash at every step; a snapshot lives until the server has read it.
. "$(dirname "$0")/lib.sh"
lab_up

mkdir -p "$T/src/live" "$T/src/snapped" "$C1/scripts/cmds"
echo 1 >"$T/src/live/row"; echo keep >"$T/src/live/no.tmp"; echo old >"$T/src/snapped/state"; echo x >"$T/src/snapped/no.tmp"
: >"$T/told"
cat >"$C1/scripts/cmds/service" <<'CMD'
#!/bin/sh
# service FILE pause|go : what a service's own tool would be; running twice is harmless
echo "$BACKLINE_STEP $BACKLINE_MODULE $BACKLINE_SERVER $BACKLINE_PATH $BACKLINE_PLACE" >>"$1.told"
case $2 in pause) echo paused >"$1"; [ ! -e "$1.hang" ] || sleep 600; [ ! -e "$1.fail" ];;
  go) [ ! -e "$1.stuck" ] || { echo "the service does not start" >&2; exit 7; }; echo running >"$1";; esac
CMD
cat >"$C1/scripts/cmds/snapshot" <<'CMD'
#!/bin/sh
set -eu
echo "$BACKLINE_STEP" >>"$1.told"
case $BACKLINE_STEP in
  before) rm -rf "$BACKLINE_PLACE"; cp -a "$BACKLINE_PATH" "$BACKLINE_PLACE";;
  release) rm -rf "$BACKLINE_PLACE";;
esac
CMD
chmod +x "$C1"/scripts/cmds/*
cp "$C1/backupconfig.toml" "$T/plain.toml"
configure() { # STEP_LIMIT RELEASE_AFTER
  { cat "$T/plain.toml"; cat <<TOML
[module.pair]
cmd = ["backup_dir"]
method = "rsync"
paths = ["$T/src/live", "$T/src/snapped"]
step_limit = "$1"
release_after = "$2"

[module.pair.path."$T/src/live"]
exclude = ["*.tmp"]
before = ["service", "$T/svc", "pause"]
after = ["service", "$T/svc", "go"]

[module.pair.path."$T/src/snapped"]
read_from = "$T/frozen"
before = ["snapshot", "$T/snap"]
release = ["snapshot", "$T/snap"]
TOML
  } >"$C1/backupconfig.toml"
}
configure 1m 1h

say "a paused service goes on when its data is prepared, a snapshot goes when the server has read it"
exits 0 "$C1/scripts/backup_it" pair ""
exits 0 "$C1/scripts/send_request" --now
same "$(cat "$T/svc")" running
same "$(cat "$T/svc.told")" "before pair server1 $T/src/live $T/src/live
after pair server1 $T/src/live $T/src/live"
[[ -e $T/frozen/state ]] || die "the snapshot is gone before the server read it"
same "$(ls -a "$C1"/requests/*/ | grep -c '^\.owed-')" 1
echo new >"$T/src/snapped/state"
exits 0 "$S1/scripts/do_backup"
[[ -e $T/frozen/state ]] || die "the snapshot is gone before the outcome was read"
exits 0 "$C1/scripts/send_request" --now
nothing_left "$C1" "$S1" client1
[[ ! -e $T/frozen ]] || die "the snapshot is still there"
same "$(cat "$T/snap.told" | tr '\n' ' ')" "before release "
same "$(ls -a "$C1"/requests/*/ | grep -c '^\.owed-')" 0
got=$(export_source "$S1" "$T/src/snapped" "$T/exported")
same "$(cat "$got/state")" old "what the snapshot held"
[[ -e $got/no.tmp ]] || die "the exclude of another path hid a file"
got=$(export_source "$S1" "$T/src/live" "$T/exported")
[[ -e $got/row && ! -e $got/no.tmp ]] || die "the options of the path do not hold"

quiet() { # ... and the server's answer, so that nothing waits
  "$C1/scripts/send_request" --now >"$T/out" 2>&1 || true
  "$S1/scripts/do_backup" >/dev/null 2>&1 || true
  "$C1/scripts/send_request" --now >"$T/out" 2>&1 || true
  same "$(cat "$T/svc")" running "$1"
  [[ ! -e $T/frozen ]] || die "$1: the snapshot is still there"
  same "$(ls -a "$C1"/requests/*/ | grep -c '^\.owed-')" 0 "$1"
}

say "a before that fails is a failed attempt: the cmd does not run, after does"
touch "$T/svc.fail"
exits 0 "$C1/scripts/backup_it" pair ""
exits 75 "$C1/scripts/send_request" --now
says 'before: service ended with status 1'
same "$(cat "$T/svc")" running
rm "$T/svc.fail"; quiet "after a failure"

say "so is one that takes too long"
configure 1s 1h; touch "$T/svc.hang"
exits 0 "$C1/scripts/backup_it" pair ""
exits 75 "$C1/scripts/send_request" --now
says 'did not end within 1 s and was stopped'
same "$(cat "$T/svc")" running
rm "$T/svc.hang"; configure 1m 1h; quiet "after a time limit"

say "a killed send_request: the next one runs what is owed, before it prepares again"
touch "$T/svc.hang"
exits 0 "$C1/scripts/backup_it" pair ""
"$C1/scripts/send_request" --now >/dev/null 2>&1 & killed=$!
for _ in $(seq 200); do [[ $(cat "$T/svc") == paused ]] && break; sleep 0.05; done
kill -9 "$killed"; wait "$killed" 2>/dev/null || true
same "$(cat "$T/svc")" paused
rm "$T/svc.hang"; : >"$T/svc.told"
exits 0 "$C1/scripts/send_request" --now
same "$(cut -d' ' -f1 "$T/svc.told" | tr '\n' ' ')" "after before after "
quiet "after a kill"

for step in steps.owed steps.before steps.after steps.release; do
  say "a crash at $step"
  exits 0 "$C1/scripts/backup_it" pair ""
  kills=0
  for run in 1 2; do
    killed_at "$step" "$C1/scripts/send_request" --now
    "$S1/scripts/do_backup" >/dev/null 2>&1 || true  # after some of these kills there is nothing to pull
  done
  ((kills > 0)) || die "nothing was killed at $step: are the steps compiled in (BK_CRASH_POINTS)?"
  exits 0 "$C1/scripts/send_request" --now
  quiet "after a crash at $step"
done

say "an outcome that never comes does not keep a snapshot for ever"
configure 1m 1s
exits 0 "$C1/scripts/backup_it" pair ""
exits 0 "$C1/scripts/send_request" --now
sleep 1.1
exits 0 "$C1/scripts/send_request" --now
[[ ! -e $T/frozen ]] || die "the snapshot outlived release_after"
"$S1/scripts/do_backup" >/dev/null 2>&1 || true
configure 1m 1h; quiet "after release_after"

say "an after that fails is said, and tried again until it goes"
touch "$T/svc.stuck"
exits 0 "$C1/scripts/backup_it" pair ""
exits 75 "$C1/scripts/send_request" --now
says 'after: service ended with status 7: the service does not start; it is tried again'
grep -q 'the service does not start' "$C1/log/notices" || die "nobody is told"
same "$(cat "$T/svc")" paused
rm "$T/svc.stuck"
exits 0 "$C1/scripts/send_request"
same "$(cat "$T/svc")" running

say "a damaged note of what is owed is set aside with a word, and holds up nobody"
echo rubbish >"$(ls -d "$C1"/requests/*/ | head -1).owed-00000000000000000000000000000000"
exits 75 "$C1/scripts/send_request"
says 'look whether something is still paused or mounted'

say "a path's section is refused clearly"
for wrong in '[module.pair.path."srv"]' '[module.pair.path."/srv/../x"]' '[module.pair.path."/srv"]
exlude = []' '[module.pair.path."/srv"]
before = ["../x"]' '[module.pair.path."/srv"]
read_from = "x"'; do
  { cat "$T/plain.toml"; echo "$wrong"; echo '[module.pair]'; echo 'cmd = ["backup_dir"]'; } >"$C1/backupconfig.toml"
  exits 78 "$C1/scripts/backup_it" pair ""
  one_line
done
