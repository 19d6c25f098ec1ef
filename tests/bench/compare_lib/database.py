"""A real SQLite file that looks like somebody's orders, and the rewriting of some of its pages."""
import os
import random
import sqlite3

PAGE = 8192
FIRST = "Anna Boris Clara David Elena Felix Greta Hans Irina Jakob Karin Lukas Maria Nils Olga Paul".split()
LAST = "Meier Schmidt Fischer Weber Wagner Becker Hoffmann Schulz Koch Bauer Richter Klein Wolf Neumann".split()
STATES = ("open", "paid", "shipped", "delivered", "returned", "cancelled")
BATCH = 20000


def vocabulary(rng):
    """Words as in a language: some frequent, most rare."""
    syllables = "an be ca de er fo ge hi in ja ko le mi no or pe qu ra se ti un ve wo xe yl za".split()
    return ["".join(rng.choice(syllables) for _ in range(rng.randint(1, 4))) for _ in range(6000)]


def rows(rng, words, begin):
    for key in range(begin, begin + BATCH):
        first, last = rng.choice(FIRST), rng.choice(LAST)
        note = " ".join(words[int(6000 * rng.random() ** 6)] for _ in range(rng.randint(8, 40)))
        yield (key, "%s %s" % (first, last), "%s.%s%d@example.org" % (first.lower(), last.lower(), rng.randrange(900)),
               "2026-%02d-%02d %02d:%02d:%02d" % (rng.randint(1, 12), rng.randint(1, 28), rng.randrange(24), rng.randrange(60), rng.randrange(60)),
               rng.choice(STATES), rng.randrange(100, 500000), note, rng.randbytes(8))


def make(path, size, seed):
    """Fills a database until it is `size` bytes long, then cuts nothing: it is a valid one."""
    rng = random.Random(seed)
    words = vocabulary(rng)
    db = sqlite3.connect(path)
    db.execute("PRAGMA page_size = %d" % PAGE)
    db.execute("PRAGMA journal_mode = OFF")
    db.execute("PRAGMA synchronous = OFF")
    db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT, mail TEXT, at TEXT, state TEXT, cents INTEGER, note TEXT, token BLOB)")
    key = 1
    while os.path.getsize(path) < size:
        db.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows(rng, words, key))
        db.commit()
        key += BATCH
    db.close()


def rewrite_pages(path, donor, share, rng):
    """Writes pages of another database of the same kind over `share` of the pages, at random and in place."""
    pages, spare = os.path.getsize(path) // PAGE, os.path.getsize(donor) // PAGE
    with open(path, "r+b") as f, open(donor, "rb") as d:
        for number, page in enumerate(sorted(rng.sample(range(1, pages), max(1, int(pages * share))))):
            d.seek((1 + number % (spare - 1)) * PAGE)
            f.seek(page * PAGE)
            f.write(d.read(PAGE))
