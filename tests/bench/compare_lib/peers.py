"""The peers, each as a user would run it: what to run for a first backup, the next ones and a restore."""
import os

from .meter import Step


class Peer:
    """Knows its commands; nothing here is timed but the steps it returns."""

    name = ""

    def __init__(self, world, tree):
        self.world, self.tree, self.home = world, tree, "%s/%s" % (world.folder, self.name.replace(" ", ""))
        os.makedirs(self.home)
        self.number = 0
        self.prepare()

    def prepare(self):
        pass

    def backup(self):
        raise NotImplementedError

    def restore(self, target):
        raise NotImplementedError

    def restored(self, target):
        """Where the tree lies after restore(target)."""
        return target

    def stored(self):
        """{"store": folder, …}: what it keeps on the store's side; a part of a folder is (folder, chosen by path)."""
        return {"store": self.home + "/store"}


class Rsync(Peer):
    name = "rsync"
    options = ["-aHAX", "--numeric-ids", "--delete"]

    def copy(self, source, target):
        return [Step("source", ["rsync", *self.options, "-e", self.world.servers.ssh, source, target])]

    def backup(self):
        return self.copy(self.tree + "/", "store:%s/store/" % self.home)

    def restore(self, target):
        return self.copy("store:%s/store/" % self.home, target + "/")


class Restic(Peer):
    """Repository version 2, compression auto; always encrypted."""

    name = "restic"

    def prepare(self):
        self.env = {"RESTIC_PASSWORD": "bench", "RESTIC_CACHE_DIR": self.home + "/cache", "HOME": self.home}
        self.argv = ["restic", "-q", "-o", "sftp.command=%s store -s sftp" % self.world.servers.ssh, "-r", "sftp:store:%s/store" % self.home]
        self.world.meter.run(Step("source", self.argv + ["init", "--repository-version", "2"], env=self.env))

    def backup(self):
        return [Step("source", self.argv + ["backup", "--host", "bench", "--compression", "auto", self.tree], env=self.env)]

    def restore(self, target):
        return [Step("source", self.argv + ["restore", "latest", "--target", target], env=self.env)]

    def restored(self, target):
        return target + self.tree


class Borg(Peer):
    """zstd,3 without encryption: its fastest mode."""

    name = "borg"

    def prepare(self):
        self.env = {"BORG_RSH": self.world.servers.ssh, "BORG_BASE_DIR": self.home, "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
                    "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes"}
        self.repository = "ssh://store%s/store" % self.home
        self.world.meter.run(Step("source", ["borg", "init", "-e", "none", self.repository], env=self.env))

    def backup(self):
        self.number += 1
        return [Step("source", ["borg", "create", "--numeric-ids", "-C", "zstd,3", "%s::n%d" % (self.repository, self.number), "."],
                     cwd=self.tree, env=self.env)]

    def restore(self, target):
        return [Step("source", ["borg", "extract", "--numeric-ids", "%s::n%d" % (self.repository, self.number)], cwd=target, env=self.env)]
