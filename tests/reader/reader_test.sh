#!/usr/bin/env bash
# Goal: whoever has the format pages and the files of a store gets everything back, and nothing wrong.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tools=${BK_BIN:-$here/../../build/dev/bin}/../tests
T=$(mktemp -d "${TMPDIR:-/tmp}/bk-reader-XXXXXX")
trap 'chmod -R u+rwX "$T"; rm -rf "$T"' EXIT
die() { echo "FAILED: $*" >&2; exit 1; }
reader() { python3 "$here/bk_reader.py" "$@"; }
same() { python3 "$here/../support/compare_trees.py" "$1" "$2" || die "$2 differs"; }
store() { "$tools/store_folder" "$T/store" "$@" >/dev/null; }

groups=names,sparse,links,symlinks,special,attributes,acls,modes,owners,times,empty
python3 "$here/../support/torture_tree.py" make "$T/tree" --only "$groups" 2>/dev/null
store "$T/tree"
reader --journals "$T/store" restore web1 1 "$T/out1"
same "$T/tree" "$T/out1"

python3 "$here/../support/torture_tree.py" change "$T/tree" 2>/dev/null
head -c 40000000 /dev/urandom >"$T/tree/enough-for-a-pack"
store "$T/tree"
tar -cf "$T/archive.tar" -C "$T/tree" names times
store "$T/archive.tar"

[[ -n $(find "$T/store/packs" -name '*.pack') && -n $(find "$T/store/journal" -name '*.pack') ]] || die "no pack, or no journal"
reader --journals "$T/store" restore web1 2 "$T/out2"
same "$T/tree" "$T/out2"
reader --journals "$T/store" restore web1 3 "$T/out3"
same "$T/archive.tar" "$T/out3"
reader --journals "$T/store" verify

"$tools/../bin/bkdb" key new "$T/key" >/dev/null
"$tools/store_folder" "$T/keyed" "$T/tree" "$T/tree" 1 "$T/key" >/dev/null
reader --journals --key "$T/key" "$T/keyed" restore web1 1 "$T/out4"
same "$T/tree" "$T/out4"
reader --journals --key "$T/key" "$T/keyed" verify
! reader --journals "$T/keyed" list 2>/dev/null || die "read without its key"

"$tools/../bin/bkdb" key seal "$T/seal" "$T/unseal" >/dev/null
"$tools/store_folder" "$T/sealed" "$T/tree" "$T/tree" 2 "" "$T/seal" >/dev/null
"$tools/store_folder" "$T/sealed" "$T/archive.tar" "$T/archive.tar" 1 "" "$T/seal" >/dev/null
reader --journals "$T/sealed" verify
! reader --journals "$T/sealed" restore web1 2 "$T/out5" 2>/dev/null || die "read what is sealed without its key"
reader --journals --unseal "$T/unseal" "$T/sealed" restore web1 2 "$T/out5"
same "$T/tree" "$T/out5"
reader --journals --unseal "$T/unseal" "$T/sealed" restore web1 3 "$T/out6"
same "$T/archive.tar" "$T/out6"

mkdir -p "$T/home" && ln -s "$T/sealed" "$T/home/store" && ln -s "$T/sealed.index" "$T/home/index"
bkdb() { "$tools/../bin/bkdb" --home "$T/home" -C "$T/home" "$@"; }
bkdb verify | grep -q '^good: 3 snapshots (3 sealed)' || die "bkdb verify without the key"
! bkdb export "$T/no" 0 2>"$T/why" || die "exported without the key"
grep -q 'sealed' "$T/why" || die "why it is not exported is not said: $(cat "$T/why")"
bkdb --unseal "$T/unseal" export "$T/exported" 1 >/dev/null
same "$T/tree" "$T"/exported/1_*
bkdb --unseal "$T/unseal" verify | grep -q '^good: 3 snapshots, [1-9]' || die "bkdb verify with the key"

flip() { python3 -c 'import sys
f = open(sys.argv[1], "r+b"); f.seek(int(sys.argv[2])); b = f.read(1); f.seek(-1, 1); f.write(bytes([b[0] ^ 1]))' "$@"; }
pack=$(find "$T/store/packs" -name '*.pack' | head -n 1)
for file in "$pack" "$T/store/header" "$T/store/snapshots/web1/journal" "$T/store/snapshots/web1/00000000000000000002.snapshot"; do
  size=$(stat -c %s "$file")
  for at in $((size / 2)) $((size - 2)); do
    flip "$file" "$at"
    ! reader "$T/store" list >/dev/null 2>"$T/why" || die "byte $at of $file does not matter"
    grep -q '^bk_reader: ' "$T/why" || { cat "$T/why"; die "damage is not said"; }
    flip "$file" "$at"
  done
done
reader --journals "$T/store" list
