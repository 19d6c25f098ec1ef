#!/usr/bin/env python3
"""Looks for secrets where none may be.

    canaries.py watch FILE OUT    until OUT.stop is there: command lines and environments of all processes; OUT gets a line
                                  "<canary> cmdline|environ <program>" for each finding, and "samples <n>" at the end
    canaries.py search FILE PATH...   every file below the paths, what is in git repositories unpacked; a line "<canary> <where>" each
    canaries.py core PROGRAM [WORD...]   starts it (--help) as nobody on a pipe that is full, with core files allowed, and ends it by
                                  SIGSEGV: prints "core" or "none", whether its user could look into it ("open", "closed"), its limits

FILE has a line "<name> <secret>" for each canary; it is never in an argument of anything.
"""
import os
import re
import resource
import signal
import subprocess
import sys
import time

NOBODY = 65534


def read_canaries(path):
    with open(path, "rb") as lines:
        return [tuple(line.rstrip(b"\n").split(b" ", 1)) for line in lines if line.strip()]


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def watch(canaries, out):
    found, samples, parent = set(), 0, os.getppid()
    while not os.path.exists(out + ".stop") and os.getppid() == parent:
        for pid in filter(str.isdigit, os.listdir("/proc")):
            for what in ("cmdline", "environ"):
                text = read("/proc/%s/%s" % (pid, what))
                here = [name.decode() for name, secret in canaries if secret in text]
                program = read("/proc/%s/comm" % pid).decode().strip() if here else ""
                if program:  # one that has ended since has no name; what leaks is met again
                    found.update("%s %s %s" % (name, what, program) for name in here)
        samples += 1
        time.sleep(0.02)
    if os.getppid() != parent:
        return
    with open(out, "w") as lines:
        lines.write("".join(f + "\n" for f in sorted(found)) + "samples %d\n" % samples)


def in_files(canaries, top):
    files = [top] if os.path.isfile(top) else [os.path.join(at, f) for at, _, names in os.walk(top) for f in names]
    for file in files:
        if os.path.islink(file) or not os.path.isfile(file):
            continue
        text = read(file)
        for name, secret in canaries:
            if secret in text:
                yield name.decode(), file


def in_repositories(canaries, top):
    for at, folders, names in os.walk(top):
        if not ("HEAD" in names and "objects" in folders):
            continue
        command = ["git", "--git-dir=" + at, "cat-file", "--batch-all-objects", "--batch"]
        text = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
        for name, secret in canaries:
            if secret in text:
                yield name.decode(), at + " (objects)"


def search(canaries, tops):
    for top in tops:
        for name, where in [*in_files(canaries, top), *in_repositories(canaries, top)]:
            print(name, where)


def full_pipe():
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while os.write(writing, bytes(4096)):
            pass
    except BlockingIOError:
        os.set_blocking(writing, True)
    return reading, writing


def wait_asleep(pid):
    deadline = time.time() + 20
    while b"pipe_write" not in read("/proc/%d/wchan" % pid):
        if time.time() > deadline:
            sys.exit("the program never waited")
        time.sleep(0.01)


def core(words):
    """The help blocks on the full pipe, so the program has begun its work and waits."""
    reading, writing = full_pipe()
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    binary = os.open(words[0], os.O_RDONLY)
    child = subprocess.Popen(words + ([] if words[1:] else ["--help"]), executable="/proc/self/fd/%d" % binary, pass_fds=[binary],
                             stdout=writing, stderr=subprocess.DEVNULL, preexec_fn=lambda: os.setuid(NOBODY))
    wait_asleep(child.pid)
    limit = re.search(rb"Max core file size +(\S+) +(\S+)", read("/proc/%d/limits" % child.pid)).groups()
    owner = "closed" if os.stat("/proc/%d/environ" % child.pid).st_uid == 0 else "open"
    child.send_signal(signal.SIGSEGV)
    _, status = os.waitpid(child.pid, 0)
    os.close(reading)
    print("core" if os.WCOREDUMP(status) else "none", owner, *(word.decode() for word in limit))


def main():
    what, *words = sys.argv[1:]
    if what == "watch":
        watch(read_canaries(words[0]), words[1])
    elif what == "search":
        search(read_canaries(words[0]), words[1:])
    else:
        core(words)


if __name__ == "__main__":
    main()
