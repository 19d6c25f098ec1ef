"""What the data line aims at, as ratios Backline / peer; medians are compared."""

# (aim, corpora or None for each, phase, measure, peer, at most)
AIMS = [
    ("first backup", None, "first", "cpu", "restic", 0.6),
    ("first backup", ("src", "small", "usr"), "first", "cpu", "borg", 0.9),
    ("first backup", ("big",), "first", "cpu", "borg", 1.0),
    ("first backup", ("small", "big"), "first", "wall", "rsync", 1.0),
    ("first backup", ("small", "big"), "first", "wall", "restic", 0.6),
    ("first backup", ("small", "big"), "first", "wall", "borg", 0.6),
    ("nothing changed", ("small",), "unchanged", "cpu", "restic", 0.15),
    ("nothing changed", ("small",), "unchanged", "cpu", "rsync -a", 0.4),
    ("nothing changed", ("small",), "unchanged", "wall", "restic", 1.0),
    ("nothing changed", ("small",), "unchanged", "wall", "rsync -a", 1.0),
    ("nothing changed", ("small",), "unchanged", "wire", "rsync -a", 0.1),
    ("database pages, milestone", ("big",), "changed", "wire", "rsync", 0.3),
    ("database pages, milestone", ("big",), "changed", "wire", "restic", 0.06),
    ("database pages, milestone", ("big",), "changed", "wire", "borg", 0.06),
    ("database pages, aim", ("big",), "changed", "wire", "rsync", 0.15),
    ("database pages, aim", ("big",), "changed", "wire", "restic", 0.03),
    ("database pages, aim", ("big",), "changed", "wire", "borg", 0.03),
    ("database pages, aim", ("big",), "changed", "cpu", "rsync", 0.5),
    ("next source release", ("src",), "changed", "wire", "rsync", 0.8),
    ("next source release", ("src",), "changed", "cpu", "restic", 0.6),
    ("directory renamed, 1 % changed", ("small",), "changed", "wire", "restic", 0.3),
    ("restore", None, "restore", "cpu", "restic", 0.6),
    ("restore", None, "restore", "wall", "restic", 0.5),
    ("restore", None, "restore", "wall", "rsync", 1.0),
]
# (corpus, what, at most): of the better of restic and Borg, parity and index apart.
SIZES = [
    ("src", "first", 0.74), ("small", "first", 0.72), ("usr", "first", 1.0), ("big", "first", 1.03),
    ("big", "growth", 0.06), ("big", "growth", 0.03), ("src", "growth", 0.62), ("small", "growth", 0.3),
]
MEASURES = {"wall": "wall", "cpu": "CPU, both sides", "wire": "bytes on the wire"}
