#!/usr/bin/env python3
"""Peak memory of each program and CPU seconds for many small files, first and unchanged, beside `rsync -a` over the same SSH.

  first_figures.py --bin build/release/bin [--files 300000] [--keep]

Prints one table and the ratios of one run.  CPU is user + system of both sides, sshd included (what the listener reaped); memory is
the largest VmHWM seen of each program (sampled, so a program that lives for milliseconds may be missed).  No tree is deleted before a
timed phase, because ext4 then makes creation up to ten times dearer; sync runs outside of the timing.
"""
import argparse
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TICK = os.sysconf("SC_CLK_TCK")
PROGRAMS = ("backup_it", "send_request", "do_backup", "bk_pull", "bk_ssh", "backup_agent", "ingest_requests", "bk_access", "bkdb", "rsync", "sshd")


def make_tree(root, files):
    rng = random.Random(7)
    os.makedirs(root)
    made = 0
    directory = 0
    blob = rng.randbytes(1 << 20)
    words = [w.encode() for w in ("server backup client tree pull store chunk group index catalog request receipt journal "
                                  "mirror archive consent module queue state snapshot").split()]
    text = b" ".join(rng.choice(words) for _ in range(200000))
    while made < files:
        folder = "%s/d%02d/d%04d" % (root, directory % 60, directory)
        os.makedirs(folder)
        directory += 1
        for i in range(min(90, files - made)):
            size = min(4096, int(rng.expovariate(1 / 1200.0)))
            start = rng.randrange(len(text) - 5000)
            data = text[start:start + size * 3 // 4] + blob[start % 900000:start % 900000 + size // 4]
            with open("%s/file%03d.dat" % (folder, i), "wb") as f:
                f.write(data)
            made += 1


class Sampler(threading.Thread):
    """The largest VmHWM of every process below `roots`, by name."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peak = {}
        self.ending = False

    def run(self):
        while not self.ending:
            for pid in os.listdir("/proc"):
                if not pid.isdigit():
                    continue
                try:
                    with open("/proc/%s/status" % pid) as f:
                        text = f.read()
                except OSError:
                    continue
                name = text.split("\n", 1)[0].split("\t")[1]
                if name not in PROGRAMS:
                    continue
                at = text.find("VmHWM:")
                if at >= 0:
                    kib = int(text[at + 6:].split()[0])
                    self.peak[name] = max(self.peak.get(name, 0), kib)
            time.sleep(0.02)


def reaped_cpu(pid):
    """CPU seconds of the children that `pid` (an sshd listener) has waited for."""
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[13]) + int(fields[14])) / TICK


def phase(name, commands, listeners, results):
    os.sync()
    time.sleep(2)
    sampler = Sampler()
    sampler.start()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    sshd_before = sum(reaped_cpu(p) for p in listeners)
    began = time.monotonic()
    for command in commands:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            sys.exit("%s: exit %d: %s" % (command, done.returncode, done.stdout.decode(errors="replace")[-2000:]))
    wall = time.monotonic() - began
    time.sleep(1)  # the listener reaps its last child
    sampler.ending = True
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    far = sum(reaped_cpu(p) for p in listeners) - sshd_before
    results[name] = (wall, own, far)
    peaks = "  ".join("%s %.0f" % (n, k / 1024) for n, k in sorted(sampler.peak.items()))
    print("%-22s wall %7.1f s   CPU near %7.1f + far %7.1f s   peak MiB: %s" % (name, wall, own, far, peaks), flush=True)


def start_plain_sshd(folder):
    """An sshd for rsync, with the cipher order that Backline uses."""
    os.makedirs(folder)
    for key in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder + "/" + key], check=True)
    shutil.copy(folder + "/user.pub", folder + "/authorized")
    os.makedirs("/run/sshd", exist_ok=True)
    port = random.randint(20000, 32000)
    with open(folder + "/config", "w") as f:
        f.write("Port %d\nListenAddress 127.0.0.1\nHostKey %s/host\nAuthorizedKeysFile %s/authorized\nPidFile none\n"
                "StrictModes no\nUsePAM no\nPermitRootLogin prohibit-password\nLogLevel ERROR\n" % (port, folder, folder))
    sshd = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-f", folder + "/config"], stdin=subprocess.DEVNULL)
    time.sleep(1)
    if sshd.poll() is not None:
        sys.exit("sshd did not start on port %d" % port)
    ssh = ("ssh -p %d -i %s/user -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o LogLevel=ERROR "
           "-c aes256-gcm@openssh.com" % (port, folder))
    return sshd, ssh


def lab_environment(lab):
    out = subprocess.run(["bash", "-c", "set -a; . '%s/env'; env -0" % lab], stdout=subprocess.PIPE, check=True).stdout
    return dict(pair.split("=", 1) for pair in out.decode().split("\0") if "=" in pair)


def disk_mb(path):
    total = 0
    for folder, _, names in os.walk(path):
        total += sum(os.lstat(os.path.join(folder, n)).st_blocks * 512 for n in names)
    return total / 1e6


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--bin", required=True)
    ap.add_argument("--files", type=int, default=300000)
    ap.add_argument("--keep", action="store_true")
    opts = ap.parse_args()
    top = tempfile.mkdtemp(prefix="bk-figures-")
    tree, lab = top + "/tree", top + "/lab"
    lab_script = os.path.join(SOURCE, "setup/lab")
    os.environ["BK_BIN"] = os.path.abspath(opts.bin)
    make_tree(tree, opts.files)
    print("%d files, %.0f MB on disk" % (opts.files, disk_mb(tree)), flush=True)
    results = {}
    sshd, ssh = start_plain_sshd(top + "/sshd")
    try:
        subprocess.run([lab_script, "start", lab], check=True, stdout=subprocess.DEVNULL)
        config = lab + "/client1/backupconfig.toml"
        with open(config) as f:
            text = f.read()
        with open(config, "w") as f:
            f.write(text.replace("paths = []", 'paths = ["%s"]' % tree, 1))
        status = subprocess.run([lab_script, "status", lab], stdout=subprocess.PIPE, check=True).stdout.decode()
        listeners = [int(line.split()[1]) for line in status.splitlines()]
        client, server = lab + "/client1/scripts/", lab + "/server1/scripts/"
        round_ = [[client + "backup_it", "directories", ""], [client + "send_request"], [server + "do_backup"], [client + "send_request"]]
        mirror = ["rsync", "-a", "-e", ssh, "localhost:%s/" % tree, top + "/mirror/"]
        # Both read a warm tree: it was just written.
        phase("rsync -a, first", [mirror], [sshd.pid], results)
        phase("Backline, first", round_, listeners, results)
        print("store %.1f MB, index %.1f MB" % (disk_mb(lab + "/server1/store"), disk_mb(lab + "/server1/index")), flush=True)
        phase("rsync -a, unchanged", [mirror], [sshd.pid], results)
        phase("Backline, unchanged", round_, listeners, results)
        print("store %.1f MB" % disk_mb(lab + "/server1/store"))
        for kind in ("first", "unchanged"):
            ours, theirs = results["Backline, " + kind], results["rsync -a, " + kind]
            print("%s: Backline / rsync -a: wall %.2f, CPU of both sides %.2f" % (
                kind, ours[0] / theirs[0], (ours[1] + ours[2]) / (theirs[1] + theirs[2])))
    finally:
        subprocess.run([lab_script, "stop", lab], stdout=subprocess.DEVNULL)
        sshd.terminate()
        sshd.wait()
        if not opts.keep:
            shutil.rmtree(top, ignore_errors=True)


if __name__ == "__main__":
    main()
