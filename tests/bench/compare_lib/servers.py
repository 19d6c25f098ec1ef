"""Private sshd processes, one for each side, all with the same cipher."""
import os
import subprocess

CIPHER = "aes256-gcm@openssh.com"  # Backline's own first choice; OpenSSH's would be slower
SSHD_LINES = "Ciphers %s\n" % CIPHER


class Sshd:
    """A plain sshd of one side, whose key may run anything: `config` makes ssh know it under the side's name."""

    def __init__(self, source, side, folder, meter):
        self.script, self.side, self.folder = source + "/tests/support/sshd.sh", side, folder
        os.makedirs(folder + "/.ssh", mode=0o700)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder + "/.ssh/id"], check=True)
        os.rename(folder + "/.ssh/id.pub", folder + "/.ssh/authorized_keys")
        started = subprocess.run([self.script, "start", folder], stdout=subprocess.PIPE, check=True,
                                 env=dict(os.environ, BK_SSHD_EXTRA=SSHD_LINES)).stdout.decode().split()
        self.port, hostkey = started[0], " ".join(started[1:])
        with open(folder + "/known_hosts", "w") as f:
            f.write("[127.0.0.1]:%s %s\n" % (self.port, hostkey))
        with open(folder + "/sshd/pid") as f:
            meter.listen(side, int(f.read().split()[0]))

    def config(self):
        return ("Host %s\n HostName 127.0.0.1\n Port %s\n IdentityFile %s/.ssh/id\n UserKnownHostsFile %s/known_hosts\n"
                " GlobalKnownHostsFile /dev/null\n StrictHostKeyChecking yes\n IdentitiesOnly yes\n IdentityAgent none\n"
                " BatchMode yes\n Ciphers %s\n Compression no\n LogLevel ERROR\n"
                % (self.side, self.port, self.folder, self.folder, CIPHER))

    def stop(self):
        subprocess.run([self.script, "stop", self.folder], stdout=subprocess.DEVNULL)


class Servers:
    def __init__(self, source, folder, meter):
        self.sshds = [Sshd(source, side, "%s/%s" % (folder, side), meter) for side in ("source", "store")]
        self.config_path = folder + "/ssh_config"
        with open(self.config_path, "w") as f:
            f.write("".join(sshd.config() for sshd in self.sshds))
        self.ssh = "ssh -F " + self.config_path

    def stop(self):
        for sshd in self.sshds:
            sshd.stop()
