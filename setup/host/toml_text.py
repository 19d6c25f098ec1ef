"""backupconfig.toml as text that people edit: single keys are set, everything else stays as it stands."""
import json
import re
import tomllib

from machine import Trouble


def quoted(text):
    return json.dumps(text, ensure_ascii=False)


def listed(words):
    return "[" + ", ".join(quoted(w) for w in words) + "]"


def section(*names):
    return "[" + ".".join(n if re.fullmatch(r"[A-Za-z0-9_-]+", n) else quoted(n) for n in names) + "]"


def parse(text, path):
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Trouble(78, "%s: %s" % (path, error)) from None


def set_top(text, key, value):
    """`key = value` above the first section; `value` is TOML already.  The line of that key is replaced, or one is added."""
    lines = text.splitlines()
    first = next((i for i, line in enumerate(lines) if line.lstrip().startswith("[")), len(lines))
    for i in range(first):
        if re.match(r"\s*%s\s*=" % re.escape(key), lines[i]):
            lines[i] = "%s = %s" % (key, value)
            return "\n".join(lines) + "\n"
    last = max((i for i in range(first) if lines[i].strip() and not lines[i].lstrip().startswith("#")), default=-1)
    lines.insert(last + 1, "%s = %s" % (key, value))
    return "\n".join(lines) + "\n"


def replace_section(text, head, body):
    """The section `head` (a whole line) with these lines; added at the end when it is not there."""
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if line.strip() == head), None)
    if start is None:
        return text.rstrip("\n") + "\n\n" + "\n".join([head, *body]) + "\n"
    end = next((i for i in range(start + 1, len(lines)) if lines[i].lstrip().startswith("[")), len(lines))
    while end > start + 1 and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith("#")):
        end -= 1
    return "\n".join(lines[:start + 1] + body + lines[end:]) + "\n"
