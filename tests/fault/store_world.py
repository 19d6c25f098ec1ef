"""A small home with a store, the operations that change it, and what must hold after each of them went wrong.

One Operation is a template of a home that stands right before it, and a command.  A fault lets the command fail or die
somewhere; then `check` looks: older snapshots are whole at once, the same command gets through, everything that the
store promised reads back byte by byte, and nothing half-made is left.
"""
import hashlib
import json
import os
import random
import re
import shutil
import stat
import subprocess
import sys

ALL = ">2000-01-01"


class Failure(Exception):
    pass


def run(argv, env=None, ok=(0,), timeout=120):
    full = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    full.update(env or {})
    done = subprocess.run(argv, env=full, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout)
    if ok is not None and done.returncode not in ok:
        raise Failure("%s: exit %d: %s" % (" ".join(argv), done.returncode, text(done)[-800:]))
    return done


def text(done):
    return (done.stdout + done.stderr).decode(errors="replace").strip()


def digest(path):
    """One tree's names, types, modes, times and bytes."""
    out = hashlib.sha256()

    def add(at, name):
        info = os.lstat(at)
        out.update(("%s %o %d\n" % (name, info.st_mode, info.st_mtime_ns)).encode())
        if stat.S_ISDIR(info.st_mode):
            for one in sorted(os.listdir(at)):
                add(at + "/" + one, name + "/" + one)
        elif stat.S_ISREG(info.st_mode):
            with open(at, "rb") as f:
                out.update(f.read())
    add(path, "")
    return out.hexdigest()


class Programs:
    def __init__(self, build):
        self.bkdb = build + "/bin/bkdb"
        self.store_folder = build + "/tests/store_folder"
        self.shim = build + "/tests/fail_call.so"

    def on(self, home, *words):
        return [self.bkdb, "--home", home, *words]

    def put(self, home, folder, name):
        return [self.store_folder, home + "/store", folder, name]


def failing(shim, below, kind, at, error, stays, log):
    """The environment in which the at-th call of that kind below a folder fails (fail_call.c); 0 for none: they are only written down."""
    return {"LD_PRELOAD": shim, "BK_FAIL_BELOW": below, "BK_FAIL_KIND": kind, "BK_FAIL_AT": str(at), "BK_FAIL_ERRNO": str(error),
            "BK_FAIL_ON": "on" if stays else "once", "BK_FAIL_LOG": log}


def lines_of(path):
    """What a log of calls or of steps has, in order."""
    if not os.path.exists(path):
        return []
    with open(path, errors="replace") as f:
        return f.read().splitlines()


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as f:
        f.write(data)


def make_sources(folder, noise):
    """Versions of two trees: what stays, what changes, and a few hundred small files."""
    same = {"same/%d" % i: noise.randbytes(900 * i + 1) for i in range(40)}
    large = bytearray(noise.randbytes(300000))
    for version in range(6):
        for name in ("a", "b"):
            top = "%s/%s%d/" % (folder, name, version)
            for path, data in same.items():
                write(top + path, data)
            large[version * 1000:version * 1000 + 100] = noise.randbytes(100)
            write(top + "large", bytes(large))
            write(top + "own", noise.randbytes(120000))
            os.symlink("same/1", top + "link")


def make_old_folder(folder, noise):
    """Two archives as the old server left them."""
    for number in (1, 2):
        data = noise.randbytes(70000)
        sha = hashlib.sha256(data).hexdigest()
        write(folder + "/@obj_" + sha, data)
        os.symlink("./@obj_" + sha, "%s/L3Nydi90cmFj 13-0%d-01_00_00_00 %s" % (folder, number, sha))


def snapshots(programs, home):
    """{id: (source id, began)}"""
    done = run(programs.on(home, "ls", "--json"))
    return {s["id"]: (source["id"], s["began"]) for source in json.loads(done.stdout)["sources"] for s in source["snapshots"]}


def snapshots_of(programs, home, path):
    sources = json.loads(run(programs.on(home, "ls", "--json")).stdout)["sources"]
    return next(s["id"] for s in sources if s["path"] == path)


def exported(programs, home, dest):
    """{id: digest of what comes back}"""
    shutil.rmtree(dest, ignore_errors=True)
    run(programs.on(home, "export", dest, ALL, "--no-sync"))
    found = {}
    for name in os.listdir(dest):
        if name != "EXPORT.txt":
            found[name.rsplit("_", 1)[1]] = digest(dest + "/" + name)
    shutil.rmtree(dest)
    return found


def seal(programs, home, extra):
    """What the journals hold becomes packs with parity: something in them is not needed, and they are rewritten."""
    run(programs.put(home, extra, "/srv/extra"))
    run(programs.on(home, "rm", ALL, "--source", snapshots_of(programs, home, "/srv/extra"), "--yes"))
    for _ in range(2):
        run(programs.on(home, "clean", "--rewrite", "99"), ok=(0, 75))


def packs(home):
    out = []
    for folder, _, names in os.walk(home + "/store/packs"):
        out += [os.path.join(folder, n) for n in names if n.endswith(".pack")]
    return sorted(out)


class Operation:
    """`argv` is the command on a home; `after` are the statuses with which it may end when nothing fails."""

    def __init__(self, name, template, argv, damaged=False, after=(0,)):
        self.name, self.template, self.argv, self.damaged, self.after = name, template, argv, damaged, after
        self.before = self.done = None  # {id: digest} as it must be with and without it


class World:
    def __init__(self, folder, build):
        self.folder, self.programs = folder, Programs(build)
        noise = random.Random(4)
        make_sources(folder + "/source", noise)
        make_old_folder(folder + "/old", noise)
        self.operations = {}
        for make in (self.backup, self.rm, self.clean, self.clean_all, self.heal, self.build, self.import_old):
            operation = make()
            self.operations[operation.name] = operation

    def put(self, home, name, version):
        run(self.programs.put(home, "%s/source/%s%d" % (self.folder, name, version), "/srv/" + name))

    def home(self, name):
        """Two sources: two versions of each in packs, one more in a journal."""
        home = "%s/template/%s" % (self.folder, name)
        os.makedirs(home)
        for version in (0, 1):
            for source in "ab":
                self.put(home, source, version)
            seal(self.programs, home, "%s/source/b%d" % (self.folder, 4 + version))
        self.put(home, "a", 2)
        return home

    def remove(self, home):
        """The command that removes all of one source, and matches nothing when it did."""
        source = snapshots_of(self.programs, home, "/srv/b")
        return lambda h: self.programs.on(h, "rm", ALL, "--source", source, "--yes")

    def backup(self):
        home = self.home("backup")
        return Operation("backup", home, lambda h: self.programs.put(h, self.folder + "/source/a3", "/srv/a"))

    def rm(self):
        home = self.home("rm")
        return Operation("rm", home, self.remove(home), after=(0, 69))

    def clean(self):
        home = self.home("clean")
        run(self.remove(home)(home))
        return Operation("clean", home, lambda h: self.programs.on(h, "clean"), after=(0, 75))

    def clean_all(self):
        home = self.home("clean-all")
        run(self.remove(home)(home))
        return Operation("clean-all", home, lambda h: self.programs.on(h, "clean", "--all", "--rewrite", "0"), after=(0, 75))

    def heal(self):
        home = self.home("heal")
        first = packs(home)[0]
        with open(first, "r+b") as f:
            f.seek(os.path.getsize(first) // 2)
            f.write(b"rotten")
        return Operation("heal", home, lambda h: self.programs.on(h, "heal"), damaged=True)

    def build(self):
        home = self.home("build")
        for name in ("index", "data"):
            shutil.rmtree(home + "/" + name, ignore_errors=True)
        return Operation("build", home, lambda h: self.programs.on(h, "build"))

    def import_old(self):
        home = self.home("import")
        return Operation("import", home, lambda h: self.programs.on(h, "import", self.folder + "/old", "--client", "web2"))

    def learn(self, operation):
        """What is there before, and after it went well."""
        home = self.copy(operation, "learn")
        if not operation.damaged:
            operation.before = exported(self.programs, home, self.folder + "/learn-export")
        run(operation.argv(home), ok=operation.after)
        operation.done = exported(self.programs, home, self.folder + "/learn-export")
        if operation.damaged:
            operation.before = operation.done
        shutil.rmtree(home)

    def copy(self, operation, name):
        home = "%s/home-%s" % (self.folder, name)
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run(["cp", "-a", operation.template, home], check=True)
        return home

    def check_now(self, operation, home):
        """Right after the fault, before anything else ran: nothing that was there is gone or other."""
        if operation.damaged:
            return
        run(self.programs.on(home, "verify"))
        found = exported(self.programs, home, home + "-export")
        kept = {i: d for i, d in operation.before.items() if i in operation.done}
        for i, d in kept.items():
            if found.get(i) != d:
                raise Failure("snapshot %s is %s" % (i, "gone" if i not in found else "not what it was"))

    def check_after(self, operation, home):
        """The same command once more, then the state that was promised, and nothing else."""
        run(operation.argv(home), ok=operation.after)
        if 75 in operation.after:
            run(operation.argv(home), ok=operation.after)
        run(self.programs.on(home, "verify"))
        found = exported(self.programs, home, home + "-export")
        for i, d in operation.done.items():
            # A new snapshot has another id each time, and the same content.
            if found.get(i, d if i not in operation.before and d in found.values() else None) != d:
                raise Failure("after recovery snapshot %s is %s" % (i, "gone" if i not in found else "not what it was"))
        gone = [i for i in operation.before if i not in operation.done and i in found]
        if gone:
            raise Failure("after recovery still there: %s" % gone)
        self.check_caches(home)
        run(self.programs.put(home, self.folder + "/source/b2", "/srv/next"))  # whoever writes next tidies up
        run(self.programs.on(home, "clean"), ok=(0, 75))
        left = leftovers(home)
        if left:
            raise Failure("left behind: %s" % left)

    def check_caches(self, home):
        """With caches made anew the store says the same: what was promised does not lie in them."""
        with_caches = snapshots(self.programs, home)
        for name in ("index", "data"):
            shutil.rmtree(home + "/" + name, ignore_errors=True)
        run(self.programs.on(home, "build"))
        run(self.programs.on(home, "verify"))
        if snapshots(self.programs, home) != with_caches:
            raise Failure("a build finds other snapshots")


def leftovers(home):
    """Files in the making that nobody owns any more."""
    out = []
    for folder, _, names in os.walk(home):
        out += [os.path.join(folder, n) for n in names
                if re.match(r"\.tmp-", n) or folder.endswith("/.making") or n.endswith((".new", ".part"))]
    return out


def require_programs(build):
    for path in (build + "/bin/bkdb", build + "/tests/store_folder", build + "/tests/fail_call.so"):
        if not os.path.exists(path):
            sys.exit("%s is missing: build first" % path)


def scratch():
    """A killed process loses no page cache, so memory serves as well as a disk, and syncs cost nothing there."""
    memory = "/dev/shm"
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > (1 << 29):
        return memory
    return None
