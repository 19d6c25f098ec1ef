"""Peak memory of agent and server for very many entries: it must not grow with them."""
import os

from .backline import Backline
from .bench import World

AIM = {"source": 32, "store": 100}  # MiB
PER_DIRECTORY = 1000
LINK_NAMES = 3


def create(folder_fd, name):
    os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=folder_fd))


def spread(tree, count, prefix="", make=create):
    """`count` entries, a thousand in each directory, a hundred directories in each above it."""
    for number in range(0, count, PER_DIRECTORY):
        folder = "%s/%s%03d/%05d" % (tree, prefix, number // (100 * PER_DIRECTORY), number // PER_DIRECTORY)
        os.makedirs(folder)
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        for i in range(number, min(count, number + PER_DIRECTORY)):
            make(fd, "f%07d" % i)
        os.close(fd)


def one_directory(tree, count):
    os.makedirs(tree)
    fd = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
    for i in range(count):
        create(fd, "f%07d" % i)
    os.close(fd)


def hard_links(tree, count):
    """A third as many files, each with a name in three places far apart."""
    files = count // LINK_NAMES
    spread(tree, files, "a")

    def link(fd, name):
        number = int(name[1:])
        origin = "%s/a%03d/%05d/%s" % (tree, number // (100 * PER_DIRECTORY), number // PER_DIRECTORY, name)
        os.link(origin, name, dst_dir_fd=fd)

    for prefix in "bc":
        spread(tree, files, prefix, link)


# What they are, how they are made, how many at full size.
CASES = (("files", spread, 1000000), ("files", spread, 3000000), ("in one directory", one_directory, 3000000), ("hard links", hard_links, 3000000))


def chosen(options):
    """Number, name and size of the cases to run; the name says the size that is really made."""
    for number, (what, make, count) in enumerate(CASES, 1):
        if number in options.memory:
            scaled = int(count * options.scale)
            yield number, "{:,} {}".format(scaled, what), make, scaled


def run(source, options, folder, say):
    rows = []
    for number, name, make, count in chosen(options):
        world = World(source, options.bin, "%s/memory-%d" % (folder, number))
        try:
            tree = world.folder + "/tree"
            say("%s: making them" % name)
            make(tree, count)
            peer = Backline(world, tree)
            for phase in ("first", "unchanged"):
                cost = world.meter.measure(peer.backup())
                rows.append({"case": name, "phase": phase, **cost})
                say("%s, %s: wall %.1f s, CPU %.1f s, MiB %s" % (name, phase, cost["wall"], cost["cpu"], cost["peak"]))
        finally:
            world.end()
    return rows


def biggest(row, side):
    """The biggest process of Backline on one side: not its git, not sshd."""
    sizes = {name: mib for name, mib in row["peak"][side].items() if not name.startswith(("ssh", "git"))}
    name = max(sizes, key=sizes.get, default="-")
    return name, sizes.get(name, 0.0)


def table(rows):
    yield "| entries | phase | wall | CPU | agent's side MiB (aim %d) | server's side MiB (aim %d) | |" % (AIM["source"], AIM["store"])
    yield "|---|---|---|---|---|---|---|"
    for row in rows:
        sides = {side: biggest(row, side) for side in AIM}
        met = all(sides[side][1] <= AIM[side] for side in AIM)
        yield "| %s | %s | %.1f s | %.1f s | %s | %s | %s |" % (
            row["case"], row["phase"], row["wall"], row["cpu"], *("%s %.0f" % sides[side] for side in ("source", "store")),
            "met" if met else "**not met**")
