"""Backline, from an installation that setup/lab makes: the user's whole round, and a restore."""
import json
import os
import subprocess

from . import servers
from .meter import Step
from .peers import Peer


class Backline(Peer):
    name = "backline"

    def prepare(self):
        lab = self.home + "/lab"
        self.lab_script = self.world.source + "/setup/lab"
        self.client, self.server = lab + "/client1", lab + "/server1"
        self.lab = lab
        subprocess.run([self.lab_script, "start", lab], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                       env=dict(os.environ, BK_BIN=self.world.programs, BK_SSHD_EXTRA=servers.SSHD_LINES))
        self.world.at_end(self.stop)
        self.name_paths()
        for home, side in ((self.client, "source"), (self.server, "store")):
            with open(home + "/sshd/pid") as f:
                self.world.meter.listen(side, int(f.read().split()[0]))

    def name_paths(self):
        path = self.client + "/backupconfig.toml"
        with open(path) as f:
            text = f.read()
        head, mark, tail = text.partition("[module.directories]\n")
        with open(path, "w") as f:
            f.write(head + mark + tail.replace("paths = []", "paths = [%s]" % json.dumps(self.tree), 1))

    def stop(self):
        subprocess.run([self.lab_script, "stop", self.lab], stdout=subprocess.DEVNULL)

    def backup(self):
        """The whole round of a user: ask, send, pull, read the receipt.  The data line alone is do_backup."""
        client, server = self.client + "/scripts/", self.server + "/scripts/"
        return [Step("source", [client + "backup_it", "directories", ""]), Step("source", [client + "send_request", "--now"]),
                Step("store", [server + "do_backup"], data=True), Step("source", [client + "send_request", "--now"])]

    def restore(self, target):
        """The restore stream from the server through ssh into restore_it on the client; as the peers, without a sync."""
        export = '"$0" export - %d -C "$1" --stream | %s source "$2" --from - --no-sync export "$3"' % (self.index(), self.world.servers.ssh)
        return [Step("store", ["bash", "-c", "set -o pipefail; " + export, self.server + "/scripts/bkdb", self.server,
                               self.client + "/scripts/restore_it", target])]

    def index(self):
        listing = subprocess.run([self.server + "/scripts/bkdb", "ls", "--json", "-C", self.server], stdout=subprocess.PIPE, check=True).stdout
        return [s["index"] for s in json.loads(listing)["sources"] if s["path"] == self.tree][0]

    def restored(self, target):
        """The stream holds the tree as the one folder beside EXPORT.txt."""
        (name,) = (n for n in os.listdir(target) if os.path.isdir(target + "/" + n))
        return target + "/" + name

    def stored(self):
        """Parity and index apart; the reserve is room that nothing takes."""
        store = self.server + "/store"
        return {"store": (store, lambda path: not path.endswith((".parity", "/locks/reserve"))),
                "parity": (store, lambda path: path.endswith(".parity")), "index": self.server + "/index"}
