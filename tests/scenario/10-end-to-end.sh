#!/usr/bin/env bash
# Goal: a tree, a git repository and an archive go from client to store and come back exactly; an unchanged second run adds next to nothing.
. "$(dirname "$0")/lib.sh"
lab_up

say "a real tree of at least 20,000 files, with everything a tree can hold"
mkdir -p "$T/src"
cp -a /usr/include "$T/src/tree"
python3 - "$T/src/tree" <<'PY'
import os, sys
root = os.fsencode(sys.argv[1])
made = sum(len(f) for _, _, f in os.walk(root))
i = 0
while made < 20500:
    d = root + b"/filler/%03d" % (i // 200)
    os.makedirs(d, exist_ok=True)
    with open(d + b"/f%d" % i, "wb") as f:
        f.write(os.urandom(i % 1500))
    i += 1; made += 1
odd = root + b"/odd"
os.makedirs(odd)
for b in range(1, 256):
    if b != 47:
        open(odd + b"/n" + bytes([b]), "wb").write(bytes([b]))
open(odd + b"/" + b"x" * 255, "w").close()
for k in range(3):
    os.link(odd + b"/nA", odd + b"/hard%d" % k)
os.symlink(b"/nowhere/\xff\xfe", odd + b"/dangling")
os.symlink(b"nA", odd + b"/link")
os.mkfifo(odd + b"/fifo", 0o640)
with open(odd + b"/holes", "wb") as f:
    f.write(b"head"); f.seek(64 << 20); f.write(b"tail"); f.truncate(96 << 20)
os.truncate(os.open(odd + b"/allhole", os.O_WRONLY | os.O_CREAT), 5 << 20)
os.setxattr(odd + b"/nB", "user.note", b"a\0b\xff")
os.utime(odd + b"/nC", ns=(-1_500_000_001, -1_500_000_001))
os.utime(odd + b"/nD", ns=(1, 7_000_000_123_456_789))
os.utime(odd + b"/link", ns=(5, 1_234_567_890_987_654_321), follow_symlinks=False)
for m in range(0, 4096, 97):
    p = odd + b"/mode%04o" % m
    open(p, "w").close(); os.chmod(p, m)
if os.geteuid() == 0:
    os.chown(odd + b"/nE", 12345, 4294967294 - 1)
    os.setxattr(odd + b"/nF", "trusted.t", b"1")
    os.mknod(odd + b"/null", 0o666 | 0o020000, os.makedev(1, 3))
os.mkdir(odd + b"/empty", 0o700)
os.utime(odd + b"/empty", ns=(3, 4_000_000_005))
PY
files=$(find "$T/src/tree" -type f | wc -l)
[[ $files -ge 20000 ]] || die "only $files files"
paths_of "$C1" directories "$T/src/tree"
one_round "$C1" "$S1" directories
nothing_left "$C1" "$S1" client1
got=$(export_source "$S1" "$T/src/tree" "$T/out-tree")
compare "$T/src/tree" "$got"

say "an unchanged second run adds a snapshot record and next to nothing else"
before=$(du -sb "$S1/store" | cut -f1)
one_round "$C1" "$S1" directories
after=$(du -sb "$S1/store" | cut -f1)
same "$(snapshots_of "$S1" "$T/src/tree")" 2
(( after - before < 16384 )) || die "the unchanged run added $((after - before)) bytes"
echo "   $files files; unchanged run added $((after - before)) bytes to the store"

say "an archive whose SHA-256 is the client's"
mkdir -p "$T/src/trac/conf"; cp -a /usr/share/doc/git "$T/src/trac/" 2>/dev/null || cp -a /usr/share/common-licenses "$T/src/trac/"
echo "[trac]" >"$T/src/trac/conf/trac.ini"
paths_of "$C1" trac "$T/src/trac"; archive_form "$C1" trac
exits 0 "$C1/scripts/backup_it" trac ""
exits 0 "$C1/scripts/send_request" --now
archive=$(find "$C1/tmp" -type f -regextype posix-extended -regex '.*/[0-9a-f]{64}')
same "$(sha256sum <"$archive" | cut -c1-64)" "$(basename "$archive")"
want=$(basename "$archive")
exits 0 "$S1/scripts/do_backup"
exits 0 "$C1/scripts/send_request" --now
[[ ! -e $archive ]] || die "the archive is still in tmp/ after its outcome was read"
got=$(export_source "$S1" "$T/src/trac" "$T/out-trac")
same "$(sha256sum <"$got" | cut -c1-64)" "$want"
mkdir "$T/untar"; tar --warning=no-unknown-keyword -xpf "$got" -C "$T/untar"
inner=$(find "$T/untar" -name trac.ini); compare "$T/src/trac" "$(dirname "$(dirname "$inner")")"

say "bkdb shows, prints, finds, streams"
exits 0 "$S1/scripts/bkdb" ls -C "$S1"
says '^Base path: '
says "^\* \[[0-9]+\] $T/src/tree( |\$)"
mkdir -p "$T/place"; (cd "$S1/data/client1/rsync" && "$S1/scripts/bkdb" ls) >"$T/out"
same "$(head -n 2 "$T/out" | tail -n 1)" "* [0] $T/src/tree"
i=$(index_of "$S1" "$T/src/tree")
same "$("$S1/scripts/bkdb" cat "$i" odd/nA -C "$S1")" A "without a range"
same "$("$S1/scripts/bkdb" cat "$i" '<2999-01-01,1' odd/nA -C "$S1")" A "with a range"
exits 0 "$S1/scripts/bkdb" find '*hard1' -C "$S1"; says hard1
mkdir "$T/stream"; "$S1/scripts/bkdb" export - "$i" -C "$S1" | tar --warning=no-unknown-keyword -xpf - -C "$T/stream" --xattrs --xattrs-include='*' --numeric-owner
[[ -n $(find "$T/stream" -name allhole) ]] || die "the stream lacks files"
exits 0 "$S1/scripts/bkdb" export "$T/part" "$i" --path odd/empty --path odd/nA -C "$S1"
same "$(find "$T/part" -type f ! -name EXPORT.txt | wc -l)" 1
exits 0 "$S1/scripts/bkdb" verify -C "$S1"

say "index, catalog and views are caches: delete them, build, export again"
rm -rf "$S1/index" "$S1/catalog.db"* "$S1/data"
exits 0 "$S1/scripts/bkdb" build -C "$S1"
got=$(export_source "$S1" "$T/src/tree" "$T/out-tree2")
compare "$T/src/tree" "$got"
