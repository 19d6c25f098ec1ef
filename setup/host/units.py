"""What starts the programs and looks after their logs: cron, systemd, logrotate.  Pure text."""
from machine import MARK

CRON = """# {mark}.
SHELL=/bin/sh
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
{mailto}*/5 * * * * {user} {program}
"""

SERVICE = """# {mark}.
[Unit]
Description=Backline: {what}
Documentation=man:{name}(1)
After=network.target

[Service]
Type=oneshot
User={user}
Group={user}
UMask=0027
{before}ExecStart={program}
# Statuses that tell of single backups, in log/notices and --status; the run itself went well.
SuccessExitStatus=3 65 69 75 76 77
TimeoutStartSec=infinity
Nice=10
IOSchedulingClass=best-effort
IOSchedulingPriority=6
{capabilities}NoNewPrivileges=yes
ProtectSystem=strict
ReadWritePaths={writable}
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
{more}"""

TIMER = """# {mark}.
[Unit]
Description=Backline: {what}, every five minutes

[Timer]
OnCalendar=*:0/5
RandomizedDelaySec=20
AccuracySec=1
Persistent=yes

[Install]
WantedBy=timers.target
"""

PATH = """# {mark}.
[Unit]
Description=Backline: {what}, at once

[Path]
{watched}
Unit={unit}.service

[Install]
WantedBy=paths.target
"""

LOGROTATE = """# {mark}.
{home}/log/notices {{
    su {user} {user}
    monthly
    rotate 24
    compress
    missingok
    notifempty
    create 0640 {user} {user}
}}
# The programs begin a new file every month; old ones go after a year.
{home}/log/*-????-??.log {{
    su {user} {user}
    daily
    minage 400
    rotate 0
    missingok
    nocreate
}}
"""


def cron(side, home, administrators):
    mailto = "MAILTO=%s\n" % ",".join(administrators) if administrators else ""
    return CRON.format(mark=MARK, user=side.user, program="%s/scripts/%s" % (home, side.program), mailto=mailto)


def capabilities(read_all):
    """Without the option there is none to be had, whatever is started."""
    if read_all:
        return "AmbientCapabilities=CAP_DAC_READ_SEARCH\nCapabilityBoundingSet=CAP_DAC_READ_SEARCH\n"
    return "CapabilityBoundingSet=\n"


def systemd(side, home, watched, writable, read_all):
    """{file name: text} of the service, its timer and the path that starts it at once."""
    unit = "backline-" + side.name
    more = side.service_lines
    # A request is written, then renamed: the first of both events wakes us, a second later all is there.
    before = "ExecStartPre=/bin/sleep 1\n"
    service = SERVICE.format(mark=MARK, what=side.what, name=side.program, user=side.user, before=before, more=more,
                             program="%s/scripts/%s" % (home, side.program), writable=" ".join([home, *writable]),
                             capabilities=capabilities(read_all))
    return {
        unit + ".service": service,
        unit + ".timer": TIMER.format(mark=MARK, what=side.what),
        unit + ".path": PATH.format(mark=MARK, what=side.what, unit=unit,
                                    watched="\n".join("PathChanged=" + p for p in watched)),
    }


def logrotate(side, home):
    return LOGROTATE.format(mark=MARK, home=home, user=side.user)
