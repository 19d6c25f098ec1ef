#!/usr/bin/env bash
# Goal: a pull that is cut goes on at once; one whose time is up, or whose server is stopped, is suspended and goes on later; nothing is counted as failed, little is sent twice.
. "$(dirname "$0")/lib.sh"
lab_up
tree=$T/tree
fresh() { # [BYTES] : a tree of 12 MB, or with two files of that size, that no compression makes smaller
  rm -rf "$tree"
  mkdir -p "$tree/a/b" "$tree/c"
  for i in {1..40}; do head -c 200000 /dev/urandom >"$tree/a/b/$i"; done
  for i in 1 2; do head -c "${1:-2000000}" /dev/urandom >"$tree/c/$i"; done
}
limit() { # KEY VALUE : of the server's [limits]
  python3 - "$S1/backupconfig.toml" "$1" "$2" <<'PY'
import sys
path, key, value = sys.argv[1:]
lines = open(path).read().splitlines()
if "[limits]" not in lines: lines += ["", "[limits]"]
at = lines.index("[limits]")
end = next((i for i in range(at + 1, len(lines)) if lines[i].startswith("[")), len(lines))
lines[at + 1:end] = [l for l in lines[at + 1:end] if l.split("=")[0].strip() != key] + ["%s = %s" % (key, value)]
open(path, "w").write("\n".join(lines) + "\n")
PY
}
rules() { # SED-SCRIPT : changes backline.conf as an administrator does
  (cd "$L/admin/server1" && sed -i "$1" backline.conf && git commit -qam "rules" && git push -q) >"$T/out" 2>&1 || { cat "$T/out"; die "the rules were refused"; }
}
ask() { exits 0 "$C1/scripts/backup_it" directories ""; "$C1/scripts/send_request" --now >"$T/out" 2>&1 || true; }
whole() { # the newest snapshot is the tree
  compare "$tree" "$(export_source "$S1" "$tree" "$T/export")"
  nothing_left "$C1" "$S1" client1
}
paths_of "$C1" directories "$tree"
limit backoff '["1s"]'
fresh 16000000  # 40 MB

say "a cut in the middle: the same run goes on, and keeps what came"
rules '/^\[client client1\]/,/^$/ s/^address = \(.*\):\([0-9]*\)$/&\n# \2/'
port=$(sed -n '/^\[client client1\]/,/^\[/ s/^# \([0-9]*\)$/\1/p' "$L/admin/server1/backline.conf" | head -1)
"$BK_BUILD/tests/delay_proxy" --to "127.0.0.1:$port" --cut-after 26000000 >"$T/proxy" </dev/null &
proxy=$!
ending() { kill "$proxy" 2>/dev/null; }
until grep -q '^port' "$T/proxy"; do sleep 0.1; done
rules "/^\[client client1\]/,/^\[/ s/^\(address = .*\):[0-9]*\$/\1:$(sed -n 's/^port //p' "$T/proxy")/"
ask
exits 0 "$S1/scripts/do_backup"
grep -q 'going on at once' "$S1"/log/do_backup-*.log || die "the log does not tell of the cut"
kill "$proxy"; wait "$proxy" || true
read -r _ _ _ down _ < <(tail -1 "$T/proxy")
# 66 MB when nothing was kept; twice may come what was still in the kernels and the proxy, and a group.
[[ $down -lt 46000000 ]] || die "$down bytes came for 40 MB"
checks=$((checks + 2))
"$C1/scripts/send_request" --now >"$T/out" 2>&1 || true
whole
[[ $(du -sb --exclude=locks --exclude='*.parity' "$S1/store" | cut -f1) -lt 42000000 ]] || die "the store holds parts twice"
rules "/^\[client client1\]/,/^\[/ s/^\(address = .*\):[0-9]*\$/\1:$port\nbandwidth = 3M/"

say "a time limit suspends: every run gets further, none has failed"
limit pull_timeout '"2s"'
fresh
ask
runs=0
until "$S1/scripts/do_backup" >"$T/out" 2>&1; do
  runs=$((runs + 1))
  [[ $runs -lt 9 ]] || { cat "$T/out"; die "it never ends"; }
  says 'suspended: .*time limit.*what came is kept'
  "$S1/scripts/do_backup" --status >"$T/status"
  grep -q 'suspended:' "$T/status" || { cat "$T/status"; die "the status does not say so"; }
  ! grep -q 'failed attempts' "$T/status" || die "a suspension was counted"
  sleep 1
done
[[ $runs -ge 1 && $runs -le 7 ]] || die "$runs runs"
"$C1/scripts/send_request" --now >"$T/out" 2>&1 || true
whole

say "SIGTERM: do_backup ends soon, the next run goes on"
limit pull_timeout '"1h"'
fresh
ask
"$S1/scripts/do_backup" >"$T/out" 2>&1 &
pid=$!
sleep 2
began=$SECONDS
kill "$pid"
status=0; wait "$pid" || status=$?
same "$status" 75
[[ $((SECONDS - began)) -lt 30 ]] || die "it took $((SECONDS - began)) s to end"
says 'suspended: do_backup was stopped'
ls "$S1"/store/snapshots/client1/*.checkpoint >/dev/null || die "no checkpoint was kept"
exits 0 "$S1/scripts/bkdb" verify -C "$S1"
exits 0 "$S1/scripts/do_backup"
"$C1/scripts/send_request" --now >"$T/out" 2>&1 || true
whole
! ls "$S1"/store/snapshots/client1/*.checkpoint 2>/dev/null || die "the checkpoint outlived its snapshot"
same "$(snapshots_of "$S1" "$tree")" 3
