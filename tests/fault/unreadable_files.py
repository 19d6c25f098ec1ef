#!/usr/bin/env python3
"""Goal: a file of a store that the disk does not give back stops nothing but what needs that very file.

  unreadable_files.py --bin BUILD/bin --shim fail_call.so [--only PART OF A NAME] [--keep]

On a copy of a small server each file of its store, index and catalog in turn cannot be read, nor opened to be read, for good.  With it:
  ls shows all snapshots but one whose own record it is, and says what it left out
  a backup goes through, unless it is the header or the journal of that client's snapshots, which it names
  verify names the file, or it is one that is made anew, and marks nothing
  export never gives wrong bytes with a good status, and everything when the file is none of the store's
  heal, build and clean end by themselves: done, or with a line that says why
And when the disk is back: heal, twice at most, and verify is content; every snapshot that was there reads back whole, byte for byte.
"""
import argparse
import hashlib
import json
import os
import sys

from fail_sweep import Backup, Trial, World
from store_world import Failure, failing, run

DONE, CORRUPT, IO, REFUSED = 0, 65, 74, 77


def files_of(home):
    out = []
    for part in ("store", "index"):
        for folder, _, names in os.walk(os.path.join(home, part)):
            out += [os.path.relpath(os.path.join(folder, name), home) for name in names]
    return sorted(name for name in out + ["catalog.db"] if os.path.getsize(os.path.join(home, name)) > 0)


class OneFile:
    def __init__(self, world, shim, name):
        self.world, self.shim, self.name = world, shim, name
        self.trial = Trial(world, hashlib.sha256(name.encode()).hexdigest()[:12])
        self.env = failing(shim, os.path.join(self.trial.home, name), "read", 1, 5, True, self.trial.home + ".log")
        self.header = name == "store/header"
        self.client_journal = name.startswith("store/snapshots/") and name.endswith("/journal")
        self.record = name.endswith(".snapshot")

    def run(self, *words, ok):
        done = self.trial.bkdb(*words, ok=None, env=self.env)
        said = (done.stdout + done.stderr).decode(errors="replace")
        if done.returncode not in ok:
            raise Failure("%s: exit %d: %s" % (words[0], done.returncode, said[-600:]))
        if done.returncode and not said.strip():
            raise Failure("%s: exit %d without a word" % (words[0], done.returncode))
        return done, said

    def names_it(self, said):
        return os.path.basename(self.name) in said

    def readers(self):
        want = self.trial.before
        done, said = self.run("ls", "--json", ok=(DONE, CORRUPT, IO))
        if self.header:
            return self.names_it(said) or self.fail("ls does not say that it is the header")
        if self.client_journal:
            return self.names_it(said) or self.fail("ls does not name the journal")
        listed = json.loads(done.stdout)
        there = {snap["id"] for source in listed["sources"] for snap in source["snapshots"]}
        if len(want - there) != (1 if self.record else 0):
            self.fail("ls shows %d of %d snapshots" % (len(there), len(want)))
        if self.record and (not self.names_it(said) or done.returncode == DONE):
            self.fail("ls leaves a snapshot out without a word")
        _, said = self.run("verify", ok=(DONE, IO) if not self.name.endswith(".parity") else (DONE, CORRUPT, IO))
        if self.name.startswith("store/") and not self.name.endswith(("lock", ".parity")) and "/locks/" not in self.name:
            if not self.names_it(said):
                self.fail("verify does not name it: " + said[-400:])
        if os.path.exists(self.trial.home + "/index/damaged"):
            self.fail("a file that cannot be read was written down as damaged")
        if not self.record:
            done, said = self.run("export", "-", "0", ok=(DONE, CORRUPT, IO) if self.name.startswith("store/") else (DONE,))
            if done.returncode == DONE and hashlib.sha256(done.stdout).hexdigest() != self.world.whole:
                self.fail("export gives wrong bytes with a good status")

    def fail(self, why):
        raise Failure(why)

    def backup(self):
        operation = Backup()
        operation.prepare(self.trial)
        done = run(operation.command(self.trial), self.env, ok=None)
        said = (done.stdout + done.stderr).decode(errors="replace")
        if self.header or self.client_journal:
            if done.returncode == DONE or not self.names_it(said):
                self.fail("backup, exit %d: %s" % (done.returncode, said[-400:]))
            return
        if self.name == "catalog.db":  # the new one has the same name, so it cannot be read either
            aside = [name for name in os.listdir(self.trial.home) if name.startswith("catalog.db.damaged-")]
            return bool(aside) or self.fail("backup: the catalog was not set aside: " + said[-400:])
        if done.returncode != DONE:
            self.fail("backup, exit %d: %s" % (done.returncode, said[-600:]))
        if len(self.trial.snapshots()) != len(self.trial.before) + 1:
            self.fail("no new snapshot")

    def writers(self):
        if self.header:
            return
        self.run("clean", "--rewrite", "1", ok=(DONE, IO, REFUSED))
        self.run("heal", ok=(DONE, IO))  # nothing is damaged
        self.run("build", ok=(DONE, CORRUPT, IO))

    def afterwards(self):
        if self.trial.bkdb("heal", ok=(DONE, CORRUPT)).returncode:
            self.trial.bkdb("heal")
        self.trial.bkdb("build")
        self.trial.bkdb("verify")
        if not self.trial.before <= self.trial.snapshots():
            self.fail("snapshots are gone")

    def all(self):
        self.readers()
        self.backup()
        self.writers()
        self.afterwards()


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--bin", required=True)
    ap.add_argument("--shim", required=True)
    ap.add_argument("--only", default="")
    ap.add_argument("--keep", action="store_true")
    opts = ap.parse_args()
    world, failures = World(os.path.abspath(opts.bin)), 0
    try:
        template = Trial(world, "template")
        _, world.whole = template.digest()
        names = [name for name in files_of(template.home) if opts.only in name]
        template.remove()
        for name in names:
            one = OneFile(world, os.path.abspath(opts.shim), name)
            try:
                one.all()
                print("good: " + name, flush=True)
            except (Failure, OSError, ValueError, KeyError) as error:
                failures += 1
                print("FAILED: %s: %s" % (name, error), flush=True)
            if not opts.keep:
                one.trial.remove()
        print("%d files, %d failures" % (len(names), failures))
        return 1 if failures or not names else 0
    finally:
        world.stop(opts.keep)


if __name__ == "__main__":
    sys.exit(main())
