"""The store of a campaign: one SQLite file that is whole after a kill at any moment.

>>> store = Store("campaign.sqlite")
>>> store.put(candidate); len(store); store.get("family", 0, 3)
>>> pandas.read_sql("SELECT * FROM candidates", sqlite3.connect("campaign.sqlite"))

The table `candidates` has one row per (generator, seed, idx), its primary key: what is put again replaces itself.
Numbers and names stand in columns of their own; structures, recipe and verdicts are JSON text. `phases` keeps the
energies of competing phases per calculator, `plan` what each generator was made with. Write-ahead logging: a reader
never waits, and a killed writer loses only what it had not yet committed.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .candidate import Candidate, Energy, Verdict, arrays_from_dict, arrays_to_dict, dumps
from .errors import ScreeningError
from .opening import damaged, full, opened

_COLUMNS = {
    "generator": "TEXT NOT NULL",
    "seed": "INTEGER NOT NULL",
    "idx": "INTEGER NOT NULL",
    "id": "TEXT NOT NULL",
    "status": "TEXT NOT NULL",
    "reason": "TEXT NOT NULL",
    "formula": "TEXT",
    "chemsys": "TEXT",
    "natoms": "INTEGER",
    "spacegroup": "INTEGER",
    "motif": "TEXT",
    "density": "REAL",
    "volume_per_atom": "REAL",
    "energy_per_atom": "REAL",
    "above_hull": "REAL",
    "converged": "INTEGER",
    "fmax": "REAL",
    "steps": "INTEGER",
    "calculator": "TEXT",
    "energy_note": "TEXT",
    "novel": "INTEGER",
    "known_as": "TEXT",
    "duplicate_of": "TEXT",
    "x": "REAL",
    "y": "REAL",
    "seconds": "REAL",
    "structure": "TEXT",
    "relaxed": "TEXT",
    "recipe": "TEXT",
    "verdicts": "TEXT",
    "figures": "TEXT",
    "error": "TEXT NOT NULL",
}
_FIGURES = ("spacegroup", "motif", "density", "volume_per_atom", "novel", "known_as", "duplicate_of", "x", "y")
_TABLES = f"""
CREATE TABLE IF NOT EXISTS candidates ({", ".join(f"{k} {v}" for k, v in _COLUMNS.items())},
    PRIMARY KEY (generator, seed, idx)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_status ON candidates (status, above_hull);
CREATE INDEX IF NOT EXISTS by_formula ON candidates (formula);
CREATE TABLE IF NOT EXISTS phases (calculator TEXT, id TEXT, formula TEXT, energy_per_atom REAL, note TEXT,
    PRIMARY KEY (calculator, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS plan (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""


class Store:
    """One SQLite file of candidates; `read_only` for looking at a campaign that runs.

    Raises
    ------
    ScreeningError
        the file is no store, is of a later version, cannot be written, or the disk is full.
    """

    def __init__(self, path: str | os.PathLike[str], *, read_only: bool = False) -> None:
        self.path = Path(path)
        self._lock = threading.RLock()
        self._held: Any = None
        if read_only and not self.path.exists():
            raise ScreeningError("no such store", where=self.path, remedy="run `motifdesk screen plan.toml` first")
        self._db = opened(self.path, _TABLES, read_only)

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __len__(self) -> int:
        return int(self._one("SELECT count(*) FROM candidates"))

    def __iter__(self) -> Iterator[Candidate]:
        return self.candidates()

    def __repr__(self) -> str:
        counted = ", ".join(f"{n} {status}" for status, n in sorted(self.counts().items()))
        return f"Store({self.path.name}: {counted or 'empty'})"

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._db.close()
        self.unlock()

    def unlock(self) -> None:
        """Let other campaigns in again; without a lock it does nothing."""
        if self._held is not None:
            self._held.close()
            self._held = None

    def lock(self) -> None:
        """Keep other campaigns out until `unlock`, `close` or the end of this process, however it ends.

        Raises
        ------
        ScreeningError
            another campaign writes to this store.
        """
        import fcntl

        if self._held is not None:
            return
        try:
            held = open(f"{self.path}.lock", "w")  # noqa: SIM115  kept open: the lock lives as long as the file object
        except OSError as error:
            raise ScreeningError(
                f"cannot be locked: {error.strerror}", where=f"{self.path}.lock", remedy="name a store elsewhere"
            ) from error
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            held.close()
            raise ScreeningError(
                "another campaign is writing to this store",
                where=self.path,
                remedy="wait for it, stop it, or name another store in the plan",
            ) from None
        self._held = held

    # ------------------------------------------------------------------------------------------------------ writing

    def put(self, candidates: Candidate | Iterable[Candidate]) -> None:
        """Write candidates in one transaction: all of them or, when the disk is full, none."""
        given = [candidates] if isinstance(candidates, Candidate) else list(candidates)
        names = ", ".join(_COLUMNS)
        marks = ", ".join("?" * len(_COLUMNS))
        self._write(f"INSERT OR REPLACE INTO candidates ({names}) VALUES ({marks})", [_row(c) for c in given])

    def mark(self, marks: Iterable[tuple[str, int, int, Mapping[str, Any]]]) -> None:
        """Set figure columns of rows: (generator, seed, index, {column: value}), in one transaction."""
        for g, s, i, values in (rows := list(marks)):
            unknown = set(values) - set(_COLUMNS)
            if unknown:
                raise ScreeningError(f"no columns {sorted(unknown)}", where=f"{g}/{s}/{i}")
        with self._lock, self._guard():
            for g, s, i, values in rows:
                assigned = ", ".join(f"{k} = ?" for k in values)
                self._db.execute(
                    f"UPDATE candidates SET {assigned} WHERE generator = ? AND seed = ? AND idx = ?",
                    [*values.values(), g, s, i],
                )
            self._db.commit()

    def forget_failures(self) -> int:
        """Forget candidates that ended in an error, phases without an energy and stability of which nothing was found;
        returns how many candidates. What made them fail may have passed: a time limit, memory, a machine."""
        failed = int(self._one("SELECT count(*) FROM candidates WHERE status = 'error'"))
        stability = self._one("SELECT count(*) FROM sqlite_master WHERE name = 'stability'")
        with self._lock, self._guard():
            self._db.execute("DELETE FROM candidates WHERE status = 'error'")
            self._db.execute("DELETE FROM phases WHERE energy_per_atom IS NULL")
            if stability:
                self._db.execute("DELETE FROM stability WHERE phonon_stable IS NULL AND elastic_stable IS NULL")
            self._db.commit()
        return failed

    def _write(self, statement: str, rows: list[Any]) -> None:
        with self._lock, self._guard():
            self._db.executemany(statement, rows)
            self._db.commit()

    def _guard(self) -> _Guard:
        return _Guard(self)

    # ------------------------------------------------------------------------------------------------------ reading

    def get(self, generator: str, seed: int, index: int) -> Candidate:
        """One candidate; ScreeningError if it is not there."""
        for c in self.candidates("generator = ? AND seed = ? AND idx = ?", (generator, seed, index)):
            return c
        raise ScreeningError("no such candidate", where=f"{self.path.name}: {generator}/{seed}/{index}")

    def open(self, identifier: str) -> Any:
        """The final structure of a candidate by its id ("generator/seed/index"), its provenance in
        ``properties["motifdesk"]``: what `motifdesk.Desk` takes."""
        parts = str(identifier).rsplit("/", 2)
        if len(parts) != 3 or not (parts[1].isdigit() and parts[2].isdigit()):
            raise ScreeningError(
                f"{identifier!r} is no id", where=self.path.name, remedy='write "generator/seed/index"'
            )
        return self.get(parts[0], int(parts[1]), int(parts[2])).final

    def candidates(
        self, where: str = "1", parameters: Iterable[Any] = (), *, order: str = "generator, seed, idx", limit: int = -1
    ) -> Iterator[Candidate]:
        """Candidates by an SQL condition (values through `parameters`), streamed: memory stays flat."""
        keys = list(_COLUMNS)
        statement = f"SELECT {', '.join(keys)} FROM candidates WHERE {where} ORDER BY {order} LIMIT ?"
        for row in self._asked(statement, [*parameters, limit]):
            yield _candidate(dict(zip(keys, row, strict=True)))

    def table(self, columns: Iterable[str], where: str = "1", parameters: Iterable[Any] = ()) -> dict[str, np.ndarray]:
        """Columns as arrays, in the order of the keys: 100,000 rows in well under a second. NaN or None for NULL."""
        names = list(columns)
        unknown = [n for n in names if n not in _COLUMNS]
        if unknown:
            raise ScreeningError(f"no columns {unknown}", remedy=f"choose from {', '.join(_COLUMNS)}")
        statement = f"SELECT {', '.join(names)} FROM candidates WHERE {where} ORDER BY generator, seed, idx"
        rows = list(self._asked(statement, list(parameters)))
        out = {}
        for k, name in enumerate(names):
            values = [r[k] for r in rows]
            real = _COLUMNS[name] == "REAL"
            out[name] = np.array(values, dtype=float) if real else np.array(values, dtype=object)
        return out

    def done(self, generator: str, seed: int) -> set[int]:
        """Indices of a generator that are finished."""
        rows = self._asked("SELECT idx FROM candidates WHERE generator = ? AND seed = ?", (generator, seed))
        return {int(r[0]) for r in rows}

    def counts(self) -> dict[str, int]:
        """Status -> number of candidates."""
        return dict(self._asked("SELECT status, count(*) FROM candidates GROUP BY status"))

    def _one(self, statement: str, *parameters: Any) -> Any:
        row = next(self._asked(statement, parameters), None)
        return None if row is None else row[0]

    def _asked(self, statement: str, parameters: Any = ()) -> Iterator[Any]:
        """Rows, one by one. ScreeningError where the file is damaged."""
        try:
            yield from self._db.execute(statement, parameters)
        except sqlite3.DatabaseError as error:
            if "malformed" in str(error) or "not a database" in str(error):
                raise damaged(self.path, error) from error
            if "full" in str(error) or "I/O" in str(error):
                raise full(self.path, error) from error
            raise

    # ------------------------------------------------------------------------------------ phases, what was planned

    def phase(self, calculator: str, identifier: str) -> tuple[float | None, str] | None:
        """(eV/atom or None, note) of a competing phase, None when it was never computed."""
        statement = "SELECT energy_per_atom, note FROM phases WHERE calculator = ? AND id = ?"
        row = next(self._asked(statement, (calculator, identifier)), None)
        return None if row is None else (row[0], row[1])

    def put_phases(self, rows: Iterable[tuple[str, str, str, float | None, str]]) -> None:
        """Remember (calculator, id, formula, eV/atom or None, note)."""
        self._write("INSERT OR REPLACE INTO phases VALUES (?, ?, ?, ?, ?)", list(rows))

    def remember(self, key: str, value: Any) -> None:
        """Keep a JSON value under a key of the plan."""
        self._write("INSERT OR REPLACE INTO plan VALUES (?, ?)", [(key, dumps(value))])

    def recall(self, key: str) -> Any:
        """What `remember` kept, None if nothing."""
        text = self._one("SELECT value FROM plan WHERE key = ?", key)
        return None if text is None else json.loads(text)


class _Guard:
    """Turns SQLite's refusals into one sentence and leaves no half transaction behind."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, sqlite3.Error):
            return
        try:
            self._store._db.rollback()
        except sqlite3.Error:
            pass
        text = str(error)
        if "full" in text or "I/O" in text:
            raise full(self._store.path, error) from error
        raise ScreeningError(f"cannot be written: {text}", where=self._store.path) from error


def _row(c: Candidate) -> list[Any]:
    final = c.arrays if c.relaxed is None else c.relaxed
    formula = chemsys = natoms = None
    if final is not None:
        from motifdesk.structures.arrays import element_symbols

        symbols = element_symbols()
        formula, natoms = final.formula, len(final)
        chemsys = "-".join(sorted({symbols[z] for z in final.numbers.tolist()}))
    e = c.energy
    known = {
        "generator": c.generator,
        "seed": c.seed,
        "idx": c.index,
        "id": c.id,
        "status": c.status,
        "reason": c.reason,
        "formula": formula,
        "chemsys": chemsys,
        "natoms": natoms,
        "energy_per_atom": None if e is None else e.per_atom,
        "above_hull": None if e is None else e.above_hull,
        "converged": None if e is None or e.converged is None else int(e.converged),
        "fmax": None if e is None else e.fmax,
        "steps": None if e is None else e.steps,
        "calculator": None if e is None else e.calculator,
        "energy_note": None if e is None else e.note,
        "seconds": c.seconds,
        "structure": None if c.arrays is None else dumps(arrays_to_dict(c.arrays)),
        "relaxed": None if c.relaxed is None else dumps(arrays_to_dict(c.relaxed)),
        "recipe": dumps(c.recipe),
        "verdicts": dumps([[v.check, v.passed, v.reason, v.value] for v in c.verdicts]),
        "figures": dumps({k: v for k, v in c.figures.items() if k not in _FIGURES}),
        "error": c.error,
        **{k: _cell(c.figures.get(k)) for k in _FIGURES},
    }
    return [known[k] for k in _COLUMNS]


def _cell(value: Any) -> Any:
    if isinstance(value, bool | np.bool_):
        return int(value)
    return value.item() if isinstance(value, np.generic) else value


def _candidate(row: dict[str, Any]) -> Candidate:
    energy = None
    if row["energy_per_atom"] is not None:
        converged = None if row["converged"] is None else bool(row["converged"])
        energy = Energy(
            row["calculator"],
            row["energy_per_atom"],
            converged,
            row["fmax"],
            row["steps"] or 0,
            row["above_hull"],
            row["energy_note"] or "",
        )
    figures = {**json.loads(row["figures"] or "{}"), **{k: row[k] for k in _FIGURES if row[k] is not None}}
    return Candidate(
        row["generator"],
        row["seed"],
        row["idx"],
        json.loads(row["recipe"] or "{}"),
        arrays_from_dict(None if row["structure"] is None else json.loads(row["structure"])),
        arrays_from_dict(None if row["relaxed"] is None else json.loads(row["relaxed"])),
        tuple(Verdict(*v) for v in json.loads(row["verdicts"] or "[]")),
        energy,
        row["error"],
        figures,
        row["seconds"] or 0.0,
    )
