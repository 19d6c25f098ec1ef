"""A long round trip: Backline through the delay proxy beside one plain OpenSSH stream through the same proxy."""
import glob
import os
import random
import subprocess
import sys

from .backline import Backline
from .bench import World
from .meter import Step

AIM = 3.0
FILES, FILE_BYTES = 8, 64 << 20


def make(tree, scale):
    """Bytes that cannot be compressed, so that the line is what is compared."""
    rng = random.Random(15)
    os.makedirs(tree)
    for i in range(FILES):
        with open("%s/file%d" % (tree, i), "wb") as f:
            for _ in range(max(1, int(FILE_BYTES * scale) >> 20)):
                f.write(rng.randbytes(1 << 20))


def find_proxy(source, programs):
    """The proxy is built with the tests: beside these programs or in another preset's folder."""
    found = glob.glob(os.path.dirname(programs) + "/tests/delay_proxy") + sorted(glob.glob(source + "/build/*/tests/delay_proxy"))
    if not found:
        sys.exit("compare: no delay_proxy is built (setup/build dev)")
    return found[0]


class Proxy:
    def __init__(self, program, port, delay):
        self.process = subprocess.Popen([program, "--to", "127.0.0.1:%s" % port, "--delay", "%g" % delay], stdout=subprocess.PIPE,
                                        stdin=subprocess.DEVNULL)
        self.port = self.process.stdout.readline().split()[1].decode()

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()


def pull_through(peer, port):
    """The server finds this client behind the proxy from now on: an administrator's push."""
    with open(peer.client + "/sshd/port") as f:
        old = f.read().strip()
    clone = peer.lab + "/admin/server1"
    with open(clone + "/backline.conf") as f:
        text = f.read()
    with open(clone + "/backline.conf", "w") as f:
        f.write(text.replace("127.0.0.1:" + old, "127.0.0.1:" + port))
    git = ["git", "-C", clone, "-c", "user.name=admin", "-c", "user.email=admin@localhost", "-c", "commit.gpgsign=false"]
    for words in (["commit", "-qam", "client1 is far away"], ["push", "-q"]):
        subprocess.run(git + words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return old


def plain_stream(world, proxy_port, tree):
    """One ssh, one cat for all files, from the client's plain sshd through the proxy."""
    files = " ".join("%s/file%d" % (tree, i) for i in range(FILES))
    return Step("store", ["bash", "-c", "%s -p %s -o HostKeyAlias=[127.0.0.1]:%s source cat %s >/dev/null" % (
        world.servers.ssh, proxy_port, world.servers.sshds[0].port, files)])


def run(source, options, folder, say):
    program = find_proxy(source, options.bin)
    world = World(source, options.bin, folder + "/delay")
    rows = []
    try:
        tree = world.folder + "/tree"
        make(tree, options.scale)
        size = sum(os.path.getsize(tree + "/" + n) for n in os.listdir(tree))
        proxies = {}

        def through(port, delay):
            proxy = Proxy(program, port, delay)
            world.at_end(proxy.stop)
            return proxy.port

        plain_port = world.servers.sshds[0].port
        for name, delay in (("the proxy's limit: one stream, 0 ms", 0), ("one OpenSSH stream", options.delay)):
            proxies[name] = world.meter.measure([plain_stream(world, through(plain_port, delay), tree)])
        peer = Backline(world, tree)
        with open(peer.client + "/sshd/port") as f:
            pull_through(peer, through(f.read().strip(), options.delay))
        proxies["Backline's data line"] = world.meter.measure(peer.backup())["data_line"]
        for name, cost in proxies.items():
            rows.append({"case": name, "delay_ms": options.delay, "bytes": size, "rate": size / cost["wall"] / 1e6, **cost})
            say("%s: %.1f MB/s, wall %.2f s, CPU %.2f s" % (name, rows[-1]["rate"], cost["wall"], cost["cpu"]))
    finally:
        world.end()
    return rows


def table(rows):
    limit, plain, ours = (row["rate"] for row in rows)
    yield "| %g ms round trip | MB/s | CPU |" % rows[0]["delay_ms"]
    yield "|---|---|---|"
    for row in rows:
        yield "| %s | %.1f | %.2f s |" % (row["case"], row["rate"], row["cpu"])
    yield ""
    yield "Backline / one OpenSSH stream: %.2f, aim %.1f or the proxy's limit: %s." % (
        ours / plain, AIM, "met" if ours >= min(AIM * plain, 0.9 * limit) else "**not met**")
