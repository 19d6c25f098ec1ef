#!/usr/bin/env python3
"""Goal: the power fails while backups and a clean are at work; every snapshot whose request was finished reads back whole.

  power_loss.py --bin BUILD/bin [--fs ext4|xfs] [--count N] [--seed N] [--keep]

The server's home lies on a file system of its own in a file, which is stopped at a random moment without writing anything back
(FS_IOC_SHUTDOWN with NOLOGFLUSH, as xfstests' godown does), then mounted again.  Meanwhile do_backup works off requests for a tree that
changes, and bkdb clean removes what bkdb rm let go of.  Before each cut this program notes which requests the server had
finished (F).  After each mount:
  those are finished still, and their snapshots are there                 what was said holds
  one run of do_backup ends what was open; bkdb clean and verify go through
  the newest snapshot exports equal to the tree
Needs root and the right to mount; else the status is 77.
"""
import argparse
import fcntl
import hashlib
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
COMPARE = os.path.join(SOURCE, "tests/support/compare_trees.py")
FS_IOC_SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2


class Failure(Exception):
    pass


def run(argv, ok=(0,), timeout=300):
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout)
    if ok is not None and done.returncode not in ok:
        raise Failure("%s: exit %d: %s" % (" ".join(argv), done.returncode,
                                           (done.stdout + done.stderr).decode(errors="replace")[-2500:]))
    return done


class Disk:
    """A file system in a file."""

    def __init__(self, folder, kind):
        self.image, self.point, self.kind = folder + "/image", folder + "/disk", kind
        os.makedirs(self.point)
        with open(self.image, "wb") as f:
            f.truncate(1 << 30)
        self.mounted = False
        if run(["mkfs." + kind, "-q", self.image], ok=None).returncode or not self.mount():
            print("skipped: no %s can be made and mounted here" % kind)
            sys.exit(77)

    def mount(self):
        self.mounted = run(["mount", "-o", "loop", self.image, self.point], ok=None).returncode == 0
        return self.mounted

    def cut(self):
        fd = os.open(self.point, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(fd, FS_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(fd)

    def mount_again(self):
        self.unmount()
        if not self.mount():
            raise Failure("the file system cannot be mounted again")

    def unmount(self):
        for _ in range(300):
            if self.mounted and run(["umount", self.point], ok=None).returncode == 0:
                self.mounted = False
            # A mount namespace that somebody else made meanwhile holds it, too, and mounting again would give
            # the one that was shut down.
            if not self.mounted and not run(["losetup", "--associated", self.image], ok=None).stdout:
                return
            time.sleep(0.1)
        raise Failure("the file system cannot be unmounted")


class World:
    def __init__(self, bin_dir, kind, seed):
        self.bin, self.random = bin_dir, random.Random(seed)
        self.dir = os.path.realpath(tempfile.mkdtemp(prefix="bk-power-"))
        self.disk = None
        self.lab = self.dir + "/lab"
        os.environ["BK_BIN"] = bin_dir
        self.disk = Disk(self.dir, kind)
        run([SOURCE + "/setup/lab", "start", self.lab])
        self.home = self.disk.point + "/home"
        self.tree = self.dir + "/tree"
        self.serial = 0
        self.prepare()

    def prepare(self):
        os.makedirs(self.tree + "/sub")
        for i in range(40):
            self.write("sub/f%d" % i, 1000 + 4000 * i)
        config = self.lab + "/client1/backupconfig.toml"
        with open(config) as f:
            text = f.read().replace("[module.directories]\npaths = []", '[module.directories]\npaths = ["%s"]' % self.tree)
        with open(config, "w") as f:
            f.write(text + '\n[consent.server1]\nroots = ["%s"]\n' % self.tree)
        client = self.lab + "/client1/scripts/"
        run([client + "backup_it", "directories", ""])
        run([client + "send_request", "--now"])
        run([self.lab + "/server1/scripts/do_backup"])
        shutil.copytree(self.lab + "/server1", self.home, symlinks=True)
        os.sync()
        todo = self.home + "/TODO/client1/"
        done = [n for n in os.listdir(todo) if n.startswith("F")][0]
        self.stem = done[1:].rsplit(".", 1)[0]
        with open(todo + done) as f:
            self.request = [line for line in f.read().splitlines()[:-1]
                            if line.split(":")[0] not in ("finished", "outcome", "status", "snapshot", "reason", "answers", "id")]

    def write(self, name, size):
        with open(self.tree + "/" + name, "wb") as f:
            f.write(os.urandom(size))

    def ask(self):
        """One more request in the work list, durable as ingest makes it."""
        self.serial += 1
        for _ in range(3):
            self.write("sub/f%d" % self.random.randrange(40), self.random.randrange(300000))
        self.write("mark", 100)
        ident = hashlib.sha256(b"%d %d" % (os.getpid(), self.serial)).hexdigest()[:32]
        head, rest = self.request[0], ["id: " + ident, "answers: " + ident] + self.request[1:]
        order = ["id", "counter", "client", "module", "name", "method", "place", "requested", "prepared"]
        rest.sort(key=lambda line: order.index(line.split(":")[0]) if line.split(":")[0] in order else len(order))
        body = "\n".join([head] + rest) + "\n"
        path = self.home + "/TODO/client1/C" + self.stem
        with open(path + ".new", "w") as f:
            f.write(body + "end: sha256 " + hashlib.sha256(body.encode()).hexdigest() + "\n")
            f.flush()
            os.fsync(f.fileno())
        os.rename(path + ".new", path)
        fd = os.open(os.path.dirname(path), os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)

    def bkdb(self, *words, **more):
        return run([self.bin + "/bkdb", *words, "-C", self.home], **more)

    def finished(self):
        """{request: snapshot} of what the server has finished."""
        out = {}
        todo = self.home + "/TODO/client1/"
        for name in os.listdir(todo):
            if name.startswith("F"):
                with open(todo + name) as f:
                    fields = dict(line.split(": ", 1) for line in f.read().splitlines() if ": " in line)
                out[fields["id"]] = fields.get("snapshot", "")
        return out

    def there(self):
        done = self.bkdb("ls", "--json", ok=(0, 69))
        sources = json.loads(done.stdout)["sources"] if done.returncode == 0 else []
        return {snap["id"] for source in sources for snap in source["snapshots"]}

    def start(self, *argv):
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                start_new_session=True)

    def one(self, number):
        """Backups and a clean, cut at a random moment; returns how many requests were finished at the cut."""
        removed = set()
        if number % 3 == 2:
            before = self.there()
            self.bkdb("rm", "0", "--yes", "--expect", str(len(before)), ok=None)
            removed = before - self.there()
        self.ask()
        until = time.monotonic() + self.random.uniform(0.02, 1.2)
        at_work, known = [], {}
        backup, clean = None, None
        while time.monotonic() < until:
            if backup is None or backup.poll() is not None:
                known.update(self.finished())
                if backup is not None:
                    self.ask()
                backup = self.start(self.bin + "/do_backup", "--home", self.home, "--once", "client1")
                at_work.append(backup)
            if clean is None or clean.poll() is not None:
                everything = ["--rewrite", "1"] if len(at_work) % 2 else []
                clean = self.start(self.bin + "/bkdb", "clean", *everything, "-C", self.home)
                at_work.append(clean)
            time.sleep(0.005)
        known.update(self.finished())
        self.disk.cut()
        for process in at_work:
            if process.poll() is None:
                os.killpg(process.pid, 9)
            process.wait()
        self.disk.mount_again()
        self.check(known, removed)
        return len(known)

    def check(self, known, removed):
        now = self.finished()
        lost = [ident for ident in known if ident not in now]
        if lost:
            raise Failure("finished requests are lost: %s" % lost)
        there = self.there()
        missing = [snap for ident, snap in now.items() if snap and snap not in there and snap not in removed and snap not in self.gone]
        if missing:
            raise Failure("snapshots of finished requests are lost: %s" % missing)
        self.gone |= removed
        self.bkdb("verify", ok=(0, 69))
        run([self.bin + "/do_backup", "--home", self.home, "--once", "client1"])
        self.ask()
        run([self.bin + "/do_backup", "--home", self.home, "--once", "client1"])
        left = [n for n in os.listdir(self.home + "/TODO/client1") if n[0] in "CPX" and not n.endswith(".new")]
        if left:
            raise Failure("left in the work list: %s" % left)
        self.bkdb("clean", "--rewrite", "1")
        self.bkdb("verify")
        dest = self.dir + "/export"
        shutil.rmtree(dest, ignore_errors=True)
        self.bkdb("export", dest, "0")
        entry = [n for n in os.listdir(dest) if n != "EXPORT.txt"]
        run([sys.executable, COMPARE, self.tree, os.path.join(dest, entry[0])])

    gone = set()

    def stop(self, keep):
        run([SOURCE + "/setup/lab", "stop", self.lab], ok=None)
        if self.disk:
            self.disk.unmount()
        if not keep:
            shutil.rmtree(self.dir, ignore_errors=True)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--bin", required=True)
    ap.add_argument("--fs", default="ext4", choices=["ext4", "xfs"])
    ap.add_argument("--count", type=int, default=25)
    ap.add_argument("--seed", type=int, default=int(time.time()))
    ap.add_argument("--keep", action="store_true")
    opts = ap.parse_args()
    if os.geteuid() != 0:
        print("skipped: mounting needs root")
        return 77
    print("seed %d" % opts.seed, flush=True)
    world, began, finished = None, time.monotonic(), 0
    try:
        world = World(opts.bin, opts.fs, opts.seed)
        for number in range(opts.count):
            try:
                finished = world.one(number)
            except Failure as error:
                print("FAILED: cut %d: %s" % (number + 1, error))
                return 1
        print("%s: %d cuts, %d requests finished, %.0f s" % (opts.fs, opts.count, len(world.finished()), time.monotonic() - began))
        return 0
    finally:
        if world:
            world.stop(opts.keep)


if __name__ == "__main__":
    sys.exit(main())
