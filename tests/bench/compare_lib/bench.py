"""One corpus after the other, every peer on the same tree: first, unchanged, changed, restore."""
import os
import subprocess
import sys
import time

from . import machine
from .backline import Backline
from .meter import Meter
from .peers import Borg, Restic, Rsync
from .servers import Servers

PEERS = {peer.name: peer for peer in (Rsync, Restic, Borg, Backline)}
PHASES = ("first", "unchanged", "changed", "restore")


class World:
    """What one corpus of one run needs: a folder, two sshds, two control groups, and who ends them."""

    def __init__(self, source, programs, folder):
        os.makedirs(folder)
        self.source, self.programs, self.folder = source, programs, folder
        self.endings = []
        groups = [machine.Group("%s-%s" % (side, os.path.basename(folder))) for side in ("source", "store")]
        for group in groups:
            self.at_end(group.remove)
        self.meter = Meter(*groups, log=folder + "/log")
        self.at_end(self.meter_settle)
        self.servers = Servers(source, folder + "/servers", self.meter)
        self.at_end(self.servers.stop)

    def at_end(self, action):
        self.endings.append(action)

    def meter_settle(self):
        self.meter.listeners = {"source": set(), "store": set()}
        self.meter.settle()

    def end(self):
        while self.endings:
            self.endings.pop()()


def folder_of(part):
    return part[0] if isinstance(part, tuple) else part


def disk_bytes(part):
    """What a part of a store occupies: allocated blocks, each inode once.  A part is a folder, or (folder, chosen by path)."""
    chosen = part[1] if isinstance(part, tuple) else lambda _: True
    seen = {}
    for below, folders, names in os.walk(folder_of(part)):
        for path in [below + "/" + name for name in folders + names]:
            found = os.lstat(path)
            if chosen(path):
                seen[found.st_ino] = found.st_blocks * 512
    return sum(seen.values())


def warm(path):
    """Reads everything once: the cache is warm for everybody."""
    buffer = bytearray(1 << 20)
    for folder, _, names in os.walk(path):
        for name in names:
            full = os.path.join(folder, name)
            if os.path.isfile(full) and not os.path.islink(full):
                with open(full, "rb", buffering=0) as f:
                    while f.readinto(buffer):
                        pass


def differences(source, tree, restored):
    """The first lines of what differs, empty when nothing does.  Holes are left out: not every peer promises them."""
    done = subprocess.run([sys.executable, source + "/tests/support/compare_trees.py", "--no-holes", "--no-root", tree, restored],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    lines = done.stdout.decode(errors="replace").splitlines()
    return [] if done.returncode == 0 else ["%d differences" % len(lines)] + lines[:5]


class Bench:
    def __init__(self, source, options, say):
        self.source, self.options, self.say = source, options, say
        self.results = []

    def record(self, corpus, repeat, peer, phase, cost, extra):
        row = {"corpus": corpus, "repeat": repeat, "peer": peer, "phase": phase, **cost, **extra}
        self.results.append(row)
        line = row.get("data_line")
        self.say("%-6s %-10s %-10s wall %7.2f s  CPU %7.2f + %6.2f s  wire %9.3f MB%s%s%s" % (
            corpus, phase, peer, row["wall"], row["cpu_source"], row["cpu_store"], row["wire"] / 1e6,
            "  (data line: wall %.2f, CPU %.2f, wire %.3f)" % (line["wall"], line["cpu"], line["wire"] / 1e6) if line else "",
            "  [others' CPU %.0f %%]" % (100 * row["others_cpu"] / max(row["wall"], 0.1)) if row["others_cpu"] > 0.3 * row["wall"] else "",
            "  DIFFERS: " + "; ".join(row["differences"]) if row.get("differences") else ""))

    def quiet(self, seconds):
        os.sync()
        time.sleep(seconds)

    def corpus(self, corpus, repeat, folder):
        """All phases of one corpus; what is made stays until the end of the whole run, because deleting makes creating dear."""
        world = World(self.source, self.options.bin, "%s/%s-%d" % (folder, corpus.name, repeat))
        try:
            tree = world.folder + "/tree"
            corpus.first(tree)
            names = [n for n in PEERS if n in self.options.peers]
            peers = [PEERS[n](world, tree) for n in names[repeat % len(names):] + names[:repeat % len(names)]]
            for phase in PHASES:
                if phase == "changed":
                    corpus.change(tree)
                self.quiet(self.options.quiet_wait if phase in ("first", "changed") else 1)
                for peer in peers:
                    self.phase(corpus.name, repeat, world, peer, phase, tree)
        finally:
            world.end()

    def phase(self, corpus, repeat, world, peer, phase, tree):
        extra = {}
        os.sync()  # whoever waits for the disk must not wait for what the peer before left behind
        if phase == "restore":
            target = peer.home + "/restored"
            os.mkdir(target)
            warm(folder_of(peer.stored()["store"]))
            steps = peer.restore(target)
        else:
            warm(tree)
            steps = peer.backup()
        cost = world.meter.measure(steps)
        if phase == "restore":
            extra["differences"] = differences(self.source, tree, peer.restored(target))
        else:
            extra["stored"] = {what: disk_bytes(path) for what, path in peer.stored().items()}
        self.record(corpus, repeat, peer.name, phase, cost, extra)
        if phase == "unchanged" and peer.name == "rsync":
            self.plain_rsync(corpus, repeat, world, peer)

    def plain_rsync(self, corpus, repeat, world, peer):
        """rsync -a without hard links, ACLs and attributes: the cheapest look at an unchanged tree."""
        peer.options = ["-a", "--numeric-ids", "--delete"]
        self.record(corpus, repeat, "rsync -a", "unchanged", world.meter.measure(peer.backup()), {})
        peer.options = Rsync.options
