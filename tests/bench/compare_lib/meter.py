"""One timed phase: wall, CPU of each side, bytes on the wire, the biggest process of each side."""
import os
import subprocess
import threading
import time

from . import machine

SAMPLE = 0.02  # seconds


class Step:
    """One command of a phase, on the `source` or the `store` side; `data` marks the part that moves the data."""

    def __init__(self, side, argv, cwd=None, env=None, data=False, allow=(0,)):
        self.side, self.argv, self.cwd, self.env, self.data, self.allow = side, argv, cwd, env or {}, data, allow


class Peaks(threading.Thread):
    """The largest VmHWM of each program, side by side.  What lives for less than a sample may be missed."""

    def __init__(self, groups):
        super().__init__(daemon=True)
        self.groups, self.ending = groups, threading.Event()
        self.peak = {side: {} for side in groups}

    def look(self, pid, peak):
        try:
            with open("/proc/%d/status" % pid) as f:
                text = f.read()
        except OSError:
            return
        at = text.find("VmHWM:")
        if at >= 0:
            name = text.split("\n", 1)[0].split("\t")[1]
            peak[name] = max(peak.get(name, 0), int(text[at + 6:at + 30].split()[0]))

    def run(self):
        while not self.ending.wait(SAMPLE):
            for side, group in self.groups.items():
                for pid in group.pids():
                    self.look(pid, self.peak[side])

    def stop(self):
        self.ending.set()
        self.join()
        return {side: {name: round(kib / 1024, 1) for name, kib in peak.items() if name not in ("sh", "bash")}
                for side, peak in self.peak.items()}


class Meter:
    def __init__(self, source, store, log):
        self.groups = {"source": source, "store": store}
        self.listeners = {"source": set(), "store": set()}
        self.log = log

    def listen(self, side, pid):
        """An sshd that was started elsewhere belongs to this side from now on."""
        self.groups[side].adopt(pid)
        self.listeners[side].add(pid)

    def run(self, step):
        """One command on its side; what it says goes to the log."""
        with open(self.log, "ab") as log:
            log.write(("\n$ %s\n" % " ".join(step.argv)).encode(errors="replace"))
            log.flush()
            begin = log.tell()
            done = subprocess.run(self.groups[step.side].command(step.argv), cwd=step.cwd, env=dict(os.environ, **step.env),
                                  stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if done.returncode not in step.allow:
            with open(self.log, "rb") as log:
                log.seek(begin)
                raise RuntimeError("exit %d: %s\n%s" % (done.returncode, " ".join(step.argv), log.read()[-2000:].decode(errors="replace")))

    def reading(self):
        return {"wall": time.monotonic(), "cpu_source": self.groups["source"].cpu(), "cpu_store": self.groups["store"].cpu(),
                "wire": machine.wire_bytes()}

    def settle(self):
        for side, group in self.groups.items():
            group.settle(self.listeners[side])

    def measure(self, steps):
        """Runs the steps and returns what they cost; `data_line` is the part of those steps that are marked so."""
        os.sync()
        time.sleep(1)
        peaks = Peaks(self.groups)
        peaks.start()
        busy, stolen = machine.busy_seconds()
        begin, parts = self.reading(), []
        for step in steps:
            before = self.reading()
            self.run(step)
            end = time.monotonic()
            if step.data:
                self.settle()
                parts.append(self.cost(before, end))
        end = time.monotonic()
        self.settle()
        cost = self.cost(begin, end)
        busy_after, stolen_after = machine.busy_seconds()
        cost["peak"] = peaks.stop()
        cost["others_cpu"] = max(0.0, busy_after - busy - cost["cpu_source"] - cost["cpu_store"])
        cost["stolen_cpu"] = stolen_after - stolen
        if parts:
            cost["data_line"] = {key: sum(part[key] for part in parts) for key in parts[0]}
        return cost

    def cost(self, before, end):
        after = self.reading()
        cost = {key: after[key] - before[key] for key in before}
        cost["wall"] = end - before["wall"]
        cost["cpu"] = cost["cpu_source"] + cost["cpu_store"]
        return cost
