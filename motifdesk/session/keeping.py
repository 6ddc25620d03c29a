"""A session that saves itself next to the notebook: which file is its own, which earlier ones it may continue, and what
to do with files that are neither.

No file of another session is ever written over: a name that is taken is left alone and the next number is used
(``x.motifdesk.json``, ``x-2.motifdesk.json``, ...). A session file that cannot be read whole is put aside under
``.damaged``.
"""

from __future__ import annotations

import os
import re
import threading
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from motifdesk.session.recording import FORMAT, from_json, holds, read_json, write_session
from motifdesk.structures.errors import MotifDeskError, SessionError

if TYPE_CHECKING:
    from motifdesk.session.session import Session
    from motifdesk.structures.arrays import AtomArrays

SUFFIX = ".motifdesk.json"
_SAME = 1e-6  # Angstrom: two inputs are the same structure
_MOST = 999


@dataclass(frozen=True)
class Kept:
    """A saved session of the same input. ``steps``: edits after the opening; ``last``: the name of the current step;
    ``saved``: when, local time."""

    path: Path
    steps: int
    last: str
    saved: datetime

    def __str__(self) -> str:
        steps = f"{self.steps} step" + ("" if self.steps == 1 else "s")
        return f"{self.path.name}: {steps}, last {self.last!r}, saved {self.saved:%Y-%m-%d %H:%M}"


def stem_for(session: Session, notebook: str | None) -> str:
    """``<notebook>-<design>``, or the design's name alone where no notebook is known; letters that any disk takes."""
    words = [re.sub(r"[^A-Za-z0-9._+-]+", "-", part).strip("-.")[:60] for part in (notebook, session.name) if part]
    return "-".join(w for w in words if w) or "design"


class Keeper:
    """Saves one session to its own file. ``path``: that file, None before the first save; ``named``: the file asked
    for, None for a name made of the notebook's and the design's."""

    def __init__(
        self, session: Session, named: str | os.PathLike[str] | None = None, notebook: str | None = None
    ) -> None:
        self.session = session
        self.folder = Path(named).resolve().parent if named is not None else Path.cwd()
        self.stem = (
            Path(named).name.removesuffix(".json").removesuffix(".motifdesk") if named else stem_for(session, notebook)
        )
        self.suffix = SUFFIX if named is None or str(named).endswith(SUFFIX) or not Path(named).suffix else ".json"
        self.path: Path | None = None
        self.warnings: list[str] = []
        self._mark: tuple[int, int, int] | None = None
        self._lock = threading.Lock()

    def save(self) -> Path:
        """Write the whole session to its file; SessionError says why not, and the last good file stays."""
        with self._lock:
            session = self.session
            path = self._own()
            new = self._mark is None and not path.exists()
            if new:
                _reserve(path)
            try:
                write_session(session.name, session.identity, session.history, path, overwrite=new)
            except MotifDeskError:
                if new:
                    path.unlink(missing_ok=True)
                raise
            self.path, self._mark = path, _mark(path)
            return path

    def found(self) -> list[Kept]:
        """Saved sessions that began with the same structure, the newest first; what stands in the way is told in
        :attr:`warnings`, one sentence each."""
        start = self.session.history[0].state.arrays
        kept = []
        for path in self._files():
            if path == self.path:
                continue
            try:
                _, identity, history = from_json(read_json(path), path.name)
                if identity == self.session.identity:
                    continue
                if (len(history) > 1 or history.ties) and _same(history[0].state.arrays, start):
                    saved = datetime.fromtimestamp(path.stat().st_mtime, UTC).astimezone()
                    kept.append(Kept(path, len(history) - 1, history[history.current].edit.name, saved))
            except SessionError as error:
                self._object(path, error)
        return sorted(kept, key=lambda k: k.saved, reverse=True)

    def take(self, path: str | os.PathLike[str]) -> Session:
        """The session in ``path``, to be continued; from now on this keeper saves to that file."""
        from motifdesk.session.session import Session

        path = Path(path)
        loaded = Session.load(path, codec=None, atlas=None)
        with self._lock:
            self.path, self._mark = path, _mark(path)
        return loaded

    def _files(self) -> list[Path]:
        named = re.compile(re.escape(self.stem) + r"(-\d+)?" + re.escape(self.suffix))
        try:
            return sorted(p for p in self.folder.iterdir() if named.fullmatch(p.name) and p.is_file())
        except OSError:
            return []

    def _object(self, path: Path, error: SessionError) -> None:
        """A file under our name that is no whole session: ours and broken is put aside, anything else stays."""
        if not _ours(path) or "schema" in error.what:
            self.warnings.append(f"{error} It is left as it is; this desk saves under another name.")
            return
        aside = next(
            p
            for k in range(1, _MOST)
            if not (p := path.with_name(f"{path.name}.damaged{'' if k == 1 else f'-{k}'}")).exists()
        )
        try:
            path.rename(aside)
        except OSError:
            self.warnings.append(str(error))
            return
        self.warnings.append(f"{path.name}: {error.what}. It is kept aside as {aside.name}.")

    def _own(self) -> Path:
        """The file to write now: the one written last, unless somebody else has changed it since."""
        if self.path is not None:
            now = _mark(self.path)
            if now == self._mark or (now is None and self.path.parent.is_dir()):
                return self.path
            if now is not None:  # another kernel goes on with the same session: from here the two are different ones
                self.warnings.append(
                    f"{self.path.name} was changed by another kernel or program; this desk saves beside it from now on."
                )
                self.session.identity = uuid.uuid4().hex
            self.path = self._mark = None
        for k in range(1, _MOST):
            path = self.folder / f"{self.stem}{'' if k == 1 else f'-{k}'}{self.suffix}"
            if not path.exists() or holds(path, self.session.identity):
                return path
        raise SessionError(
            f"there are {_MOST} saved sessions of this name already",
            where=self.folder,
            remedy="delete those you no longer need, or give Desk(autosave=...) a name",
        )


def keeper_of(session: Session, named: str | os.PathLike[str] | None = None, notebook: str | None = None) -> Keeper:
    """The one keeper of a session, however many desks show it; a name given later counts from then on."""
    if session.keeper is None or (named is not None and session.keeper.path is None):
        session.keeper = Keeper(session, named, notebook)
    return session.keeper


def _same(a: AtomArrays, b: AtomArrays) -> bool:
    if len(a) != len(b) or (a.numbers != b.numbers).any() or a.is_crystal != b.is_crystal:
        return False
    near = bool(np.abs(a.positions - b.positions).max() < _SAME)
    return near and (a.cell is None or b.cell is None or bool(np.abs(a.cell - b.cell).max() < _SAME))


def _ours(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return f'"format": "{FORMAT}"'.encode() in stream.read(400)
    except OSError:
        return False


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _reserve(path: Path) -> None:
    """Take the name, so that of two kernels that want it one gets it."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileExistsError:
        raise SessionError(
            "another session took this name", where=path, remedy="it is saved at the next step"
        ) from None
    except OSError as error:
        raise SessionError(
            f"cannot be written ({error.strerror})",
            where=path,
            remedy="choose a folder that exists and may be written to",
        ) from None
