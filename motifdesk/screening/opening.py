"""Opening a store's file: made whole or not at all, and nobody else's database touched."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from .errors import ScreeningError

VERSION = 1
NEEDED = ("candidates", "phases", "plan")


def opened(path: Path, tables: str, read_only: bool) -> sqlite3.Connection:
    """A connection to a store; `tables`: the statements that make those of a new one.

    The tables and the version come in one transaction: a kill leaves all of them or an empty file. A database that is
    no store, or one of another version, is left as it is. In a folder that cannot be written, read-only means that no
    other process is expected to write either (SQLite's ``immutable``).

    Raises
    ------
    ScreeningError
        no store, of another version, damaged, or not to be written.
    """
    try:
        if not read_only:
            path.parent.mkdir(parents=True, exist_ok=True)
        db = _connected(path, read_only)
    except (sqlite3.Error, OSError, ValueError) as error:
        raise _refused(path, error) from error
    try:
        if not read_only and _version(db) == 0:
            _make(db, tables, path)
        _look(db, path)
        if not read_only:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
    except sqlite3.Error as error:
        db.close()
        raise _refused(path, error) from error
    except ScreeningError:
        db.close()
        raise
    return db


def damaged(path: Path, error: sqlite3.Error) -> ScreeningError:
    """What to say of a file that SQLite cannot read any more."""
    return ScreeningError(
        f"the store is damaged: {error}", where=path, remedy="put a copy back, or name another store in the plan"
    )


def full(path: Path, error: Exception) -> ScreeningError:
    """What to say where SQLite finds no room, for its log among others."""
    return ScreeningError(
        f"the disk is full or does not answer ({error}); what was written before is safe",
        where=path,
        remedy="free some space and run the same plan again, it goes on where it stopped",
    )


def _connected(path: Path, read_only: bool) -> sqlite3.Connection:
    uri = path.resolve().as_uri()
    if not read_only:
        return sqlite3.connect(f"{uri}?mode=rwc", uri=True, check_same_thread=False, timeout=30.0)
    db = sqlite3.connect(f"{uri}?mode=ro", uri=True, check_same_thread=False, timeout=30.0)
    try:
        _version(db)
    except sqlite3.OperationalError:
        db.close()
        if os.access(path.parent, os.W_OK):
            raise
        db = sqlite3.connect(f"{uri}?mode=ro&immutable=1", uri=True, check_same_thread=False)
    return db


def _make(db: sqlite3.Connection, tables: str, path: Path) -> None:
    """Tables in an empty file; another process may be doing the same."""
    db.execute("BEGIN IMMEDIATE")
    try:
        if _version(db) == 0:
            taken = _tables(db)
            if taken and not set(NEEDED) <= taken:
                raise ScreeningError("a database, but no store", where=path, remedy="name another file")
            for statement in tables.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version={VERSION}")
        db.commit()
    except BaseException:
        db.rollback()
        raise


def _look(db: sqlite3.Connection, path: Path) -> None:
    version = _version(db)
    if version != VERSION:
        later = "install a later MotifDesk, or name another file" if version > VERSION else "name another file"
        said = f"a store of version {version}, this MotifDesk reads version {VERSION}"
        raise ScreeningError(said, where=path, remedy=later)
    there = _tables(db)
    missing = [name for name in NEEDED if name not in there]
    if missing:
        raise ScreeningError(f"no store: it lacks the table {missing[0]}", where=path, remedy="name another file")


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _tables(db: sqlite3.Connection) -> set[str]:
    return {str(r[0]) for r in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _refused(path: Path, error: Exception) -> ScreeningError:
    text = str(error)
    if "malformed" in text:
        return damaged(path, sqlite3.DatabaseError(text))
    if any(word in text for word in ("full", "No space", "I/O")):
        return full(path, error)
    held = path if path.exists() else next((p for p in path.parents if p.exists()), path.parent)
    if path.is_dir():
        return ScreeningError("a folder, no file", where=path, remedy="name a file")
    if not (os.access(held, os.W_OK) and (not path.exists() or os.access(path.parent, os.W_OK))):
        return ScreeningError(
            f"the folder cannot be written ({text})",
            where=path,
            remedy="name a store elsewhere, or look at it with Store(path, read_only=True)",
        )
    return ScreeningError(f"not a store: {text}", where=path, remedy="name another file")
