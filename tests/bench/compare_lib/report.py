"""Tables and ratios of a run: JSON for programs, Markdown for people."""
import json
import os
import statistics

from . import aims

PHASES = ("first", "unchanged", "changed", "restore")


def median(rows, measure):
    values = [row[measure] for row in rows if measure in row]
    return statistics.median(values) if values else None


class Report:
    def __init__(self, facts, rows):
        self.facts, self.rows = facts, rows

    def select(self, corpus, peer, phase):
        return [r for r in self.rows if (r["corpus"], r["peer"], r["phase"]) == (corpus, peer, phase)]

    def corpora(self):
        return list(dict.fromkeys(r["corpus"] for r in self.rows))

    def peers(self):
        known = list(dict.fromkeys(r["peer"] for r in self.rows))
        return [p for p in ("rsync", "rsync -a", "restic", "borg", "backline") if p in known]

    def ratio(self, corpus, phase, measure, peer, line=False):
        """Median over the repeats of ours / theirs, each from one run; of the data line alone when asked for."""
        theirs = {r["repeat"]: r for r in self.select(corpus, peer, phase)}
        pairs = [(r["data_line"] if line else r, theirs[r["repeat"]]) for r in self.select(corpus, "backline", phase)
                 if r["repeat"] in theirs and (not line or "data_line" in r)]
        values = [ours[measure] / other[measure] for ours, other in pairs if other[measure]]
        return statistics.median(values) if values else None

    def cell(self, corpus, peer, phase):
        rows = self.select(corpus, peer, phase)
        if not rows:
            return "-"
        text = "%.2f s, %.2f+%.2f, %s" % (median(rows, "wall"), median(rows, "cpu_source"), median(rows, "cpu_store"),
                                          megabytes(median(rows, "wire")))
        return text + (" **differs**" if any(r.get("differences") for r in rows) else "")

    def stored(self, corpus, peer):
        rows = [self.select(corpus, peer, phase) for phase in ("first", "changed")]
        parts = []
        for what in rows[0][0].get("stored", {}) if rows[0] else ():
            sizes = [statistics.median(r["stored"][what] for r in phase) if phase else None for phase in rows]
            growth = " +" + megabytes(sizes[1] - sizes[0]) if sizes[1] is not None else ""
            parts.append(("" if what == "store" else what + " ") + megabytes(sizes[0]) + growth)
        return ", ".join(parts) or "-"

    def peak(self, corpus, peer, side):
        """The biggest process of one side, over all phases but the restore, and in the restore."""
        out = []
        for restore in (False, True):
            sizes = [size for r in self.rows if r["corpus"] == corpus and r["peer"] == peer and (r["phase"] == "restore") == restore
                     for size in r["peak"][side].values()]
            out.append("%.0f" % max(sizes) if sizes else "-")
        return " / ".join(out)

    def corpus_table(self, corpus):
        yield "| %s | %s | store MB | peak MiB source | store |" % (corpus, " | ".join(PHASES))
        yield "|---|" + "---|" * (len(PHASES) + 3)
        for peer in self.peers():
            cells = [self.cell(corpus, peer, phase) for phase in PHASES]
            if any(c != "-" for c in cells):
                yield "| %s | %s | %s | %s | %s |" % (peer, " | ".join(cells), self.stored(corpus, peer), self.peak(corpus, peer, "source"),
                                                      self.peak(corpus, peer, "store"))
        lines = [(phase, self.select(corpus, "backline", phase)) for phase in PHASES[:3]]
        if any(rows for _, rows in lines):
            yield "| its data line alone | %s | | | |" % " | ".join(line_cell(rows) for _, rows in lines + [("", [])])

    def aims_table(self):
        yield "| operation | corpus | Backline / peer | aim | whole round | data line | |"
        yield "|---|---|---|---|---|---|---|"
        for name, corpora, phase, measure, peer, limit in aims.AIMS:
            for corpus in self.corpora():
                value = self.ratio(corpus, phase, measure, peer)
                if value is None or (corpora and corpus not in corpora):
                    continue
                line = self.ratio(corpus, phase, measure, peer, line=True)
                yield "| %s | %s | %s / %s | %.2f | %s | %s | %s |" % (
                    name, corpus, aims.MEASURES[measure], peer, limit, short(value), short(line) if line is not None else "",
                    "met" if value <= limit else "**not met**")

    def store_bytes(self, corpus, peer, what):
        """After the first backup, or what the changed one added; median over the repeats."""
        sizes = [[r["stored"]["store"] for r in self.select(corpus, peer, phase) if "stored" in r] for phase in ("first", "changed")]
        if not sizes[0] or (what == "growth" and not sizes[1]):
            return None
        first = statistics.median(sizes[0])
        return first if what == "first" else statistics.median(sizes[1]) - first

    def sizes_table(self):
        yield "| store | corpus | Backline | restic | Borg | / the better | aim | |"
        yield "|---|---|---|---|---|---|---|---|"
        for corpus, what, limit in aims.SIZES:
            ours, *theirs = [self.store_bytes(corpus, peer, what) for peer in ("backline", "restic", "borg")]
            known = [size for size in theirs if size]
            if ours is None or not known:
                continue
            value = ours / min(known)
            yield "| %s | %s | %s | %s | %s | %s | %.2f | %s |" % (
                what, corpus, megabytes(ours), *(megabytes(size) if size else "-" for size in theirs), short(value), limit,
                "met" if value <= limit else "**not met**")

    def markdown(self):
        yield "# Backline beside its peers"
        yield ""
        yield "; ".join("%s %s" % pair if pair[0] not in str(pair[1]) else str(pair[1]) for pair in self.facts.items()) + "."
        yield ""
        yield "Cells: wall, CPU seconds of source+store side, MB on the wire. Peak memory: biggest process in backups / in the restore."
        for corpus in self.corpora():
            yield ""
            yield from self.corpus_table(corpus)
        if "backline" in self.peers() and len(self.peers()) > 1:
            yield ""
            yield from self.aims_table()
            yield ""
            yield from self.sizes_table()
        lines = ["%s, %s: %s" % (r["corpus"], r["peer"], "; ".join(r["differences"])) for r in self.rows if r.get("differences")]
        if lines:
            yield ""
            yield "Restores that differ:"
            yield from ("- `%s`" % line for line in lines)

    def write(self, folder, name):
        return write_results(folder, name, self.facts, self.rows, self.markdown())


def write_results(folder, name, facts, rows, lines):
    """JSON and Markdown; returns where the latter is."""
    os.makedirs(folder, exist_ok=True)
    with open("%s/%s.json" % (folder, name), "w") as f:
        json.dump({"facts": facts, "rows": rows}, f, indent=1)
    with open("%s/%s.md" % (folder, name), "w") as f:
        f.write("\n".join(lines) + "\n")
    return "%s/%s.md" % (folder, name)


def short(value):
    return "%.2f" % value if value >= 0.095 else "%.3f" % value


def megabytes(size):
    mb = size / 1e6
    return "%.0f" % mb if mb >= 100 else "%.1f" % mb if mb >= 10 else "%.2f" % mb


def line_cell(rows):
    lines = [r["data_line"] for r in rows if "data_line" in r]
    if not lines:
        return "-"
    return "%.2f s, %.2f+%.2f, %s" % (median(lines, "wall"), median(lines, "cpu_source"), median(lines, "cpu_store"),
                                      megabytes(median(lines, "wire")))
