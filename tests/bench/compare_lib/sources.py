"""Two releases of some upstream sources, through apt, without touching the machine's own lists.

The two newest versions of the same series that Debian's archive offers (its three youngest suites, the archive that the machine already
uses).  Where nothing can be had: a tree made of /usr/include, with a seeded second version.
"""
import os
import random
import re
import subprocess

PACKAGES = ("apache2", "git", "python3.13", "redis", "bind9")
SUITES = ("bookworm", "trixie", "forky")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


class Apt:
    def __init__(self, folder):
        self.folder = folder
        for part in ("lists/partial", "archives/partial", "src"):
            os.makedirs(folder + "/" + part)
        with open(folder + "/sources.list", "w") as f:
            for suite in SUITES:
                f.write("deb-src [signed-by=%s] http://deb.debian.org/debian %s main\n" % (KEYRING, suite))
        self.options = ["-o", "Dir::Etc::sourcelist=%s/sources.list" % folder, "-o", "Dir::Etc::sourceparts=-", "-o",
                        "Dir::State::lists=%s/lists" % folder, "-o", "Dir::Cache::archives=%s/archives" % folder, "-o",
                        "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=", "-o", "APT::Sandbox::User=root"]

    def run(self, *argv):
        return subprocess.run([argv[0], *self.options, *argv[1:]], cwd=self.folder + "/src", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=600)

    def releases(self, package):
        """{upstream version: (Debian version, archive file)}"""
        found = {}
        for stanza in self.run("apt-cache", "showsrc", "--only-source", package).stdout.decode().split("\n\n"):
            version = re.search(r"^Version: (\S+)", stanza, re.M)
            archive = re.search(r"^ [0-9a-f]{64} \d+ (\S+\.orig\.tar\.(?:gz|xz|bz2))$", stanza, re.M)
            if version and archive:
                upstream = version.group(1).split(":")[-1].rsplit("-", 1)[0]
                found[upstream] = (version.group(1), archive.group(1))
        return found

    def fetch(self, package, release, target):
        """Unpacks the upstream archive of one release into a new folder; False when it cannot be had."""
        version, archive = release
        self.run("apt-get", "source", "-qq", "--download-only", "%s=%s" % (package, version))
        path = "%s/src/%s" % (self.folder, archive)
        if not os.path.exists(path):
            return False
        os.makedirs(target)
        subprocess.run(["tar", "-xf", path, "-C", target, "--strip-components=1", "--no-same-owner"], check=True)
        return True


def numbers(version):
    return [int(n) for n in re.findall(r"\d+", version)]


def neighbours(versions):
    """The two newest of the longest common series: 2.4.68 and 2.4.69 rather than 2.2.1 and 2.4.69."""
    def common(a, b):
        count = 0
        while count < min(len(a), len(b)) and a[count] == b[count]:
            count += 1
        return count

    ordered = sorted(versions, key=numbers)
    pairs = list(zip(ordered, ordered[1:]))
    return max(pairs, key=lambda p: (common(numbers(p[0]), numbers(p[1])), numbers(p[1])), default=None)


def from_archive(folder, count):
    apt = Apt(folder + "/apt")
    apt.run("apt-get", "-q", "update")
    taken = []
    for package in PACKAGES[:count]:
        known = apt.releases(package)
        pair = neighbours(known)
        if pair and all(apt.fetch(package, known[v], "%s/%s/%s" % (folder, n, package)) for n, v in zip(("v1", "v2"), pair)):
            taken.append("%s %s to %s" % (package, *pair))
        else:
            subprocess.run(["rm", "-rf", "%s/v1/%s" % (folder, package), "%s/v2/%s" % (folder, package)], check=True)
    subprocess.run(["rm", "-rf", folder + "/apt"], check=True)
    return taken


def synthetic(folder):
    """/usr/include, and a second version with a tenth of the files edited, 1 % added, 0.3 % removed."""
    rng = random.Random(5)
    for version in ("v1", "v2"):
        subprocess.run(["cp", "-a", "/usr/include", "%s/%s" % (folder, version)], check=True)
    paths = sorted(os.path.join(d, n) for d, _, names in os.walk(folder + "/v2") for n in names)
    for path in paths:
        chance = rng.random()
        if os.path.islink(path) or chance > 0.113:
            continue
        with open(path, "rb") as f:
            lines = f.read().split(b"\n")
        if chance < 0.1:
            for _ in range(1 + len(lines) // 50):
                lines.insert(rng.randrange(len(lines)), b"/* %d */ " % rng.randrange(10**9) + rng.choice(lines))
            with open(path, "wb") as f:
                f.write(b"\n".join(lines))
        elif chance < 0.11:
            with open(path + ".new.h", "wb") as f:
                f.write(b"\n".join(reversed(lines)))
        else:
            os.unlink(path)


def make(folder, scale, say):
    """Makes folder/v1 and folder/v2, and says in folder/origin what they are."""
    say("src: asking Debian's archive for sources")
    taken = from_archive(folder, max(1, round(len(PACKAGES) * scale)))
    if not taken:
        say("src: the archive cannot be had: a synthetic pair made from /usr/include instead")
        synthetic(folder)
    with open(folder + "/origin", "w") as f:
        f.write(", ".join(taken) or "synthetic, from /usr/include")
