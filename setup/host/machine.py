"""Changes to this machine, one step at a time: each step looks first, says what it does, and does nothing twice.

With `dry` nothing is changed.  What lies in a home is written as the home's own user, so that a link which that user
put there leads nowhere that he could not write himself; only scripts/ belongs to root, and is never followed as a link.
"""
import grp
import os
import pwd
import stat
import struct
import subprocess
import sys
import tempfile

MARK = "installed by backline-setup"
TIME_LIMIT = 120  # seconds, for every command
CAPABILITY = "security.capability"
# capabilities(7), version 2: effective, CAP_DAC_READ_SEARCH (bit 2) permitted, nothing inheritable.
READ_ALL = struct.pack("<5I", 0x02000001, 1 << 2, 0, 0, 0)


class Trouble(Exception):
    """One line: what, where, why, what to do.  `status` as in every program of Backline."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


def read_if_there(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


def write_whole(path, data, mode):
    """A new file, or the old one replaced as a whole; durable when it returns."""
    folder = os.path.dirname(path)
    fd, new = tempfile.mkstemp(prefix=".backline-setup-", dir=folder)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(fd, mode)
            os.fsync(fd)
        os.replace(new, path)
    except BaseException:
        os.unlink(new)
        raise
    sync_folder(folder)


def sync_folder(path):
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Machine:
    def __init__(self, dry, out=sys.stdout):
        self.dry, self.out, self.changes = dry, out, 0

    def step(self, text):
        """Announces a change; True when it shall be made."""
        self.changes += 1
        print("%s %s" % ("would" if self.dry else "  ", text), file=self.out)
        return not self.dry

    def note(self, text):
        print("   " + text, file=self.out)

    def run(self, argv, data=None, user=None):
        """A program without a shell.  Returns what it printed; a failure is ours."""
        if user:
            argv = ["runuser", "-u", user, "--"] + argv
        try:
            done = subprocess.run(argv, input=data or "", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  timeout=TIME_LIMIT, check=False, cwd="/")
        except FileNotFoundError:
            raise Trouble(78, "%s is not installed" % argv[0]) from None
        except subprocess.TimeoutExpired:
            raise Trouble(74, "%s did not end within %d seconds" % (argv[0], TIME_LIMIT)) from None
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise Trouble(74, "%s: %s" % (" ".join(argv), said[-1] if said else "exit status %d" % done.returncode))
        return done.stdout

    # --- what belongs to root ---

    def folder(self, path, mode=0o755):
        if not os.path.isdir(path) and self.step("make %s" % path):
            os.makedirs(path, mode=mode)

    def file(self, path, text, mode=0o644):
        """True when the file was, or would be, changed."""
        if read_if_there(path) == text:
            return False
        if self.step("%s %s" % ("change" if os.path.lexists(path) else "write", path)):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            write_whole(path, text.encode(), mode)
        return True

    def remove(self, path, mark=MARK):
        """Removes a file that we wrote: whatever lacks our mark stays."""
        text = read_if_there(path) if os.path.lexists(path) else None
        if text is None:
            return False
        if mark not in text:
            self.note("kept %s: it does not say \"%s\"" % (path, mark))
            return False
        if self.step("remove %s" % path):
            os.unlink(path)
        return True

    # --- users ---

    def user(self, name, home):
        """The user, made when missing.  Returns the home that counts: an existing user keeps his."""
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            if self.step("make the system user %s, home %s" % (name, home)):
                os.makedirs(os.path.dirname(home), exist_ok=True)
                group = ["--gid", name] if group_exists(name) else ["--user-group"]
                # The password "*" fits nothing, and unlike "!" does not lock the account for keys.
                self.run(["useradd", "--system", *group, "--create-home", "--home-dir", home, "--skel", "/nonexistent",
                          "--shell", "/bin/bash", "--password", "*", "--comment", "Backline", name])
                os.chmod(home, 0o750)
            return home
        if os.path.normpath(entry.pw_dir) != home:
            self.note("the user %s exists: its home %s is used, not %s" % (name, entry.pw_dir, home))
        if entry.pw_shell.endswith(("/nologin", "/false")):
            raise Trouble(78, "the shell of %s is %s, and sshd would run no forced command: usermod -s /bin/bash %s"
                          % (name, entry.pw_shell, name))
        return os.path.normpath(entry.pw_dir)

    def groups(self, name, groups):
        for group in groups:
            if not group_exists(group):
                raise Trouble(78, "there is no group %s" % group)
            if name not in grp.getgrnam(group).gr_mem and self.step("add %s to the group %s" % (name, group)):
                self.run(["usermod", "--append", "--groups", group, name])

    # --- homes ---

    def as_user(self, name, work):
        """Runs `work` in a child that is that user and nothing more; what it raises comes back as one line."""
        entry = pwd.getpwnam(name)
        ours, theirs = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.close(ours)
                os.initgroups(name, entry.pw_gid)
                os.setgid(entry.pw_gid)
                os.setuid(entry.pw_uid)
                os.umask(0o027)
                work()
                status = 0
            except BaseException as error:  # pylint: disable=broad-except
                os.write(theirs, str(error).encode()[:4000])
            finally:
                os._exit(status)
        os.close(theirs)
        with os.fdopen(ours, "rb") as pipe:
            said = pipe.read().decode("utf-8", "replace")
        _, status = os.waitpid(child, 0)
        if status != 0:
            raise Trouble(74, "as %s: %s" % (name, said or "ended with status %d" % status))

    def home_folder(self, user, path, mode=0o750):
        if os.path.isdir(path):
            return
        if self.step("make %s" % path):
            self.as_user(user, lambda: (os.mkdir(path), os.chmod(path, mode)))

    def home_file(self, user, path, text, mode=0o640):
        if read_if_there(path) == text:
            return False
        if self.step("%s %s" % ("change" if os.path.lexists(path) else "write", path)):
            self.as_user(user, lambda: write_whole(path, text.encode(), mode))
        return True

    def not_for_others(self, user, path):
        """No program reads a configuration that others may write."""
        info = os.stat(path)
        if info.st_uid not in (0, pwd.getpwnam(user).pw_uid):
            self.note("%s belongs to user %d, so no program reads it: look through it, then chown %s it" % (path, info.st_uid, user))
        elif info.st_mode & 0o022 and self.step("take the right to write %s from others than its owner" % path):
            owner = user if info.st_uid else "root"
            self.as_user(owner, lambda: os.chmod(path, stat.S_IMODE(info.st_mode) & ~0o022))

    # --- scripts/: programs, owned by root inside a home that is not ---

    def program(self, scripts, name, source, link=False, reader=None):
        """scripts/<name> ("cmds/x", too): a link to `source`, or a copy that takes its place at once.  `reader` is a user
        for whom alone it may read every file (CAP_DAC_READ_SEARCH).  False when it was so already."""
        path, target = os.path.join(scripts, name), os.path.realpath(source)
        if link and os.path.islink(path) and os.readlink(path) == target:
            return False
        if not link and same_file_bytes(path, target) and reads_all(path) == bool(reader):
            return False
        right = ", which may read every file" if reader else ""
        if self.step("%s %s%s" % ("link" if link else "copy", path, right)):
            *folders, last = name.split("/")
            fd = open_scripts(scripts, None)
            for folder in folders:
                inner = open_scripts(folder, fd)
                os.close(fd)
                fd = inner
            try:
                place_program(fd, last, target, link, reader)
            finally:
                os.close(fd)
        return True

    def remove_program(self, scripts, name):
        if os.path.lexists(os.path.join(scripts, name)) and self.step("remove %s/%s" % (scripts, name)):
            os.unlink(os.path.join(scripts, name))


def group_exists(name):
    try:
        grp.getgrnam(name)
        return True
    except KeyError:
        return False


def open_scripts(path, above):
    """A folder of root's, made when missing; whoever put a link there instead gets an error."""
    try:
        os.mkdir(path, 0o755, dir_fd=above)
    except FileExistsError:
        pass
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=above)
    os.fchown(fd, 0, 0)
    os.fchmod(fd, 0o755)
    return fd


def place_program(folder, name, source, link, reader):
    new = ".backline-setup-" + name
    try:
        os.unlink(new, dir_fd=folder)
    except FileNotFoundError:
        pass
    if link:
        os.symlink(source, new, dir_fd=folder)
    else:
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o700, dir_fd=folder)
        with os.fdopen(fd, "wb") as out, open(source, "rb") as data:
            while block := data.read(1 << 20):
                out.write(block)
            out.flush()
            os.fchown(fd, 0, pwd.getpwnam(reader).pw_gid if reader else 0)
            os.fchmod(fd, 0o750 if reader else 0o755)
            if reader:
                os.setxattr(fd, CAPABILITY, READ_ALL)
            os.fsync(fd)
    os.rename(new, name, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)


def reads_all(path):
    try:
        return os.getxattr(path, CAPABILITY, follow_symlinks=False) == READ_ALL
    except OSError:
        return False


def same_file_bytes(one, other):
    try:
        if not stat.S_ISREG(os.lstat(one).st_mode) or os.stat(one).st_size != os.stat(other).st_size:
            return False
        with open(one, "rb") as a, open(other, "rb") as b:
            while block := a.read(1 << 20):
                if block != b.read(1 << 20):
                    return False
            return True
    except FileNotFoundError:
        return False
