"""What the lints share: the files of the project, and how a lint reports."""
import os
import subprocess
import sys

SOURCE_FOLDERS = ("common", "proto", "client", "server")


def project_files(root):
    """Paths of all project files, relative to root: git's list, or everything outside build/ when there is no git."""
    if os.path.isdir(os.path.join(root, ".git")):
        command = ["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.decode("utf-8", "surrogateescape")
        return sorted(p for p in set(listed.split("\0")) if p and os.path.lexists(os.path.join(root, p)))
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if f not in ("build", ".git", "__pycache__")]
        found += [os.path.relpath(os.path.join(folder, n), root) for n in names]
    return sorted(found)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="surrogateescape") as f:
        return f.read()


def main(check):
    """Runs check(root), prints its complaints, exits 1 when there are any."""
    root = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("BK_SOURCE", os.getcwd())
    complaints = check(root)
    for line in complaints:
        print(line)
    sys.exit(1 if complaints else 0)
