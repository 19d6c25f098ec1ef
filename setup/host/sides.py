"""What a client and a server are made of."""
from dataclasses import dataclass

import keys


@dataclass(frozen=True)
class Side:
    name: str
    user: str
    default_home: str
    folders: tuple
    programs: tuple
    cmds: tuple
    links: tuple  # (name in scripts/, program): other names
    program: str  # what runs every five minutes
    what: str
    cron_file: str
    service_lines: str
    line: object  # the line for the other side


CLIENT = Side(
    name="client", user="backupclient", default_home="/var/backup",
    folders=("log", "log/queues", "tmp", "requests"),
    programs=("backup_it", "backup_all", "commit_backup_request", "send_request", "add_queue", "backup_agent", "restore_it", "restore_site"),
    cmds=("backup_archive", "backup_site", "backup_mysql", "backup_postgres", "backup_sqlite", "backup_dataverse", "backup_dir", "backup_git", "backup_s3"),
    links=(("commitBackupRequest", "commit_backup_request"),),
    program="send_request", what="send requests, fetch receipts", cron_file="/etc/cron.d/backupclient",
    service_lines="", line=keys.client_line)

SERVER = Side(
    name="server", user="backupsrv", default_home="/data/backup",
    folders=("log", "data", "TODO", "store", "repositories"),
    programs=("bk_access", "ingest_requests", "do_backup", "bk_pull", "bk_ssh", "bkdb"),
    cmds=(), links=(), program="do_backup", what="pull what clients asked for", cron_file="/etc/cron.d/backupserver",
    service_lines="PrivateTmp=yes\n", line=keys.server_line)

SIDES = {"client": CLIENT, "server": SERVER}
