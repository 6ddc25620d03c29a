"""The candidates of a store as columns: searched, sorted, starred; 100,000 at once, no structure loaded.

>>> listing = Listing("iridates.sqlite")
>>> found = listing.search("Ir O -F passed hull<0.1")     # int [k], best first
>>> listing.star(found[0]); listing.candidate(found[0]).final
"""

from __future__ import annotations

import os
import re
import sqlite3
import threading
from functools import lru_cache
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np

from motifdesk.structures.arrays import element_symbols

from .candidate import Candidate
from .errors import ScreeningError
from .store import Store

STATUSES = ("passed", "rejected", "error")
NUMBERS = {
    "above_hull": "above the hull (eV/atom)",
    "energy_per_atom": "energy (eV/atom)",
    "natoms": "atoms of the cell",
    "density": "density (g/cm³)",
    "spacegroup": "space group",
}
_SHORT = {
    "hull": "above_hull",
    "above": "above_hull",
    "energy": "energy_per_atom",
    "atoms": "natoms",
    "sg": "spacegroup",
}
_TEXT = ("generator", "id", "status", "reason", "formula", "chemsys", "motif", "duplicate_of")
_READ = (*_TEXT, *NUMBERS, "seed", "idx", "novel", "converged", "x", "y")
_STARS = """CREATE TABLE IF NOT EXISTS stars (generator TEXT, seed INTEGER, idx INTEGER,
    PRIMARY KEY (generator, seed, idx)) WITHOUT ROWID"""
_COMPARE = re.compile(r"([a-z_]+)(<=|>=|<|>|=)(-?[0-9.eE+-]+)")


class Listing:
    """Columns of a store, read once and again at `refresh`.

    Parameters
    ----------
    source : path of a store, a `Store`, or a `Campaign`

    Attributes
    ----------
    store : the store; opened here where a path was given, and then closed by `close`
    columns : name -> array [n], in the order of the keys; numbers are float64 with NaN for unknown
    starred : bool [n]

    Raises
    ------
    ScreeningError
        there is no such store, or it is none.
    """

    def __init__(self, source: Any) -> None:
        held = getattr(source, "store", source)
        self._own = not isinstance(held, Store)
        if self._own:
            path = Path(os.path.expanduser(os.fspath(held)))
            if not path.is_file():
                raise ScreeningError("no such store", where=path, remedy="name the .sqlite file of a campaign")
            held = Store(path, read_only=not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)))
        self.store: Store = held
        self._lock = threading.RLock()
        self.columns: dict[str, np.ndarray] = {}
        self.starred: np.ndarray = np.zeros(0, dtype=bool)
        try:
            with self.store._lock, self.store._guard():
                self.store._db.execute(_STARS)
        except ScreeningError:  # looked at read-only: no stars can be put, and none are there
            pass
        self.refresh()

    def __len__(self) -> int:
        return len(self.starred)

    def close(self) -> None:
        """Close the store if it was opened here."""
        if self._own:
            self.store.close()

    @property
    def name(self) -> str:
        """The campaign's name, or the file's."""
        plan = self.store.recall("campaign") or {}
        given = str(plan.get("name") or "")
        return given if given and given != "campaign" else self.store.path.stem

    def refresh(self) -> int:
        """Read the columns again, as a campaign that runs has more; returns how many candidates there are."""
        try:
            table = self.store.table(_READ)
            stars = set(self._stars())
        except sqlite3.Error as error:
            raise ScreeningError(f"cannot be read: {error}", where=self.store.path) from error
        columns = {k: v for k, v in table.items() if k in _TEXT}
        for name in (*NUMBERS, "novel", "converged", "x", "y", "seed", "idx"):
            columns[name] = np.array([np.nan if v is None else v for v in table[name].tolist()], dtype=float)
        keys = zip(columns["generator"].tolist(), columns["seed"].tolist(), columns["idx"].tolist(), strict=True)
        starred = np.fromiter(((g, int(s), int(i)) in stars for g, s, i in keys), bool, len(columns["generator"]))
        with self._lock:
            self.columns, self.starred = columns, starred
        return len(starred)

    def _stars(self) -> list[tuple[str, int, int]]:
        try:
            return [(g, int(s), int(i)) for g, s, i in self.store._db.execute("SELECT generator, seed, idx FROM stars")]
        except sqlite3.OperationalError:
            return []

    # ------------------------------------------------------------------------------------------------- one candidate

    def key(self, index: int) -> tuple[str, int, int]:
        """(generator, seed, index) of a row."""
        if not 0 <= index < len(self):
            raise ScreeningError(f"there is no candidate {index}", where=self.store.path.name, remedy="look again")
        c = self.columns
        return str(c["generator"][index]), int(c["seed"][index]), int(c["idx"][index])

    def candidate(self, index: int) -> Candidate:
        """The whole candidate of a row, read from the store now."""
        return self.store.get(*self.key(index))

    def star(self, index: int, on: bool = True) -> None:
        """Mark a candidate for the shortlist, or take the mark off; kept in the store at once."""
        key = self.key(index)
        if on:
            self.store._write("INSERT OR REPLACE INTO stars VALUES (?, ?, ?)", [key])
        else:
            self.store._write("DELETE FROM stars WHERE generator = ? AND seed = ? AND idx = ?", [key])
        self.starred[index] = on

    # ------------------------------------------------------------------------------------------- searching, sorting

    def search(self, query: str = "", by: str = "above_hull", descending: bool = False) -> np.ndarray:
        """int [k]: rows that answer to all words of a query, sorted.

        Words: elements that are in (``Ir``) or not (``-F``), a system (``Na-Ir-O``), a formula (``Na2IrO3``),
        "passed", "rejected", "error", "unique" (no duplicates), "new" (in no corpus), "starred", ``gen=name``,
        numbers: ``hull<0.1 energy<-5 atoms<=12 density>3 sg=62``.

        ScreeningError names a word that is none of these.
        """
        with self._lock:
            keep = np.ones(len(self), dtype=bool)
            for word in query.split():
                keep &= self._word(word)
            return self._sorted(np.flatnonzero(keep), by, descending)

    def _sorted(self, rows: np.ndarray, by: str, descending: bool) -> np.ndarray:
        c = self.columns
        if by == "starred":
            values: np.ndarray = (~self.starred).astype(float)
        elif by in NUMBERS:
            values = c[by]
        elif by in _TEXT:
            values = np.unique([str(v) for v in c[by].tolist()], return_inverse=True)[1].astype(float)
        else:
            raise ScreeningError(f"cannot be sorted by {by!r}", where="candidates", remedy=f"by {', '.join(NUMBERS)}")
        values = values[rows]
        unknown = ~np.isfinite(values)
        values = np.where(unknown, 0.0, -values if descending else values)
        worse = np.array([STATUSES.index(s) if s in STATUSES else 3 for s in c["status"][rows].tolist()])
        # unknown values last, in whichever direction; what passed before what did not, unless that is what is sorted by
        rank = np.zeros(len(rows)) if by == "status" else worse
        keys = (np.arange(len(rows)), values, unknown, rank)
        return rows[np.lexsort(keys)]

    def _word(self, word: str) -> np.ndarray:
        c = self.columns
        if word in STATUSES:
            return c["status"] == word
        if word in ("starred", "unique", "new"):
            return {"starred": self.starred, "unique": c["duplicate_of"] == None, "new": c["novel"] == 1}[word]  # noqa: E711
        if word.startswith("gen="):
            return c["generator"] == word[4:]
        if found := _COMPARE.fullmatch(word):
            name = _SHORT.get(found[1], found[1])
            if name in NUMBERS:
                try:
                    return _compared(c[name], found[2], float(found[3]))
                except ValueError:
                    pass
        symbols = set(element_symbols()[1:])
        bare = word.removeprefix("-")
        if bare in symbols:
            has = self._by_system(lambda s: bare in s)
            return ~has & (c["chemsys"] != None) if word.startswith("-") else has  # noqa: E711
        parts = word.split("-")
        if len(parts) > 1 and set(parts) <= symbols:
            return self._by_system(lambda s: s == set(parts))
        wanted = _reduced(word)
        if wanted:
            known = {f: _reduced(f) == wanted for f in set(c["formula"].tolist()) if f}
            return np.fromiter((known.get(f, False) for f in c["formula"].tolist()), bool, len(self))
        raise ScreeningError(
            f"{word!r} is no word of a search",
            where="candidates",
            remedy="elements (Ir -F), Na-Ir-O, Na2IrO3, passed, unique, new, starred, gen=name, hull<0.1, atoms<=12",
        )

    def _by_system(self, test: Any) -> np.ndarray:
        known = {s: bool(test(set(s.split("-")))) for s in set(self.columns["chemsys"].tolist()) if s}
        return np.fromiter((known.get(s, False) for s in self.columns["chemsys"].tolist()), bool, len(self))


def export_starred(store: Store, folder: str | os.PathLike[str], *, inputs: bool = False) -> Path:
    """`export_shortlist` of the starred candidates alone, whatever their status.

    ScreeningError: none is starred, or the folder holds files already.
    """
    from .exporting import export_shortlist

    try:
        count = int(store._one("SELECT count(*) FROM stars") or 0)
    except sqlite3.OperationalError:
        count = 0
    if not count:
        raise ScreeningError("no candidate is starred", where=store.path.name, remedy="star those you want first")
    keys = "(generator, seed, idx) IN (SELECT generator, seed, idx FROM stars) AND structure IS NOT NULL"
    return export_shortlist(store, folder, best=count, inputs=inputs, where=keys)


def _compared(values: np.ndarray, sign: str, limit: float) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return {
            "<": values < limit,
            "<=": values <= limit,
            ">": values > limit,
            ">=": values >= limit,
            "=": values == limit,
        }[sign]


@lru_cache(maxsize=100_000)
def _reduced(formula: str) -> tuple[tuple[str, int], ...]:
    """(symbol, count) of a formula over their common divisor; () for what is no formula."""
    symbols = set(element_symbols()[1:])
    counts: dict[str, int] = {}
    at = 0
    for m in re.finditer(r"([A-Z][a-z]?)([0-9]*)", formula):
        if m.start() != at or m[1] not in symbols:
            return ()
        counts[m[1]] = counts.get(m[1], 0) + int(m[2] or 1)
        at = m.end()
    if at != len(formula) or not counts:
        return ()
    divisor = gcd(*counts.values()) or 1
    return tuple(sorted((s, n // divisor) for s, n in counts.items()))
