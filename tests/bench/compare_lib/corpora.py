"""The trees to back up: seeded, each with a second version that is made in place.

A corpus has a cached part below its folder, makes its first version as a new tree, and changes that tree into the second one, so
that what is unchanged keeps inode and times.  `scale` shrinks it for trial runs.
"""
import os
import random
import shutil
import subprocess

from . import database, sources

WORDS = ("server backup client tree pull store chunk group index catalog request receipt journal mirror archive consent module "
         "queue state snapshot").split()


class Corpus:
    name = ""

    def __init__(self, cache, scale, say):
        self.cache, self.scale, self.say = "%s/%s-%g" % (cache, self.name, scale), scale, say

    def cached(self, make):
        """Makes the cached part once: under another name first, so that half of it is never taken for all."""
        if not os.path.isdir(self.cache):
            shutil.rmtree(self.cache + ".new", ignore_errors=True)
            os.makedirs(self.cache + ".new")
            make(self.cache + ".new")
            os.rename(self.cache + ".new", self.cache)

    def prepare(self):
        """Whatever needs a network or much time."""

    def first(self, tree):
        subprocess.run(["cp", "-a", self.cache + "/v1", tree], check=True)

    def change(self, tree):
        raise NotImplementedError


class Src(Corpus):
    """Source trees of Debian packages; then the next release of each, laid over them."""

    name = "src"

    def prepare(self):
        self.cached(lambda folder: sources.make(folder, self.scale, self.say))
        with open(self.cache + "/origin") as f:
            self.say("src: " + f.read().strip())

    def change(self, tree):
        # By content, in place, without times: what is the same in both is left alone.
        subprocess.run(["rsync", "-rlpcW", "--inplace", "--delete", self.cache + "/v2/", tree + "/"], check=True)


class Small(Corpus):
    """300,000 files of 0 to 4 KiB, mean 1.2 KiB, in 3,333 directories below eleven."""

    name = "small"
    FILES, PER_DIRECTORY, DIRECTORIES_PER_TOP = 300000, 90, 310

    def content(self, rng, size):
        begin = rng.randrange(len(self.text) - 5000)
        return self.text[begin:begin + size * 3 // 4] + self.noise[begin % 900000:begin % 900000 + size // 4]

    def write(self, rng, path):
        with open(path, "wb") as f:
            f.write(self.content(rng, min(4096, int(rng.expovariate(1 / 1250.0)))))

    def first(self, tree):
        rng = random.Random(7)
        self.noise = rng.randbytes(1 << 20)
        self.text = " ".join(rng.choice(WORDS) for _ in range(200000)).encode()
        self.per_top = max(1, int(self.DIRECTORIES_PER_TOP * self.scale))
        made, number = 0, 0
        while made < int(self.FILES * self.scale):
            folder = "%s/top%02d/d%04d" % (tree, number // self.per_top, number)
            os.makedirs(folder)
            for i in range(min(self.PER_DIRECTORY, int(self.FILES * self.scale) - made)):
                self.write(rng, "%s/file%03d.dat" % (folder, i))
                made += 1
            number += 1

    def change(self, tree):
        """0.9 % of the files written anew, 0.27 % removed, as many added; a directory of about 28,000 files renamed."""
        rng = random.Random(8)
        paths = sorted(os.path.join(folder, n) for folder, _, names in os.walk(tree) for n in names)
        rng.shuffle(paths)
        changed, moved = len(paths) * 90 // 10000, len(paths) * 27 // 10000
        for path in paths[:changed]:
            self.write(rng, path)
        for path in paths[changed:changed + moved]:
            os.unlink(path)
        for path in paths[changed + moved:changed + 2 * moved]:
            self.write(rng, path + ".new")
        os.rename(tree + "/top03", tree + "/renamed-top03")


class Usr(Corpus):
    """/usr/bin, /usr/include and the libraries of this machine; then a hundred binaries with a fifth of their pages exchanged."""

    name = "usr"
    FOLDERS = ("/usr/bin", "/usr/include", "/usr/lib/x86_64-linux-gnu")

    def first(self, tree):
        os.makedirs(tree)
        folders = [f for f in self.FOLDERS if os.path.isdir(f)]
        if self.scale >= 1:
            for folder in folders:  # cp --parents stumbles over parents that several of them share
                os.makedirs(tree + os.path.dirname(folder), exist_ok=True)
                subprocess.run(["cp", "-a", folder, tree + os.path.dirname(folder)], check=True)
            return
        rng = random.Random(9)
        names = [f + "/" + n for f in folders for n in sorted(os.listdir(f)) if rng.random() < self.scale]
        subprocess.run(["xargs", "-0", "cp", "-a", "--parents", "-t", tree], input="\0".join(names).encode(), check=True)

    def change(self, tree):
        rng = random.Random(10)
        paths = sorted(os.path.join(folder, n) for folder, _, names in os.walk(tree) for n in names)
        paths = [p for p in paths if not os.path.islink(p) and 65536 <= os.path.getsize(p) <= 4 << 20]
        for path in rng.sample(paths, min(len(paths), int(100 * self.scale) or 1)):
            pages = os.path.getsize(path) // 4096
            with open(path, "r+b") as f:
                for to in rng.sample(range(pages), max(1, pages // 5)):
                    f.seek(rng.randrange(pages) * 4096)
                    page = f.read(4096)
                    f.seek(to * 4096)
                    f.write(page[::-1])


class Big(Corpus):
    """A SQLite file of 1.5 GiB in pages of 8 KiB and 512 MiB of binaries as one tar; then 1 % of the pages, and 5,000 bytes inserted."""

    name = "big"
    DATABASE, ARCHIVE, INSERTED = 1536 << 20, 512 << 20, 5000

    def prepare(self):
        self.cached(self.make)

    def make(self, folder):
        os.makedirs(folder + "/v1")
        self.say("big: making the database")
        database.make(folder + "/v1/data.sqlite", int(self.DATABASE * self.scale), seed=11)
        database.make(folder + "/donor.sqlite", int(self.DATABASE * self.scale * 0.012) + (1 << 20), seed=12)
        with open(folder + "/v1/binaries.tar", "wb") as out:
            tar = subprocess.Popen(["tar", "-cf", "-", "--sort=name", "/usr/lib/x86_64-linux-gnu", "/usr/bin", "/usr/lib"], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL)
            left = int(self.ARCHIVE * self.scale)
            while left:
                block = tar.stdout.read(min(left, 1 << 20))
                if not block:
                    break
                out.write(block)
                left -= len(block)
            tar.stdout.close()
            tar.wait()

    def change(self, tree):
        rng = random.Random(13)
        database.rewrite_pages(tree + "/data.sqlite", self.cache + "/donor.sqlite", 0.01, rng)
        path = tree + "/binaries.tar"
        with open(path, "r+b") as f:
            half = os.path.getsize(path) // 2
            f.seek(half)
            rest = f.read()
            f.seek(half)
            f.write(rng.randbytes(self.INSERTED) + rest)


ALL = {corpus.name: corpus for corpus in (Src, Small, Usr, Big)}
