#!/usr/bin/env python3
"""A crowd of clients for a lab's server: their rules, requests on its work list, and peers that misbehave.

crowd.py rules BACKLINE_CONF COUNT BAD SILENT_PORT GREETING_PORT   appends [client cNNN] sections
crowd.py ask TODO COUNT FOLDER            one request of each, the oldest first
crowd.py crawl PROGRAM WORD...            runs it; what it says goes on at a byte a second
crowd.py slow RATE FOLDER PROGRAM WORD... what it says goes on at so many bytes a second; FOLDER/tree.PID, git.PID or
                                          other.PID, by what was asked for over SSH, says how many they were
crowd.py listen                           two ports, told on standard output: one says nothing, one only greets

The first BAD clients are bad, in turn: silent, greets and stalls, and the agents of client2 (a byte a second),
client3 (garbage) and client4 (endless)."""
import base64
import configparser
import hashlib
import os
import selectors
import socket
import subprocess
import sys
import time
import uuid

KINDS = 5


def sections(path):
    conf = configparser.RawConfigParser(strict=False)
    conf.read(path)
    return {name: conf["client client%d" % name] for name in (1, 2, 3, 4) if "client client%d" % name in conf}


def rules(path, count, bad, silent, greeting):
    known = sections(path)
    user = known[1]["address"].split("@")[0]
    with open(path, "a") as out:
        for i in range(count):
            kind = i % KINDS if i < bad else None
            address, key = known[1]["address"], known[1]["hostkey"]
            if kind in (0, 1):
                address = "%s@127.0.0.1:%d" % (user, (silent, greeting)[kind])
            elif kind is not None:
                address, key = known[kind]["address"], known[kind]["hostkey"]
            out.write("\n[client c%03d]\naddress = %s\nhostkey = %s\n" % (i, address, key))


def request(client, number, place):
    fields = [("id", uuid.uuid4().hex), ("counter", 1), ("client", client), ("module", "directories"),
              ("name", place), ("method", "rsync"), ("place", place),
              ("requested", "2026-01-01T00:00:00.000000000Z")]
    fields += [("answers", fields[0][1]), ("by", "server"),
               ("taken", "2026-01-01T00:%02d:%02d.000000000Z" % divmod(number, 60)), ("attempts", 0)]
    text = "bk-todo 1\n" + "".join("%s: %s\n" % field for field in fields)
    return text + "end: sha256 %s\n" % hashlib.sha256(text.encode()).hexdigest()


def ask(todo, count, folder):
    for i in range(count):
        client = "c%03d" % i
        place = "%s/%s" % (folder, client)
        os.makedirs(os.path.join(todo, client), exist_ok=True)
        stem = "directories:" + base64.urlsafe_b64encode(place.encode()).decode()
        with open(os.path.join(todo, client, "C" + stem), "w") as out:
            out.write(request(client, i, place))


def listen():
    waiting = selectors.DefaultSelector()
    for greeting in (b"", b"SSH-2.0-OpenSSH_9.2\r\n"):
        door = socket.create_server(("127.0.0.1", 0))
        print(door.getsockname()[1], flush=True)
        waiting.register(door, selectors.EVENT_READ, greeting)
    kept = []
    while True:
        for key, _ in waiting.select():
            line, _ = key.fileobj.accept()
            line.sendall(key.data)
            kept.append(line)


def crawl(command):
    with subprocess.Popen(command, stdout=subprocess.PIPE) as program:
        while True:
            byte = program.stdout.read(1)
            if not byte:
                break
            sys.stdout.buffer.write(byte)
            sys.stdout.buffer.flush()
            time.sleep(1)


def slow(rate, folder, command):
    asked = os.environ.get("SSH_ORIGINAL_COMMAND", "")
    kind = "tree" if "tree" in asked else "git" if "git" in asked else "other"
    step, sent, began = 16384, 0, time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as program, \
            open("%s/%s.%d" % (folder, kind, os.getpid()), "w") as count:
        while piece := os.read(program.stdout.fileno(), step):
            os.write(1, piece)
            sent += len(piece)
            count.seek(0)
            count.write("%d\n" % sent)
            count.flush()
            time.sleep(max(0, began + sent / rate - time.monotonic()))
    sys.exit(program.returncode)


if __name__ == "__main__":
    words = sys.argv[2:]
    if sys.argv[1] == "rules":
        rules(words[0], *map(int, words[1:]))
    elif sys.argv[1] == "ask":
        ask(words[0], int(words[1]), words[2])
    elif sys.argv[1] == "slow":
        slow(int(words[0]), words[1], words[2:])
    elif sys.argv[1] == "crawl":
        crawl(words)
    else:
        listen()
