"""The machine: peers, versions, a network of our own, one control group for each side."""
import ctypes
import os
import platform
import re
import shutil
import subprocess
import sys
import time

PACKAGES = {"rsync": "rsync", "restic": "restic", "borg": "borgbackup", "sshd": "openssh-server", "ssh": "openssh-client", "zstd": "zstd",
            "ip": "iproute2"}
CLONE_NEWNET = 0x40000000
TICK = os.sysconf("SC_CLK_TCK")


def output(*argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL).stdout.decode(errors="replace")


def install_peers():
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    missing = [package for program, package in PACKAGES.items() if not shutil.which(program, path=path)]
    if not missing:
        return
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    for argv in (["apt-get", "-q", "update"], ["apt-get", "-q", "install", "-y", "--no-install-recommends", *missing]):
        done = subprocess.run(argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        if done.returncode and argv[2] == "install":
            sys.exit("compare: cannot install %s:\n%s" % (" ".join(missing), done.stdout.decode(errors="replace")[-1000:]))


def cpu_model():
    with open("/proc/cpuinfo") as f:
        names = re.findall(r"^model name\s*:\s*(.*)$", f.read(), re.M)
    return "%d x %s" % (len(names), names[0] if names else platform.machine())


def backline_commit(source):
    commit = output("git", "-C", source, "rev-parse", "--short=10", "HEAD").strip()
    return commit + (" with changes" if output("git", "-C", source, "status", "--porcelain", "-uno").strip() else "")


def versions(source):
    return {"Backline": backline_commit(source), "rsync": output("rsync", "--version").split("\n")[0].split("protocol")[0].strip(),
            "restic": " ".join(output("restic", "version").split()[:2]), "Borg": output("borg", "--version").strip(),
            "OpenSSH": output("ssh", "-V").split(",")[0], "kernel": platform.release(), "CPU": cpu_model(),
            "memory": "%.0f GiB" % (os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30)}


def enter_private_network():
    """From here on lo is ours alone, and so are its counters."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        sys.exit("compare: no private network: %s (run as root)" % os.strerror(ctypes.get_errno()))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def wire_bytes():
    """What lo carried, both ways, headers included: each byte is sent once."""
    with open("/proc/net/dev") as f:
        for line in f:
            name, _, rest = line.partition(":")
            if name.strip() == "lo":
                return int(rest.split()[8])
    return 0


def busy_seconds():
    """CPU seconds of the whole machine, and what the hypervisor took away."""
    with open("/proc/stat") as f:
        field = [int(x) for x in f.readline().split()[1:]]
    return (field[0] + field[1] + field[2] + field[5] + field[6]) / TICK, field[7] / TICK


class Group:
    """A control group: every process that starts in it, and its children, are counted together."""

    def __init__(self, name):
        with open("/proc/mounts") as f:
            mounts = [line.split() for line in f]
        unified = [m[1] for m in mounts if m[2] == "cgroup2"]
        if not unified:
            sys.exit("compare: needs cgroup version 2 (mount -t cgroup2 none /sys/fs/cgroup)")
        self.path = "%s/backline-compare-%d-%s" % (unified[0], os.getpid(), name)
        os.mkdir(self.path)

    def adopt(self, pid):
        with open(self.path + "/cgroup.procs", "w") as f:
            f.write(str(pid))

    def command(self, argv):
        """The same command, started inside the group."""
        return ["/bin/sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', self.path, *argv]

    def cpu(self):
        with open(self.path + "/cpu.stat") as f:
            return int(f.read().split("usage_usec", 1)[1].split()[0]) / 1e6

    def pids(self):
        with open(self.path + "/cgroup.procs") as f:
            return {int(line) for line in f}

    def settle(self, listeners, deadline=20.0):
        """Waits until only the listeners are left: the last session of an sshd ends a moment after its client."""
        end = time.monotonic() + deadline
        while self.pids() - listeners and time.monotonic() < end:
            time.sleep(0.02)

    def remove(self):
        try:
            os.rmdir(self.path)
        except OSError as error:
            print("compare: %s stays: %s" % (self.path, error.strerror), file=sys.stderr)
