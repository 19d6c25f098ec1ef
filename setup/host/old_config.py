"""backupconfig.sh of the system that Backline replaces, read without running it."""
import re
import shlex

ASSIGNMENT = re.compile(r"^\s*(?:export\s+|readonly\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$")
REFERENCE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
# What setup and the programs know without being told.
OWN = {"TODOdir", "Datadir", "Cmdir", "UtilsDir", "LogfileDir", "RequestDir", "SendQueue", "tmpDir", "PATH",
       "Export_ssh", "Export_sftp"}
MODULES = {"git_base": "git", "trac": "trac", "wiki": "wiki", "wordpress": "wordpress", "directories": "directories"}


def value_of(raw, known):
    """The value of one assignment, or None when only a shell could tell."""
    raw = raw.strip()
    literal = raw.startswith("'")
    if "`" in raw or "$(" in raw:
        return None
    try:
        words = shlex.split(raw, comments=True)
    except ValueError:
        return None
    if len(words) > 1:
        return None
    value = words[0] if words else ""
    if literal:
        return value
    missing = [m.group(1) or m.group(2) for m in REFERENCE.finditer(value) if (m.group(1) or m.group(2)) not in known]
    value = REFERENCE.sub(lambda m: known.get(m.group(1) or m.group(2), ""), value)
    return None if missing or "$" in value else value


def parse(text):
    """({name: value}, [what could not be read])"""
    values, remarks = {}, []
    # A value in quotes may go on over several lines.
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        match = ASSIGNMENT.match(line)
        if not match:
            continue
        name, raw = match.groups()
        while raw.count('"') % 2 == 1 and raw.lstrip().startswith('"'):
            following = next(lines, None)
            if following is None:
                break
            raw += "\n" + following[1]
        value = value_of(raw, values)
        if value is None:
            if name not in OWN:
                remarks.append("line %d: %s needs a shell to be read; write it into backupconfig.toml yourself" % (number, name))
        else:
            values[name] = value
    return values, remarks


def default_node(url):
    """ssh://backupsrv@SERVER[:port]/HOST.git, or backupsrv@SERVER:HOST.git -> (user, server, port or None, HOST)"""
    match = re.fullmatch(r"ssh://([^@/]+)@(\[[^\]]+\]|[^:/]+)(?::(\d+))?/(.+)", url) or \
        re.fullmatch(r"([^@/:]+)@([^:/]+)()?:(.+)", url)
    if not match:
        return None
    user, server, port, repository = match.groups()
    return user, server, int(port) if port else None, re.sub(r"\.git$", "", repository)


def answers(text):
    """What the old file answers: keys as in an answers file, plus modules."""
    values, remarks = parse(text)
    out = {"modules": {}}
    if values.get("Administrators"):
        out["administrators"] = values["Administrators"].replace(",", " ").split()
    if values.get("Sendmail"):
        out["sendmail"] = values["Sendmail"]
    if values.get("Host"):
        out["host"] = values["Host"]
    node = default_node(values.get("DefaultBackupNode", ""))
    if node:
        out["default_server"] = node[1] + (":%d" % node[2] if node[2] else "")
        out["name"] = node[3]
    for variable, module in MODULES.items():
        paths = values.get(variable, "").split() if variable == "directories" else [values.get(variable, "").strip()]
        paths = [p.rstrip("/") or "/" for p in paths if p]
        good = [p for p in paths if p.startswith("/") and ".." not in p.split("/")]
        remarks += ["%s: %r is no absolute path, left out" % (variable, p) for p in paths if p not in good]
        if good:
            out["modules"][module] = good
    for name in values:
        if name not in OWN and name not in MODULES and name not in (
                "Administrators", "Sendmail", "Host", "DefaultBackupNode"):
            remarks.append("%s means nothing to Backline" % name)
    return out, remarks
