"""Files that come as a name and bytes (dropped on a page, chosen in a picker, pasted): read as one structure."""

from __future__ import annotations

import re
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motifdesk.session.recording import FORMAT
from motifdesk.structures.errors import MotifDeskError, MotifDeskWarning, SessionError, StructureError, one_line

if TYPE_CHECKING:
    from pymatgen.core import Molecule, Structure

MOST_BYTES = 32_000_000
"""Largest file taken from a page."""
_LONGEST_NAME = 100
_HEAD = 400  # characters in which a session file says what it is


@dataclass(frozen=True)
class Opened:
    """A structure read from a file; ``notes`` are sentences about what was simplified or left in the file."""

    structure: Structure | Molecule
    name: str
    notes: tuple[str, ...] = ()


def plain_name(name: Any) -> str:
    """The file name alone, one printable line without separators, its suffix kept: what a page says is not trusted."""
    bare = one_line(str(name).replace("\\", "/").rsplit("/", 1)[-1], 10_000)
    if len(bare) > _LONGEST_NAME:
        stem, dot, suffix = bare.rpartition(".")
        bare = f"{stem[: _LONGEST_NAME - 10]}{dot}{suffix[-9:]}" if dot else bare[:_LONGEST_NAME]
    return bare if bare.strip(". ") else "file"


def pasted_name(text: str) -> str:
    """A file name for pasted text, after what it looks like; StructureError for text of no known kind."""
    lines = text.strip().splitlines()
    if lines and lines[0].lstrip()[:1] in "{[":
        return "pasted.json"
    if re.search(r"(?mi)^\s*(data_|loop_|_cell_length)", text):
        return "pasted.cif"
    if len(lines) >= 3 and lines[0].strip().isdigit():
        return "pasted.xyz"
    if len(lines) >= 7 and re.fullmatch(r"[-+.\d\seE]+", "".join(lines[1:5])):
        return "pasted.vasp"
    raise StructureError(
        "what was pasted is no structure",
        where="paste",
        remedy="copy the whole text of a CIF, POSCAR, XYZ or JSON file",
    )


def read_bytes(name: str, data: bytes) -> Opened:
    """The structure of a file given as its name and content; of a saved session the design it was left at.

    Reads what ``motifdesk.read`` reads, and session files; nothing in a file is executed or imported. Raises
    StructureError or SessionError that name the file as the person knows it.
    """
    name = plain_name(name)
    if len(data) > MOST_BYTES:
        raise StructureError(f"{len(data) / 1e6:.0f} MB", where=name, remedy="give a file with one structure")
    with tempfile.TemporaryDirectory(prefix="motifdesk-") as folder:
        path = Path(folder) / name
        try:
            path.write_bytes(data)
        except OSError as error:
            raise StructureError(
                f"it cannot be kept for reading ({error.strerror})",
                where=name,
                remedy="rename it, or make room on the disk",
            ) from None
        try:
            return _session(path, name) if _is_session(data) else _structure(path, name)
        except MotifDeskError as error:
            where = None if error.where is None else error.where.replace(f"{folder}/", "")
            what = error.what.replace(f"{folder}/", "")
            raise type(error)(what, where=where or name, remedy=error.remedy) from None


def _is_session(data: bytes) -> bool:
    head = data[:_HEAD].decode("utf-8", "replace")
    return re.search(rf'"format"\s*:\s*"{FORMAT}"', head) is not None


def _session(path: Path, name: str) -> Opened:
    from motifdesk.session.session import Session

    saved = Session.load(path, codec=None, atlas=None)
    steps = len(saved.history)
    if steps == 0:
        raise SessionError("the session is empty", where=name)
    note = f"{name}: the design it was left at is open; Session.load brings back its history of {steps} steps"
    return Opened(saved.committed.structure, name, (note,) if steps > 1 else ())


def _structure(path: Path, name: str) -> Opened:
    from motifdesk.structures import read

    with warnings.catch_warnings():  # said on the desk instead
        warnings.simplefilter("ignore", MotifDeskWarning)
        # a page has no disorder=: what a file leaves open is decided as usual, and said
        structure = read(path, disorder="majority")
    about = structure.properties.get("motifdesk", {})
    notes = [str(n).removeprefix("incomplete: ") for n in about.get("notes", []) if str(n).startswith("incomplete: ")]
    if about.get("simplified"):
        notes.append(str(about["simplified"]))
    return Opened(structure, name, tuple(f"{name}: {note}" for note in notes))


__all__ = ["MOST_BYTES", "Opened", "pasted_name", "plain_name", "read_bytes"]
