#!/usr/bin/env python3
"""Goal: whatever single call of the disk fails, nothing that was finished suffers, the message says what and where, and the next run
goes through by itself.

  fail_sweep.py --bin BUILD/bin --shim fail_call.so [--all | --most N] [--only OPERATION] [--errors ENOSPC,EIO] [--keep]
  fail_sweep.py --bin BUILD/bin --shim fail_call.so --kill [--most N] [--only OPERATION]

For each operation (a backup, rm, hold, keep, clean, heal, build, import, and the readers verify and export) on a copy of the same small
server: the first run counts its calls; then the n-th one fails, for n = 1, 2, 3 ...; of many equal calls in a row (same function, same file) the first, the middle and the last one,
unless --all; --most N takes N of them, spread evenly.  Once with the disk as it was afterwards, and for ENOSPC also with a disk that
stays full.  After each failure:
  the run ended with a status below 128 and, unless 0, with one line that names a path or says what to do
  when it ended with 0, it did what it was asked
  the same operation again, without a failure, goes through
  every snapshot that was there reads back whole, byte for byte
With --kill the program is killed instead: just before the n-th such call, and at every named durable step (common/io/crash.h) that it passes.
A failing read is never damage: verify says "cannot read", marks nothing, and export never gives wrong bytes with a good status.
"""
import argparse
import collections
import concurrent.futures
import errno
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from store_world import Failure, failing, lines_of, make_old_folder, packs, run

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))


class World:
    """A lab, and a server's home with three snapshots of a tree and one of an archive, which every trial copies."""

    def __init__(self, bin_dir):
        self.bin = bin_dir
        self.dir = os.path.realpath(tempfile.mkdtemp(prefix="bk-fail-", dir=os.environ.get("TMPDIR")))
        self.lab = self.dir + "/lab"
        run([SOURCE + "/setup/lab", "start", self.lab], {"BK_BIN": bin_dir})
        self.client, self.server = self.lab + "/client1", self.lab + "/server1"
        self.tree = self.dir + "/tree"
        self.old = self.dir + "/old"  # of the system before: what import takes
        self.fill()
        self.home = self.dir + "/home"
        self.begin()

    def fill(self):
        os.makedirs(self.tree + "/sub")
        for i in range(20):
            with open("%s/sub/f%d" % (self.tree, i), "wb") as out:
                out.write(os.urandom(3000 * i + 100))
        config = self.client + "/backupconfig.toml"
        with open(config) as f:
            lines = f.read().replace("[module.directories]\npaths = []", '[module.directories]\npaths = ["%s"]' % self.tree)
        with open(config, "w") as f:
            f.write(lines + '\n[consent.server1]\nroots = ["%s"]\n' % self.tree)
        rules = self.lab + "/admin/server1"
        with open(rules + "/backline.conf", "a") as f:
            f.write("[keep]\nlast = 1\nat_most = 100%\n")
        git = ["git", "-C", rules, "-c", "user.name=t", "-c", "user.email=t@localhost"]
        run(git + ["commit", "-qam", "keep"])
        run(git + ["push", "-q"])

    def begin(self):
        with open(self.tree + "/large", "wb") as f:
            f.write(os.urandom(34 << 20))  # fills a pack
        for serial in range(3):
            if serial == 2:
                os.unlink(self.tree + "/large")
            with open(self.tree + "/mark", "w") as f:
                f.write("serial %d\n" % serial)
            with open(self.tree + "/sub/f3", "wb") as f:
                f.write(os.urandom(200000))
            run([self.client + "/scripts/backup_it", "directories", ""])
            run([self.client + "/scripts/send_request", "--now"])
            run([self.server + "/scripts/do_backup"])
            run([self.client + "/scripts/send_request", "--now"])
        shutil.copytree(self.server, self.home, symlinks=True)
        make_old_folder(self.old, random.Random(4))

    def stop(self, keep):
        run([SOURCE + "/setup/lab", "stop", self.lab], {"BK_BIN": self.bin}, ok=None)
        if not keep:
            shutil.rmtree(self.dir, ignore_errors=True)


class Trial:
    """One copy of the server's home."""

    def __init__(self, world, number):
        self.world = world
        self.home = "%s/trial-%s" % (world.dir, number)
        shutil.rmtree(self.home, ignore_errors=True)
        subprocess.run(["cp", "-a", world.home, self.home], check=True)
        self.before = self.snapshots()

    def bkdb(self, *words, **more):
        return run([self.world.bin + "/bkdb", *words, "-C", self.home], **more)

    def snapshots(self):
        listing = json.loads(self.bkdb("ls", "--json").stdout)
        return {snap["id"] for source in listing["sources"] for snap in source["snapshots"]}

    def digest(self, ok=(0,), env=None):
        done = self.bkdb("export", "-", "0", ok=ok, env=env)
        return done, hashlib.sha256(done.stdout).hexdigest()

    def remove(self):
        shutil.rmtree(self.home, ignore_errors=True)


class Operation:
    changes = True
    removes = 0  # how many of the snapshots that were there may be gone afterwards

    def prepare(self, trial):
        pass

    def command(self, trial):
        raise NotImplementedError

    def again(self, trial):
        run(self.command(trial))

    def done(self, trial):
        """Raises when the operation was not done although it said so."""


class Backup(Operation):
    """bk_pull itself: one request in state P, pulled from the real agent."""
    name = "backup"

    def prepare(self, trial):
        request = os.urandom(16).hex()
        stem = None
        todo = trial.home + "/TODO/client1/"
        for name in os.listdir(todo):
            if name.startswith("F"):
                stem, text = name[1:].rsplit(".", 1)[0], open(todo + name).read()
        keep = [line for line in text.splitlines()[:-1]
                if line.split(":")[0] not in ("finished", "outcome", "status", "snapshot", "reason", "answers", "id")]
        keep.insert(1, "id: " + request)
        keep.insert(2, "answers: " + request)
        order = ["id", "counter", "client", "module", "name", "method", "place", "requested", "prepared"]
        head, rest = keep[0], keep[1:]
        rest.sort(key=lambda line: order.index(line.split(":")[0]) if line.split(":")[0] in order else len(order))
        body = "\n".join([head] + rest) + "\n"
        with open(todo + "P" + stem, "w") as f:
            f.write(body + "end: sha256 " + hashlib.sha256(body.encode()).hexdigest() + "\n")
        self.stem = stem
        trial.stem = stem

    def command(self, trial):
        return [self.world_bin(trial) + "/bk_pull", "--home", trial.home, "--", "client1", trial.stem]

    @staticmethod
    def world_bin(trial):
        return trial.world.bin

    def again(self, trial):
        run([trial.world.bin + "/do_backup", "--home", trial.home, "--once", "client1"])

    def done(self, trial):
        if len(trial.snapshots()) != len(trial.before) + 1:
            raise Failure("no new snapshot")
        left = [n for n in os.listdir(trial.home + "/TODO/client1") if n[0] in "CPX"]
        if left:
            raise Failure("left in the work list: %s" % left)


class Bkdb(Operation):
    def __init__(self, name, words, removes=0):
        self.name, self.words, self.removes = name, words, removes

    def command(self, trial):
        return [trial.world.bin + "/bkdb", *self.words, "-C", trial.home]


class Remove(Bkdb):
    def done(self, trial):
        if len(trial.snapshots()) != len(trial.before) - self.removes:
            raise Failure("not removed")

    def again(self, trial):
        left = len(trial.snapshots()) - (len(trial.before) - self.removes)
        if left:
            run([str(left) if word == str(self.removes) else word for word in self.command(trial)])
        self.done(trial)


class Clean(Bkdb):
    def prepare(self, trial):
        trial.bkdb("rm", "0", "<3000", "--yes", "--expect", "3", ok=None)
        trial.bkdb("keep")
        trial.before = trial.snapshots()


class Heal(Bkdb):
    def prepare(self, trial):
        found = packs(trial.home)
        if not found:
            raise Failure("no finished pack to damage")
        with open(max(found, key=os.path.getsize), "r+b") as f:
            f.seek(5000)
            byte = f.read(1)
            f.seek(5000)
            f.write(bytes([byte[0] ^ 1]))

    def done(self, trial):
        trial.bkdb("verify")


class Build(Bkdb):
    def prepare(self, trial):
        for name in ("index", "catalog.db", "catalog.db-wal", "catalog.db-shm"):
            path = os.path.join(trial.home, name)
            shutil.rmtree(path, ignore_errors=True)
            if os.path.exists(path):
                os.unlink(path)


class Hold(Bkdb):
    def again(self, trial):
        trial.bkdb("release", "0", ok=(0, 69))  # 69: the hold never came into force


class Import(Bkdb):
    """A folder that was exported, taken in as another client's."""

    def command(self, trial):
        return [trial.world.bin + "/bkdb", "import", trial.world.old, "--client", "old", "-C", trial.home]

    def again(self, trial):
        run(self.command(trial), ok=(0, 3))


class Reader(Bkdb):
    changes = False


OPERATIONS = [Backup(), Remove("rm", ["rm", "0", "--yes", "--expect", "3"], 3), Remove("keep", ["keep"], 2),
              Hold("hold", ["hold", "0"]), Clean("clean", ["clean", "--rewrite", "1"]), Build("build", ["build"]),
              Heal("heal", ["heal"]), Import("import", [])]
READERS = [Reader("verify", ["verify"]), Reader("export", ["export", "-", "0"]), Reader("ls", ["ls"])]


class Sweep:
    def __init__(self, world, opts):
        self.world, self.opts = world, opts
        self.lock, self.failures, self.runs = threading.Lock(), [], 0

    def shim(self, trial, kind, at, code, stays):
        return failing(self.opts.shim, trial.home, kind, at, code, stays, trial.home + ".log")

    def count(self, operation, kind):
        trial = Trial(self.world, "count-" + operation.name + kind)
        try:
            operation.prepare(trial)
            run(operation.command(trial), self.shim(trial, kind, 0, 5, False))
            operation.done(trial)
            return lines_of(trial.home + ".log")
        finally:
            trial.remove()

    def one(self, operation, kind, at, code, stays, called):
        what = errno.errorcode[code] if code else "killed"
        where = "%s, %s at %d (%s)%s" % (operation.name, what, at, called.replace(self.world.dir, ""),
                                       ", and from there on" if stays else "")
        trial = Trial(self.world, hashlib.sha256(where.encode()).hexdigest()[:12])
        try:
            operation.prepare(trial)
            if operation.changes:
                self.change(operation, trial, kind, at, code, stays, called)
            else:
                self.read(operation, trial, at, code)
        except (Failure, subprocess.TimeoutExpired, OSError, ValueError, KeyError) as error:
            with self.lock:
                self.failures.append(where)
                print("FAILED: %s: %s" % (where, error), flush=True)
        finally:
            with self.lock:
                self.runs += 1
            if not self.opts.keep:
                trial.remove()

    def judge_words(self, operation, done):
        words = done.stderr.decode(errors="replace").strip()
        if operation.name in ("verify", "heal"):  # say there what they found
            words += done.stdout.decode(errors="replace")
        if done.returncode >= 128 or done.returncode < 0:
            raise Failure("died with %d: %s" % (done.returncode, words[-600:]))
        if done.returncode and not words:
            raise Failure("exit %d without a word" % done.returncode)
        return words

    def change(self, operation, trial, kind, at, code, stays, called):
        if kind == "step":
            log = trial.home + ".log"
            done = run(operation.command(trial), {"BACKLINE_CRASH_AT": "%s:%d" % (called, at), "BACKLINE_CRASH_LOG": log}, ok=None)
        else:
            done = run(operation.command(trial), self.shim(trial, kind, at, code, stays), ok=None)
        if code:
            words = self.judge_words(operation, done)
            if done.returncode == 65 and kind == "write":
                raise Failure("a disk that refused counts as damage: " + words)
        if done.returncode == 0:
            operation.done(trial)
        gone = trial.before - trial.snapshots()
        if len(gone) > operation.removes:
            raise Failure("snapshots are gone: %s" % gone)
        operation.again(trial)
        left = trial.snapshots()
        trial.bkdb("verify", ok=(0,) if left else (69,))

    def read(self, operation, trial, at, code):
        _, want = trial.digest() if operation.name == "export" else (None, None)
        done = run(operation.command(trial), self.shim(trial, "read", at, code, False), ok=None)
        words = self.judge_words(operation, done)
        if operation.name == "export" and done.returncode == 0 and hashlib.sha256(done.stdout).hexdigest() != want:
            raise Failure("wrong bytes with a good status")
        # Parity that the disk does not give back is made anew: it counts as damaged.
        if (done.returncode == 65 or "corrupt" in words.lower()) and "parts of this parity" not in words:
            raise Failure("a read that failed counts as damage: " + words[-600:])
        if os.path.exists(trial.home + "/index/damaged"):
            raise Failure("a read that failed was written down as damage")
        trial.bkdb("verify")

    def pick(self, calls):
        """(position, call) of those that are to fail, one after the other."""
        if self.opts.all:
            return list(enumerate(calls, 1))
        # Numbers of packs, writers and temporary files differ from run to run.
        same = [re.sub(r"[0-9a-f]{6,}|[A-Za-z0-9]{6}$", "#", call) for call in calls]
        out, begin = [], 0
        for end in range(1, len(calls) + 1):
            if end < len(calls) and same[end] == same[begin]:
                continue
            out += [(at + 1, calls[at]) for at in sorted({begin, (begin + end - 1) // 2, end - 1})]
            begin = end
        step = max(1.0, len(out) / self.opts.most) if self.opts.most else 1.0
        return [out[int(i * step)] for i in range(int(len(out) / step))]

    def plan(self):
        if self.opts.kill:
            return self.plan_kills()
        jobs, counts = [], []
        for operation in OPERATIONS + READERS:
            if self.opts.only and operation.name != self.opts.only:
                continue
            for kind in ["write", "read"] if operation.changes else ["read"]:
                calls = self.count(operation, kind)
                chosen = self.pick(calls)
                counts.append("%s %d of %d %ss" % (operation.name, len(chosen), len(calls), kind))
                for at, called in chosen:
                    if kind == "read":
                        jobs.append((operation, kind, at, errno.EIO, False, called))
                        continue
                    for name in self.opts.errors.split(","):
                        code = getattr(errno, name)
                        jobs.append((operation, kind, at, code, False, called))
                        if code == errno.ENOSPC:
                            jobs.append((operation, kind, at, code, True, called))
        print("calls: " + ", ".join(counts), flush=True)
        return jobs

    def steps(self, operation):
        """Named durable steps that the operation passes, each with how often."""
        trial = Trial(self.world, "steps-" + operation.name)
        try:
            operation.prepare(trial)
            log = trial.home + ".log"
            run(operation.command(trial), {"BACKLINE_CRASH_LOG": log})
            return collections.Counter(lines_of(log))
        finally:
            trial.remove()

    def plan_kills(self):
        jobs, counts = [], []
        for operation in OPERATIONS:
            if self.opts.only and operation.name != self.opts.only:
                continue
            steps = self.steps(operation)
            calls = self.count(operation, "write")
            chosen = self.pick(calls)
            counts.append("%s %d steps, %d of %d calls" % (operation.name, len(steps), len(chosen), len(calls)))
            for name, count in sorted(steps.items()):
                jobs += [(operation, "step", at, 0, False, name) for at in sorted({1, count})]
            jobs += [(operation, "write", at, 0, False, called) for at, called in chosen]
        print("kills: " + ", ".join(counts), flush=True)
        return jobs

    def run(self):
        jobs = self.plan()
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(self.opts.jobs) as pool:
            list(pool.map(lambda job: self.one(*job), jobs))
        print("%d times, %d failures, %.0f s" % (self.runs, len(self.failures), time.monotonic() - began))
        return 1 if self.failures or not self.runs else 0


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--bin", required=True)
    ap.add_argument("--shim", required=True)
    ap.add_argument("--all", action="store_true", help="every call, also of many equal ones in a row")
    ap.add_argument("--most", type=int, default=0, help="of each operation and kind; default: no limit")
    ap.add_argument("--kill", action="store_true", help="kill the program instead")
    ap.add_argument("--only")
    ap.add_argument("--errors", default="ENOSPC,EIO")
    ap.add_argument("--jobs", type=int, default=2)
    ap.add_argument("--keep", action="store_true")
    opts = ap.parse_args()
    world = World(opts.bin)
    try:
        return Sweep(world, opts).run()
    finally:
        world.stop(opts.keep)


if __name__ == "__main__":
    sys.exit(main())
