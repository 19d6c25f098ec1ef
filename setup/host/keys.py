"""Keys, and the two lines by which a client and a server come to know each other.

    bk_access client add NAME --address USER@HOST[:PORT] --hostkey TYPE:BASE64 --key TYPE:BASE64 --fingerprint SHA256:…
    backline-setup trust NAME --url ssh://USER@HOST[:PORT] --hostkey TYPE:BASE64 --key TYPE:BASE64 --fingerprint SHA256:…

The fingerprint is that of the host key as `ssh-keygen -l` shows it: it lets people compare over another line, and shows
that nothing was lost in copying.
"""
import base64
import binascii
import hashlib
import os
import re

from machine import Trouble, read_if_there

HOST_KEYS = ("ed25519", "ecdsa", "rsa")
TYPE = re.compile(r"ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)|sk-[a-z0-9-]+@openssh\.com")
NAME = re.compile(r"[A-Za-z0-9](?!.*\.\.)[A-Za-z0-9._-]{0,63}")


def blob_of(text):
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def parse_key(text):
    """"TYPE BASE64 [comment]" or "TYPE:BASE64" -> "TYPE BASE64"."""
    words = text.strip().replace(":", " ", 1).split()
    if len(words) < 2 or not TYPE.fullmatch(words[0]):
        raise Trouble(64, "%r is no public key: \"ssh-ed25519 AAAA…\"" % text[:60])
    blob = blob_of(words[1])
    length = int.from_bytes(blob[:4], "big")
    if blob[4:4 + length].decode("ascii", "replace") != words[0]:
        raise Trouble(64, "the key %s %s… is damaged" % (words[0], words[1][:20]))
    return " ".join(words[:2])


def fingerprint(key):
    digest = hashlib.sha256(blob_of(key.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def one_word(key):
    return key.replace(" ", ":", 1)


def host_key(given):
    """This machine's host key: from the given .pub file, else the best one that sshd has."""
    files = [given] if given else ["/etc/ssh/ssh_host_%s_key.pub" % kind for kind in HOST_KEYS]
    for file in files:
        text = read_if_there(file)
        if text:
            return parse_key(text)
    if given:
        raise Trouble(78, "%s is not there" % given)
    return None


def user_key(home):
    text = read_if_there(home + "/.ssh/id_ed25519.pub")
    return parse_key(text) if text else None


def place(host, port):
    shown = "[%s]" % host if ":" in host else host
    return shown if port == 22 else "%s:%d" % (shown, port)


def split_place(text):
    """HOST, HOST:PORT, [V6], [V6]:PORT -> (host, port)"""
    match = re.fullmatch(r"\[([0-9A-Fa-f:.]+)\](?::(\d{1,5}))?|([A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?)(?::(\d{1,5}))?", text)
    if not match and re.fullmatch(r"[0-9A-Fa-f]*:[0-9A-Fa-f:.]+", text):
        return text, 22
    if not match:
        raise Trouble(64, "%r is no host name or address (HOST, HOST:PORT, [IPv6]:PORT)" % text)
    port = int(match.group(2) or match.group(4) or 22)
    if not 0 < port < 65536:
        raise Trouble(64, "%r: there is no port %d" % (text, port))
    return match.group(1) or match.group(3), port


def client_line(record, home, key, host):
    """For the server's administrator."""
    return "bk_access client add %s --address %s@%s --hostkey %s --key %s --fingerprint %s" % (
        record["name"], record["user"], place(record["host"], record["port"]), one_word(host), one_word(key), fingerprint(host))


def server_line(record, home, key, host):
    """For every client."""
    return "backline-setup trust %s --url ssh://%s@%s --hostkey %s --key %s --fingerprint %s" % (
        record["name"], record["user"], place(record["host"], record["port"]), one_word(host), one_word(key), fingerprint(host))


def agent_line(home, server, key):
    return "restrict,command=\"%s/scripts/backup_agent --home %s --server %s\" %s %s" % (home, home, server, key, server)


def with_agent_line(text, home, server, key):
    """authorized_keys in which this server may run the agent and nothing else.  (text, key lines that went)"""
    wanted, kept, gone = agent_line(home, server, key), [], []
    blob = key.split()[1]
    for line in text.splitlines():
        if line == wanted:
            continue
        ours = "/scripts/backup_agent" in line and re.search(r" --server %s[\" ]" % re.escape(server), line)
        if ours or blob in line.split():
            gone.append(line)
        else:
            kept.append(line)
    return "\n".join(kept + [wanted]) + "\n", gone
