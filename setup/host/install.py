"""One side set up on this machine, from what was answered; repeating it mends and upgrades, and changes nothing else."""
import os
import re
import tomllib

import keys
import questions
import toml_text
import units
from machine import MARK, Trouble, read_if_there, same_file_bytes
from old_config import answers as old_answers

RECORDS = "/etc/backline"
UNITS = "/etc/systemd/system"
COMPLETION = "/etc/bash_completion.d/backline"
MAN = "/usr/local/share/man"
PLAIN_PATH = re.compile(r"/[A-Za-z0-9._/+-]*[A-Za-z0-9._+-]")


def record_file(side):
    return "%s/%s.toml" % (RECORDS, side.name)


def read_record(side):
    text = read_if_there(record_file(side))
    return tomllib.loads(text) if text else {}


def write_record(machine, side, record):
    lines = ["# %s: what was answered; backline-setup %s --upgrade uses it again." % (MARK, side.name)]
    for key in sorted(record):
        value = record[key]
        if isinstance(value, bool):
            shown = "true" if value else "false"
        elif isinstance(value, int):
            shown = str(value)
        else:
            shown = toml_text.listed(value) if isinstance(value, list) else toml_text.quoted(value)
        lines.append("%s = %s" % (key, shown))
    machine.file(record_file(side), "\n".join(lines) + "\n")


# --- programs ---


def find_programs(side, folder):
    """Refuses before anything is changed when one is missing."""
    wanted = [*side.programs, *("cmds/" + c for c in side.cmds)]
    missing = [p for p in wanted if not os.access(os.path.join(folder, p), os.X_OK)]
    if missing:
        raise Trouble(78, "%s lacks %s; run setup/build release, or name the folder with --bin" % (folder, ", ".join(missing)))


def install_programs(machine, side, record, folder):
    link = record.get("link", False)
    scripts = record["home"] + "/scripts"
    for name in side.programs:
        # The right to read everything is the copy's, and that of nobody but the client's user.
        reader = side.user if name == "backup_agent" and record.get("read_all") else None
        machine.program(scripts, name, os.path.join(folder, name), link and not reader, reader)
    for name, program in side.links:
        machine.program(scripts, name, os.path.join(folder, program), link)
    for name in side.cmds:
        machine.program(scripts, "cmds/" + name, os.path.join(folder, "cmds", name), link)


# --- the home ---


def make_home(machine, side, record):
    home = record["home"]
    for folder in side.folders:
        machine.home_folder(side.user, "%s/%s" % (home, folder))
    machine.home_folder(side.user, home + "/.ssh", 0o700)
    if not os.path.exists(home + "/.ssh/id_ed25519"):
        if machine.step("make the key %s/.ssh/id_ed25519" % home):
            machine.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "%s@%s" % (side.user, record["host"]),
                         "-f", home + "/.ssh/id_ed25519"], user=side.user)


def first_config(side, record, old):
    lines = ["# Every key: docs/formats/backupconfig.md, or backline-setup(8)."]
    lines += ["host = %s" % toml_text.quoted(record["name"] if side.name == "client" else record["host"]),
              "administrators = %s" % toml_text.listed(record["administrators"])]
    if side.name == "server":
        lines += ['identity = ".ssh/id_ed25519"', "", "[limits]", "concurrency = 4"]
    else:
        for module in ("directories", "git", "trac", "wiki", "wordpress"):
            lines += ["", toml_text.section("module", module), "paths = %s" % toml_text.listed(old["modules"].get(module, []))]
    return "\n".join(lines) + "\n"


def write_config(machine, side, record, old):
    path = record["home"] + "/backupconfig.toml"
    text = read_if_there(path)
    if text is None:
        machine.home_file(side.user, path, first_config(side, record, old))
        return
    machine.not_for_others(side.user, path)
    values = toml_text.parse(text, path)
    # What people wrote stays; only what was answered anew is changed.
    if record["administrators"] and values.get("administrators") != record["administrators"]:
        text = toml_text.set_top(text, "administrators", toml_text.listed(record["administrators"]))
    machine.home_file(side.user, path, text)


def old_settings(machine, home, loud):
    """What backupconfig.sh of the old system says, as long as there is no backupconfig.toml."""
    if os.path.exists(home + "/backupconfig.toml"):
        return {"modules": {}}
    for path in (home + "/scripts/backupconfig.sh", home + "/backupconfig.sh"):
        text = read_if_there(path)
        if text is not None:
            found, remarks = old_answers(text)
            if loud:
                machine.note("%s is translated to %s/backupconfig.toml; it stays where it is" % (path, home))
                for remark in remarks:
                    machine.note("  %s: %s" % (path, remark))
            return found
    return {"modules": {}}


def has_administrators(home):
    return os.path.isdir(home + "/repositories/gitosis-admin.git")


def init_access(machine, side, record):
    home = record["home"]
    if has_administrators(home):
        if not machine.dry:
            machine.run([home + "/scripts/bk_access", "--home", home, "update"], user=side.user)
        return
    if not record["admin_key"]:
        machine.note("no admin public key was given: nobody can push to gitosis-admin.git yet; run this again with --admin-key")
        return
    if machine.step("make gitosis-admin.git with the administrator's key %s" % record["admin_key"]):
        text = read_if_there(record["admin_key"])
        argv = [home + "/scripts/bk_access", "--home", home, "init"]
        words = text.split()
        if len(words) < 3:
            argv += ["--user", "admin"]
        machine.run(argv, data=text, user=side.user)


# --- what the machine runs ---


def watched(side, record):
    home = record["home"]
    if side.name == "server":
        return [home + "/log"]  # where the hook notes every push
    text = read_if_there(home + "/backupconfig.toml")
    servers = sorted(toml_text.parse(text, home + "/backupconfig.toml").get("server", {})) if text else []
    return [home + "/requests"] + ["%s/requests/%s" % (home, s) for s in servers]


def store_folder(record):
    text = read_if_there(record["home"] + "/backupconfig.toml")
    path = tomllib.loads(text).get("store", {}).get("path", "") if text else ""
    return ["-" + path] if path.startswith("/") else []


def schedule(machine, side, record):
    """Cron or systemd: whichever was chosen; the other one's files go, so that nothing runs twice."""
    home, changed = record["home"], False
    files = units.systemd(side, home, watched(side, record), store_folder(record) if side.name == "server" else [],
                          record.get("read_all", False))
    if record["schedule"] == "systemd":
        for name, text in files.items():
            changed |= machine.file("%s/%s" % (UNITS, name), text)
        machine.remove(side.cron_file)
        start_units(machine, side, changed)
    else:
        stop_units(machine, side, files)
        if record["schedule"] == "cron":
            machine.file(side.cron_file, units.cron(side, home, record["administrators"]))
        else:
            machine.remove(side.cron_file)


def systemd_runs():
    return os.path.isdir("/run/systemd/system")


def start_units(machine, side, changed):
    names = ["backline-%s.timer" % side.name, "backline-%s.path" % side.name]
    if not systemd_runs():
        machine.note("systemd does not run here: systemctl enable --now " + " ".join(names))
    elif changed and machine.step("start " + " and ".join(names)):
        machine.run(["systemctl", "daemon-reload"])
        machine.run(["systemctl", "enable", "--now", *names])
        machine.run(["systemctl", "restart", *names])


def stop_units(machine, side, files):
    there = [name for name in files if os.path.lexists("%s/%s" % (UNITS, name))]
    if there and systemd_runs() and machine.step("stop backline-%s" % side.name):
        machine.run(["systemctl", "disable", "--now", "backline-%s.timer" % side.name, "backline-%s.path" % side.name])
    for name in there:
        machine.remove("%s/%s" % (UNITS, name))
    if there and systemd_runs() and not machine.dry:
        machine.run(["systemctl", "daemon-reload"])


def surroundings(machine, side, record, source):
    """logrotate, completion, manual pages; a Debian package brings the last two itself."""
    machine.file("/etc/logrotate.d/backline-" + side.name, units.logrotate(side, record["home"]))
    if not os.path.isdir(source + "/docs/man"):
        return
    with open(source + "/setup/completion/backline", encoding="utf-8") as file:
        machine.file(COMPLETION, file.read())
    for name in sorted(os.listdir(source + "/docs/man")):
        page = source + "/docs/man/" + name
        target = "%s/man%s/%s" % (MAN, name.rsplit(".", 1)[1], name)
        if not same_file_bytes(target, page):
            with open(page, encoding="utf-8") as file:
                machine.file(target, file.read())


def uninstall(machine, side, record):
    """Nothing runs any more, and the programs go.  Data, keys, configuration and the user stay."""
    home = record["home"]
    stop_units(machine, side, units.systemd(side, home, [], [], False))
    machine.remove(side.cron_file)
    machine.remove("/etc/logrotate.d/backline-" + side.name)
    other = "server" if side.name == "client" else "client"
    if not os.path.exists("%s/%s.toml" % (RECORDS, other)):
        machine.remove(COMPLETION)
    scripts = home + "/scripts"
    names = [*side.programs, *(name for name, _ in side.links)]
    for name in names + ["cmds/" + c for c in side.cmds]:
        machine.remove_program(scripts, name)
    for name in (*names, *side.cmds):
        machine.remove("%s/man1/%s.1" % (MAN, name), mark=".Os Backline")
    machine.remove(record_file(side))
    machine.note("kept: the user %s, and %s with its data, keys and configuration" % (side.user, home))
    machine.note("to remove them for ever: userdel %s; rm -r %s" % (side.user, home))


# --- all of it ---


def check_home(home):
    if not PLAIN_PATH.fullmatch(home) or ".." in home.split("/"):
        raise Trouble(64, "%r: the path must be absolute, of letters, digits and . _ + - /" % home)
    if home in ("/", "/etc", "/usr", "/var", "/home", "/root"):
        raise Trouble(64, "%s is no place for a home of its own" % home)


def install(machine, side, record, old, bin_folder, source):
    record["home"] = machine.user(side.user, record["home"])
    check_home(record["home"])
    machine.groups(side.user, record.get("groups", []))
    make_home(machine, side, record)
    install_programs(machine, side, record, bin_folder)
    write_config(machine, side, record, old)
    if side.name == "server":
        init_access(machine, side, record)
    schedule(machine, side, record)
    surroundings(machine, side, record, source)
    write_record(machine, side, record)


def introduce(side, record):
    """The line for the other side; None before there are keys."""
    key = keys.user_key(record["home"])
    host = keys.host_key(record.get("hostkey", ""))
    if not key or not host:
        return None
    return side.line(record, record["home"], key, host)


def trust(machine, side, record, server, url, host, key):
    """A client learns a server: where it is, its host key, and that its key may start the agent."""
    home = record["home"]
    path = home + "/backupconfig.toml"
    text = read_if_there(path)
    if text is None:
        raise Trouble(78, "%s is not there; run client/setup.sh first" % path)
    values = toml_text.parse(text, path)
    body = ['url = "%s/%s.git"' % (url, record["name"]), 'hostkey = "%s"' % host, 'identity = ".ssh/id_ed25519"']
    text = toml_text.replace_section(text, toml_text.section("server", server), body)
    first = not values.get("server") or questions.check_default_server(url) == record.get("default_server")
    if first and not values.get("default_server"):
        text = toml_text.set_top(text, "default_server", toml_text.quoted(server))
    machine.home_file(side.user, path, text)
    file = home + "/.ssh/authorized_keys"
    new, gone = keys.with_agent_line(read_if_there(file) or "", home, server, key)
    machine.home_file(side.user, file, new, 0o600)
    for line in gone:
        machine.note("taken from authorized_keys: %s" % line[:150])
    machine.home_folder(side.user, "%s/requests/%s" % (home, server))
    if record["schedule"] == "systemd":
        schedule(machine, side, record)
