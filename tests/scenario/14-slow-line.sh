#!/usr/bin/env bash
# Goal: the bandwidth of a client is kept by all its pulls together; how far they are is seen on both sides: on a terminal, by --status, by backup_it --wait, in the log.
. "$(dirname "$0")/lib.sh"
lab_up

say "two folders and a repository, eight megabytes that nothing makes smaller"
mkdir -p "$T/a/sub" "$T/b"
head -c 3000000 /dev/urandom >"$T/a/sub/x"
head -c 3000000 /dev/urandom >"$T/b/y"
git init -q "$T/repo.git" && head -c 2000000 /dev/urandom >"$T/repo.git/z"
git -C "$T/repo.git" add z && git -C "$T/repo.git" -c user.name=t -c user.email=t@example.org commit -qm z
paths_of "$C1" directories "$T/a" "$T/b"
paths_of "$C1" git "$T/repo.git"

say "a rate that makes no sense is refused; one megabyte a second is not"
limit() { (cd "$L/admin/server1" && sed -i "/^bandwidth/d; /^\[client client1\]/a bandwidth = $1" backline.conf && git commit -qam "limit" && git push -q) >"$T/out" 2>&1; }
! limit 1mb || die "1mb was accepted"
says 'backline.conf:[0-9]+: .*is no rate such as'
(cd "$L/admin/server1" && git reset -q --hard '@{u}')
limit 1M || die "the rule was refused: $(cat "$T/out")"

exits 0 "$C1/scripts/backup_it" directories ""
exits 0 "$C1/scripts/backup_it" git ""
"$C1/scripts/send_request" --now >"$T/out" 2>&1 || true

say "on a terminal, with --status beside it"
cat >"$T/on_terminal.py" <<'PY'
import os, pty, subprocess, sys, time
status, client, shown, began = sys.argv[1], sys.argv[2], "", time.monotonic()
theirs = ""
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[3], sys.argv[3:])
os.set_blocking(fd, True)
seen = ""
while True:
    try:
        piece = os.read(fd, 65536)
    except OSError:
        break
    if not piece:
        break
    shown += piece.decode()
    if "; being pulled: " not in theirs:
        theirs = subprocess.run([client, "--status"], capture_output=True, text=True).stdout
    if "/s" in shown and not seen:
        text = subprocess.run([status, "--status"], capture_output=True, text=True).stdout
        seen = text if "working: " in text and "/s" in text else ""
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print("seconds", time.monotonic() - began)
print("code", code)
print("rewritten", "\x1b[K" in shown and "\x1b[J" in shown)
print("rates", "/s" in shown)
print("names", repr(shown).count("client1 directories"))
print("left-behind", repr(shown.rsplit("\x1b[J", 1)[-1].strip()))
print("status", "working: " in seen)
print("client", "; being pulled: " in theirs)
PY
python3 "$T/on_terminal.py" "$S1/scripts/do_backup" "$C1/scripts/send_request" "$S1/scripts/do_backup" >"$T/out"
says '^code 0$'
says '^rewritten True$'
says '^rates True$'
says "^left-behind ''$"
says '^status True$'
says '^client True$'
# All but half a second's worth was paid for.
python3 -c 'import sys; s=float(next(l.split()[1] for l in open(sys.argv[1]) if l.startswith("seconds"))); sys.exit(0 if s >= 8e6/2**20-0.5 else f"{s} s for 8 MB at 1 MB/s")' "$T/out" || die "faster than the limit"
checks=$((checks + 1))

say "the log has the closing lines, and nothing of it is left"
cat "$S1"/log/do_backup-*.log >"$T/out"
says 'client1 directories .*: 1 files, 2 directories; read 3.0 MB, sent 3.[0-9] MB, stored 3.[0-9] MB, [0-9.]+ s, [0-9.]+ [kM]?B/s$'
[[ -z $(find "$S1/tmp/progress" -type f) ]] || die "progress was left behind"
exits 0 "$S1/scripts/do_backup"
same "$(wc -c <"$T/out")" 0 "no terminal, no lines"
"$C1/scripts/send_request" --now >"$T/out" 2>&1 || die "the receipts did not arrive"
nothing_left "$C1" "$S1" client1
exits 0 "$C1/scripts/send_request" --status
! grep -q "being pulled" "$T/out" || die "a pull that is over is shown"

say "who waits is told of every step, and of the pull"
head -c 3000000 /dev/urandom >"$T/a/sub/x"
"$C1/scripts/backup_it" --wait 60 directories "" >"$T/waited" 2>&1 </dev/null &
waiting=$!
for ((i = 0; i < 200; ++i)); do grep -q "sub\|taken by" "$T/waited" && break; sleep 0.05; done
exits 0 "$S1/scripts/do_backup"
wait "$waiting" || die "waiting ended with $?: $(cat "$T/waited")"
cp "$T/waited" "$T/out"
says "^directories \"$T/a\": taken by server1$"
says "^directories \"$T/a\": taken by server1; being pulled$"
says "^directories \"$T/a\" -> server1: ok"
! grep -q $'\x1b' "$T/out" || die "escapes without a terminal"
