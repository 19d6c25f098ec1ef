#!/usr/bin/env python3
"""Goal: whatever call fails and wherever a program dies, the store keeps what it promised and goes on by itself.

  store_faults.py --build BUILD [--points N] [--kills N] [--only OP[/KIND[/N]]] [--jobs N] [--seed N] [--keep]

The operations backup, rm, clean (one that counts what went, one that looks at everything), heal, build and import, each on a fresh copy of a small home, with each of:
  steps   SIGKILL at every named durable step that it passes (BACKLINE_CRASH_AT)
  kill    SIGKILL before the n-th call that changes something on the disk
  enospc  from the n-th call that needs room on there is none
  eio     the n-th call that changes something fails with EIO, once
  read    the n-th read fails with EIO, once
--points: so many n of each, spread evenly (default: every n); --kills: the same for `kill`, over all operations.
After each: one clear line and a status other than 0 when it did not do its work; older snapshots verify and export as
they were; the same command once more gets through; all that was promised is there, also with index, catalog and views made
anew; nothing half-made is left.  On damage no reader may say "damaged" where the disk only refused.
"""
import argparse
import errno
import os
import queue
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

from store_world import Failure, World, failing, lines_of, require_programs, run, scratch, text

# What fails, with which errno (0: the program is killed), and whether from there on.
KINDS = {"kill": ("write", 0, False), "enospc": ("write", errno.ENOSPC, True), "eio": ("write", errno.EIO, False), "read": ("read", errno.EIO, False)}
# SQLite tells less; the catalog is a cache.
SQLITE = re.compile(r'database ".*catalog.db": (disk I/O error|database or disk is full|unable to open database file|attempt to write a readonly database)')
REASON = {"enospc": "No space left on device", "eio": "Input/output error", "read": "Input/output error"}
# A crash of the program itself is never an answer; 74 is local I/O, 75 try later, 65 what could not be read is named.
ABORTED = (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS)


class Point:
    """One fault: an operation, a kind, and where."""

    def __init__(self, operation, kind, where):
        self.operation, self.kind, self.where = operation, kind, where

    def __str__(self):
        return "%s/%s/%s" % (self.operation.name, self.kind, self.where)


def environment(world, home, kind, where, state):
    if kind == "steps":
        return {"BACKLINE_CRASH_AT": where}
    calls, error, stays = KINDS[kind]
    if os.path.exists(state):
        os.unlink(state)
    return failing(world.programs.shim, home, calls, where, error, stays, state)


def count_calls(world, operation, kind, name):
    home = world.copy(operation, name)
    state = home + "-state"
    run(operation.argv(home), environment(world, home, kind, 0, state), ok=operation.after)
    calls = len(lines_of(state))
    shutil.rmtree(home)
    return calls


def steps_of(world, operation, name):
    """Every named step, at its first and at its last pass."""
    home = world.copy(operation, name)
    log = home + "-steps"
    run(operation.argv(home), {"BACKLINE_CRASH_LOG": log}, ok=operation.after)
    passed = lines_of(log)
    if os.path.exists(log):
        os.unlink(log)
    shutil.rmtree(home)
    return ["%s:%d" % (s, n) for s in sorted(set(passed)) for n in sorted({1, passed.count(s)})]


def spread(count, points):
    if not points or points >= count:
        return range(1, count + 1)
    return sorted({1 + i * count // points for i in range(points)})


def check_message(operation, done, kind, home, failed):
    """One line that says where and why."""
    said = done.stderr.decode(errors="replace").strip()
    if done.returncode in ABORTED:
        raise Failure("ended by signal %d: %s" % (-done.returncode, said[-300:]))
    if done.returncode == 0:
        return
    line = said.split("\n")[-1]
    if operation.damaged and kind == "read" and done.returncode == 65:
        return  # what is damaged could not be repaired this time, which is true
    if operation.damaged and kind == "read" and done.returncode == 74:
        # heal says what it found on standard output, a line for each file, and goes on
        found = done.stdout.decode(errors="replace").split("\n")
        if any(one.startswith("still damaged: ") for one in found):
            raise Failure("calls damaged what could not be read: %s" % found)
        cannot = [one for one in found if one.startswith("cannot read: ")]
        if cannot:
            said, line = "\n".join(cannot), "heal: " + cannot[0]
    if REASON[kind] not in said and not SQLITE.search(said):
        raise Failure("does not say %r: %s" % (REASON[kind], said[-400:]))
    if home not in said:
        raise Failure("names no file: %s" % said[-400:])
    if len(line) > 600 or not re.match(r"[a-z_]+: ", line):
        raise Failure("not one clear line: %s" % said[-400:])
    if kind == "read" and re.search(r"damaged|corrupt", said, re.I):
        raise Failure("calls damaged what could not be read (%s): %s" % (failed, said[-400:]))


class Sweep:
    def __init__(self, world):
        self.world = world
        self.lock = threading.Lock()
        self.failures, self.silent, self.counts = [], [], {}

    def one(self, point, name):
        operation, world = point.operation, self.world
        home = world.copy(operation, name)
        state = home + "-state"
        done = run(operation.argv(home), environment(world, home, point.kind, point.where, state), ok=None)
        failed = []
        if point.kind != "steps":
            failed = lines_of(state)[int(point.where) - 1:][:1]
        hit = bool(failed) or done.returncode == -signal.SIGKILL
        detail = ""
        try:
            if hit and point.kind in REASON:
                check_message(operation, done, point.kind, home, failed[:1])
            if hit and done.returncode == 0 and point.kind in REASON:
                detail = failed[0].replace(home, "HOME")
            world.check_now(operation, home)
            world.check_after(operation, home)
        except (Failure, subprocess.TimeoutExpired, OSError) as error:
            return hit, detail, "%s [%s]: %s\n    it said: %s" % (point, " ".join(failed[:1]).replace(home, "HOME"), error, text(done)[-300:])
        finally:
            shutil.rmtree(home, ignore_errors=True)
        return hit, detail, ""

    def work(self, points, name):
        while True:
            try:
                point = points.get_nowait()
            except queue.Empty:
                return
            try:
                hit, silent, failure = self.one(point, name)
            except (Failure, subprocess.SubprocessError, OSError, IndexError) as error:
                hit, silent, failure = False, "", "%s: %s" % (point, error)
            with self.lock:
                key = (point.operation.name, point.kind)
                tried, hits = self.counts.get(key, (0, 0))
                self.counts[key] = (tried + 1, hits + hit)
                if silent:
                    self.silent.append("%s: %s" % (point, silent))
                if failure:
                    self.failures.append(failure)
                    print("FAILED " + failure, flush=True)

    def run(self, points, jobs):
        waiting = queue.Queue()
        for point in points:
            waiting.put(point)
        threads = [threading.Thread(target=self.work, args=(waiting, "t%d" % i)) for i in range(jobs)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()


def plan(world, opts):
    wanted = (opts.only or "").split("/")
    points, totals, kills = [], {}, []
    for operation in world.operations.values():
        if wanted[0] not in ("", operation.name):
            continue
        world.learn(operation)
        for kind in ("steps", *KINDS):
            if len(wanted) > 1 and wanted[1] != kind:
                continue
            if kind == "steps":
                where = steps_of(world, operation, "learn")
                totals[(operation.name, kind)] = len(where)
            else:
                calls = totals[(operation.name, kind)] = count_calls(world, operation, kind, "learn")
                where = spread(calls, 0 if kind == "kill" else opts.points)
            if len(wanted) > 2:
                where = [wanted[2]]
            (kills if kind == "kill" and opts.kills else points).extend(Point(operation, kind, w) for w in where)
    if opts.kills and opts.kills < len(kills):
        kills = random.Random(opts.seed).sample(kills, opts.kills)
    return points + kills, totals


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--build", default=os.environ.get("BK_BUILD"))
    ap.add_argument("--points", type=int, default=0)
    ap.add_argument("--kills", type=int, default=0)
    ap.add_argument("--jobs", type=int, default=2)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--only")
    ap.add_argument("--keep", action="store_true")
    opts = ap.parse_args()
    if not opts.build:
        ap.error("--build is needed")
    require_programs(opts.build)
    began = time.monotonic()
    folder = tempfile.mkdtemp(prefix="bk-faults-", dir=scratch())
    try:
        world = World(folder, os.path.abspath(opts.build))
        points, totals = plan(world, opts)
        sweep = Sweep(world)
        sweep.run(points, opts.jobs)
        for key in sorted(sweep.counts):
            print("%-7s %-6s %4d of %4d tried, %4d came to pass" % (*key, sweep.counts[key][0], totals[key], sweep.counts[key][1]))
        for line in sorted(sweep.silent):
            print("did its work all the same: " + line)
        print("%d faults, %d failures, %.0f s" % (len(points), len(sweep.failures), time.monotonic() - began))
        tried = sum(count for count, _ in sweep.counts.values())
        if tried != len(points):
            print("FAILED: only %d of them were tried" % tried)
        return 1 if sweep.failures or not points or tried != len(points) else 0
    finally:
        if opts.keep:
            print("kept: " + folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
