#!/usr/bin/env python3
"""Goal: kill every program at every named durable step; after each kill one normal round finishes and nothing is lost.

  crash_sweep.py --bin BUILD/bin [--lab setup/lab] [--labs N] [--kills N] [--only STEP] [--keep]

One lab is a client and a server on loopback with four sources: a tree, a git repository, an archive, and a SQLite database
whose cmd copies it into the spool (of that one only the steps that no other source passes are killed at).
A first round with BACKLINE_CRASH_LOG learns which steps each program passes.  Then, for every (program, module, step),
the source is changed, the programs run in their order, and the chosen one dies at that step (BACKLINE_CRASH_AT).
After each kill:
  one normal round                       everything that was asked is done
  no request is left in C or P           I1, on both sides
  every request id is in one snapshot    I6, nothing ran twice
  finished snapshot records are equal    I5
  export of the newest snapshot compares equal to the source, and holds the change
At the end: bkdb verify (I2, I4), then index, catalog and views are deleted and rebuilt, and exports compare again (I3).
"""
import argparse
import collections
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
COMPARE = os.path.join(SOURCE, "tests/support/compare_trees.py")
MODULES = ("directories", "git", "trac")
SPOOL = "sqlite"
FAR = " behind sshd"  # bk_access serve and ingest_requests, which the named program reaches


class Failure(Exception):
    pass


def run(argv, env=None, ok=(0,), timeout=120):
    full = dict(os.environ)
    full["BACKLINE_CHECKPOINT_BYTES"] = "1"  # a small tree passes the steps of checkpoints, too
    full.update(env or {})
    done = subprocess.run(argv, env=full, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=timeout)
    if ok is not None and done.returncode not in ok:
        raise Failure("%s: exit %d: %s" % (" ".join(argv), done.returncode,
                                           (done.stdout + done.stderr).decode(errors="replace")[-1500:]))
    return done


def scratch():
    """A killed process loses no page cache, so memory serves as well as a disk, and syncs cost nothing there."""
    memory = "/dev/shm"
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > (1 << 30):
        return memory
    return None


def remove(path):
    if os.path.exists(path):
        os.unlink(path)


def passed(log):
    """The steps that a crash log names, in order."""
    if not os.path.exists(log):
        return []
    with open(log) as f:
        return f.read().split()


class Lab:
    """One client and one server, with four sources."""

    def __init__(self, lab_script, bin_dir, index):
        self.script = lab_script
        self.dir = tempfile.mkdtemp(prefix="bk-sweep%d-" % index, dir=scratch())
        # What runs behind sshd (the gate, the hooks with their ingest) has a fixed environment: it looks into a file.
        self.far_at = self.dir + "/lab/server1/log/crash-at"
        self.far_log = self.dir + "/lab/server1/log/crash-log"
        self.env = {"BK_BIN": bin_dir, "BK_SSHD_EXTRA": "SetEnv BACKLINE_CRASH_AT=@%s BACKLINE_CRASH_LOG=%s" % (self.far_at, self.far_log)}
        run([lab_script, "start", self.dir + "/lab"], self.env)
        self.client = self.dir + "/lab/client1"
        self.server = self.dir + "/lab/server1"
        self.serial = 0
        self.records = {}
        self.tree = self.dir + "/source/tree"
        self.repo = self.dir + "/source/repo.git"
        self.site = self.dir + "/source/site"
        self.base = self.dir + "/source/base.sqlite"
        self.make_sources()
        self.configure()

    def make_sources(self):
        for folder in (self.tree, self.site):
            os.makedirs(folder + "/sub/deep")
            for i in range(12):
                with open("%s/sub/file%d" % (folder, i), "wb") as f:
                    f.write(os.urandom(700 * i + 1))
            os.link(folder + "/sub/file1", folder + "/sub/deep/link")
            os.symlink("../file2", folder + "/sub/deep/symlink")
        self.query("CREATE TABLE mark (serial INTEGER PRIMARY KEY, filler BLOB)")
        work = self.dir + "/source/work"
        git = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "init.defaultBranch=main"]
        run(git + ["init", "-q", work])
        run(git + ["init", "-q", "--bare", self.repo])
        self.git = git + ["-C", work]
        run(self.git + ["remote", "add", "origin", self.repo])

    def query(self, sql, path=None):
        base = sqlite3.connect(path or self.base)
        try:
            with base:
                return base.execute(sql).fetchall()
        finally:
            base.close()

    def configure(self):
        path = self.client + "/backupconfig.toml"
        with open(path) as f:
            text = f.read()
        section = None
        out = []
        for line in text.splitlines():
            if line.startswith("["):
                section = line.strip()
            if section in ("[module.directories]", "[module.git]", "[module.trac]", "[module.sqlite]"):
                continue
            out.append(line)
        out.append('[module.directories]\npaths = ["%s"]' % self.tree)
        out.append('[module.git]\npaths = ["%s"]' % os.path.dirname(self.repo))
        out.append('[module.trac]\ncmd = ["backup_archive"]\nmethod = "sftp"\npaths = ["%s"]' % self.site)
        out.append('[module.sqlite]\npaths = ["%s"]' % self.base)
        with open(path, "w") as f:
            f.write("\n".join(out) + "\n")

    def program(self, name):
        side = self.client if name in ("backup_it", "send_request") else self.server
        return side + "/scripts/" + name

    def change(self, module):
        """A new serial number in the source, which the newest snapshot must hold."""
        self.serial += 1
        mark = "serial %d\n" % self.serial
        if module == "git":
            with open(self.dir + "/source/work/mark", "w") as f:
                f.write(mark)
            run(self.git + ["add", "mark"])
            run(self.git + ["commit", "-qm", mark])
            run(self.git + ["push", "-q", "origin", "HEAD:main"])
        elif module == SPOOL:
            self.query("INSERT INTO mark VALUES (%d, randomblob(3000))" % self.serial)
        else:
            folder = self.tree if module == "directories" else self.site
            with open(folder + "/mark", "w") as f:
                f.write(mark)
            with open(folder + "/sub/deep/grow%d" % (self.serial % 5), "wb") as f:
                f.write(os.urandom(3000))

    def steps(self, module):
        """The programs of one round, in order, each with its arguments."""
        return (("backup_it", [module, ""]), ("send_request", ["--now"]),
                ("do_backup", ["--once", "client1"]), ("send_request", ["--now"]))

    def round(self, module, env=None, only=None, ok=(0,)):
        for position, (name, words) in enumerate(self.steps(module)):
            special = env if only is None or only == (position, name) else None
            run([self.program(name)] + words, special, ok)

    def learn(self):
        """{(position, program, module): Counter of steps}"""
        found = {}
        for module in MODULES + (SPOOL,):
            self.change(module)
            for position, (name, words) in enumerate(self.steps(module)):
                log = "%s/steps-%s-%d" % (self.dir, module, position)
                remove(self.far_log)
                run([self.program(name)] + words, {"BACKLINE_CRASH_LOG": log})
                found[(position, name, module)] = collections.Counter(passed(log))
                found[(position, name + FAR, module)] = collections.Counter(passed(self.far_log))
            self.check(module)
        return found

    def kill(self, position, name, module, step, occurrence):
        """True when the step was reached (something died there)."""
        self.change(module)
        log = self.dir + "/kill-log"
        spec = "%s:%d" % (step, occurrence)
        env = {"BACKLINE_CRASH_AT": spec, "BACKLINE_CRASH_LOG": log}
        if name.endswith(FAR):
            log, env = self.far_log, {}
        for at, (program, words) in enumerate(self.steps(module)):
            if at == position:
                remove(log)
                if name.endswith(FAR):
                    with open(self.far_at, "w") as f:
                        f.write(spec)
                run([self.program(program)] + words, env, ok=None)
                remove(self.far_at)
                break
            run([self.program(program)] + words, ok=(0,))
        return passed(log).count(step) >= occurrence

    def recover(self, module):
        self.round(module)
        # The round finished what the kill interrupted.  Its own request had to wait for that one when they have the
        # same name (a P does not merge); then it was sent last, and the server has yet to do it.
        if self.left_over(self.client + "/requests/server1"):
            for name, words in self.steps(module)[2:]:
                run([self.program(name)] + words)
        self.check(module)

    def left_over(self, folder):
        return sorted(n for n in os.listdir(folder) if n[0] in "iCPX" or n.startswith("RQ"))

    def check(self, module):
        left = self.left_over(self.client + "/requests/server1")
        if left:
            raise Failure("I1: requests left on the client: %s" % left)
        left = self.left_over(self.server + "/TODO/client1")
        if left:
            raise Failure("I1: TODO entries left on the server: %s" % left)
        self.check_snapshots()
        self.check_export(module)

    def listing(self):
        done = run([self.server + "/scripts/bkdb", "ls", "--json", "-C", self.server])
        return json.loads(done.stdout)

    def check_snapshots(self):
        owner = {}
        root = self.server + "/store/snapshots"
        for folder, _, names in os.walk(root):
            for name in names:
                path = os.path.join(folder, name)
                with open(path, "rb") as f:
                    data = f.read()
                if not data.startswith(b"bk-snapshot "):
                    continue
                digest = hashlib.sha256(data).hexdigest()
                if self.records.setdefault(path, digest) != digest:
                    raise Failure("I5: %s changed" % path)
                for line in data.decode().splitlines():
                    if line.startswith("request: "):
                        other = owner.setdefault(line, path)
                        if other != path:
                            raise Failure("I6: %s stands in %s and %s" % (line, other, path))
        gone = [p for p in self.records if not os.path.exists(p)]
        if gone:
            raise Failure("I5: snapshot records gone: %s" % gone)

    def check_export(self, module):
        want = {"directories": self.tree, "git": self.repo, "trac": self.site, SPOOL: self.base}[module]
        sources = self.listing()["sources"]
        match = [s for s in sources if s["path"] == want]
        if len(match) != 1:
            raise Failure("source %s is listed %d times" % (want, len(match)))
        dest = self.dir + "/export"
        shutil.rmtree(dest, ignore_errors=True)
        run([self.server + "/scripts/bkdb", "export", dest, str(match[0]["index"]), "-C", self.server])
        entry = [n for n in os.listdir(dest) if n != "EXPORT.txt"]
        if len(entry) != 1:
            raise Failure("export made %s" % entry)
        out = os.path.join(dest, entry[0])
        if module == "git":
            run(["git", "-C", out, "-c", "safe.directory=*", "fsck", "--full"])
            mark = run(["git", "--git-dir=" + out, "show", "main:mark"]).stdout
            if mark.decode() != "serial %d\n" % self.serial:
                raise Failure("git: newest snapshot holds %r, not serial %d" % (mark, self.serial))
        elif module == SPOOL:
            copy = os.path.join(out, os.path.basename(self.base))
            got = self.query("SELECT max(serial), (SELECT * FROM pragma_integrity_check) FROM mark", copy)
            if got != [(self.serial, "ok")]:
                raise Failure("sqlite: newest snapshot holds %s, not serial %d" % (got, self.serial))
        elif module == "trac":
            unpacked = dest + "-x"
            shutil.rmtree(unpacked, ignore_errors=True)
            os.makedirs(unpacked)
            run(["tar", "-xpf", out, "-C", unpacked])
            inner = unpacked
            while not os.path.exists(inner + "/mark"):
                inner = os.path.join(inner, os.listdir(inner)[0])
            self.same(want, inner, ["--no-ctime"])
        else:
            self.same(want, out, [])

    def same(self, want, got, _flags):
        done = run([sys.executable, COMPARE, want, got], ok=None)
        if done.returncode:
            raise Failure("export differs: %s" % (done.stdout + done.stderr).decode(errors="replace")[-800:])

    def finale(self):
        run([self.server + "/scripts/bkdb", "verify", "-C", self.server])
        for path in ("index", "catalog.db", "catalog.db-wal", "catalog.db-shm", "data"):
            full = os.path.join(self.server, path)
            if os.path.isdir(full):
                shutil.rmtree(full)
            elif os.path.exists(full):
                os.unlink(full)
        run([self.server + "/scripts/bkdb", "build", "-C", self.server])
        for module in MODULES + (SPOOL,):
            self.change(module)
            self.round(module)
            self.check(module)

    def stop(self, keep):
        run([self.script, "stop", self.dir + "/lab"], self.env, ok=None)
        if not keep:
            shutil.rmtree(self.dir, ignore_errors=True)


def plan(found, kills, only):
    """Every step once, and then more of them: a later pass may not come in a round with another change."""
    others = {(position, name, step) for (position, name, module), steps in found.items() if module != SPOOL
              for step in steps}
    jobs = []
    for (position, name, module), steps in sorted(found.items()):
        for step, count in sorted(steps.items()):
            if module == SPOOL and (position, name, step) in others:
                continue
            for occurrence in range(1, min(count, 6) + 1):
                jobs.append((occurrence, position, name, module, step))
    if only:
        return [j for j in jobs if j[4] == only], []
    jobs.sort(key=lambda j: (j[0], j[3] != SPOOL, j))
    first = [j for j in jobs if j[0] == 1]
    return first[:kills], ([j for j in jobs if j[0] != 1] + first * 9)[:4 * kills]


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--bin", required=True)
    ap.add_argument("--lab", default=os.path.join(SOURCE, "setup/lab"))
    ap.add_argument("--labs", type=int, default=6)
    ap.add_argument("--kills", type=int, default=200)
    ap.add_argument("--only")
    ap.add_argument("--keep", action="store_true")
    opts = ap.parse_args()
    began = time.monotonic()
    labs = []
    try:
        for i in range(opts.labs):
            labs.append(Lab(opts.lab, opts.bin, i))
        found = labs[0].learn()
        starters = [threading.Thread(target=lab.learn) for lab in labs[1:]]
        for t in starters:
            t.start()
        for t in starters:
            t.join()
        must, may = plan(found, opts.kills, opts.only)
        names = sorted({j[4] for j in must})
        print("%d named steps: %s" % (len(names), " ".join(names)), flush=True)
        failures, killed, lock = [], [0], threading.Lock()

        def work(lab):
            while True:
                with lock:
                    queue = must if must else may
                    if failures or not queue or (queue is may and killed[0] >= opts.kills):
                        return
                    occurrence, position, name, module, step = queue.pop(0)
                where = "%s (%s, run %d) killed at %s:%d" % (name, module, position + 1, step, occurrence)
                try:
                    hit = lab.kill(position, name, module, step, occurrence)
                    lab.recover(module)
                    with lock:
                        killed[0] += hit
                        if killed[0] % 25 == 0:
                            print("%d kills, %.0f s" % (killed[0], time.monotonic() - began), flush=True)
                except (Failure, subprocess.TimeoutExpired, OSError, KeyError, ValueError) as error:
                    with lock:
                        failures.append("%s: %s [%s]" % (where, error, lab.dir))
                    return
        threads = [threading.Thread(target=work, args=(lab,)) for lab in labs]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        def end(lab):
            try:
                lab.finale()
            except (Failure, subprocess.TimeoutExpired, OSError, KeyError, ValueError) as error:
                failures.append("at the end: %s [%s]" % (error, lab.dir))
        if not failures:
            threads = [threading.Thread(target=end, args=(lab,)) for lab in labs]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
        for line in failures:
            print("FAILED: " + line)
        print("%d kills at %d named steps, %d labs, %.0f s" % (killed[0], len(names), len(labs), time.monotonic() - began))
        if not failures and not opts.only and killed[0] < opts.kills:
            failures.append("only %d kills" % killed[0])
            print("FAILED: " + failures[-1])
        return 1 if failures else 0
    finally:
        for lab in labs:
            lab.stop(opts.keep)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
