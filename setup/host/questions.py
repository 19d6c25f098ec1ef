"""The manual's questions, in its order.  Flags, an answers file and what is already known answer them, too."""
import os
import re
import sys
import tomllib

import keys
from machine import Trouble, read_if_there

KNOWN = {
    "client": {"sendmail": str, "administrators": list, "default_server": str, "name": str, "groups": list, "schedule": str,
               "read_all": bool, "hostkey": str},
    "server": {"sendmail": str, "administrators": list, "admin_key": str, "name": str, "groups": list, "schedule": str,
               "hostkey": str},
}
SHOWN = {"sendmail": "sendmail", "administrators": "notification addresses", "admin_key": "admin public key",
         "default_server": "default backup server"}
ASKED = {
    "sendmail": "Please specify /path/to/send_mail: ",
    "administrators": "Please specify notification email(a@e.com b@e.com...): ",
    "admin_key": "Please specify /path/to/admin_public_key: ",
    "default_server": "Please specify default backup server' URL: ",
}
ORDER = {"client": ("sendmail", "administrators", "default_server"), "server": ("sendmail", "administrators", "admin_key")}


def read_answers(path, side):
    """An answers file: TOML, the long options' names with _ for -."""
    text = read_if_there(path)
    if text is None:
        raise Trouble(78, "%s is not there" % path)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Trouble(78, "%s: %s" % (path, error)) from None
    for key, value in values.items():
        kind = KNOWN[side].get(key)
        if kind is None:
            raise Trouble(78, "%s: unknown key %s; there are %s" % (path, key, ", ".join(sorted(KNOWN[side]))))
        if kind is list and isinstance(value, str):
            values[key] = value.split()
        elif not isinstance(value, kind):
            raise Trouble(78, "%s: %s must be a %s" % (path, key, {str: "text", list: "list", bool: "true or false"}[kind]))
    return values


def check_sendmail(text):
    if text and not (text.startswith("/") and os.access(text, os.X_OK)):
        raise Trouble(78, "sendmail: %s is no program; leave it empty when there is none" % text)
    return text


def check_administrators(words):
    for word in words:
        if not re.fullmatch(r"[A-Za-z0-9._%+=-]+(@[A-Za-z0-9.-]+)?", word):
            raise Trouble(78, "notification addresses: %r is none" % word)
    return words


def check_admin_key(path):
    if not path:
        return path
    text = read_if_there(path)
    if text is None:
        raise Trouble(78, "admin public key: %s is not there" % path)
    keys.parse_key(text)
    return path


def check_default_server(text):
    if not text:
        return text
    match = re.fullmatch(r"ssh://(?:[^@/]+@)?([^/]+)(?:/.*)?", text)
    host, port = keys.split_place(match.group(1) if match else text)
    return keys.place(host, port)


CHECKS = {"sendmail": check_sendmail, "administrators": check_administrators, "admin_key": check_admin_key,
          "default_server": check_default_server}


def ask(side, given, optional, yes):
    """The answers to all questions.  `given` wins; `optional` may stay unanswered with --yes."""
    out = {}
    for key in ORDER[side]:
        value = given.get(key)
        if value is None and not yes:
            value = asked(ASKED[key])
        if value is None and key not in optional:
            raise Trouble(64, "--yes asks nothing: --%s is missing" % key.replace("_", "-"))
        if key == "administrators":
            value = value.replace(",", " ").split() if isinstance(value, str) else list(value or [])
        out[key] = CHECKS[key](value or ([] if key == "administrators" else ""))
    return out


def asked(question):
    sys.stdout.write(question)
    sys.stdout.flush()
    line = sys.stdin.readline()
    if not line:
        raise Trouble(64, "there is nobody to ask: use flags, or --answers FILE, with --yes")
    return line.strip()


def agreed():
    return asked("Is above OK?(y/N)") == "y"
