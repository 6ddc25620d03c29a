"""Export: to a file next to the notebook, or through the browser."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from motifdesk.desk.stagetools import PICTURES
from motifdesk.structures.errors import MotifDeskError, SessionError
from motifdesk.structures.formats import format_of

if TYPE_CHECKING:
    from motifdesk.session import Session

CRYSTAL = [
    ["cif", "CIF", ".cif"],
    ["poscar", "POSCAR (VASP)", ".vasp"],
    ["extxyz", "extended XYZ", ".extxyz"],
    ["json", "JSON with the recipe", ".json"],
]
MOLECULE = [["xyz", "XYZ", ".xyz"], ["extxyz", "extended XYZ", ".extxyz"], ["json", "JSON with the recipe", ".json"]]


def formats(session: Session) -> list[list[str]]:
    """[format, words, suffix] that this design can be written in."""
    return [*(CRYSTAL if session.state.arrays.cell is not None else MOLECULE), *PICTURES.values()]


def describe_export(session: Session, text: str = "", level: str = "") -> dict[str, Any]:
    """The export panel with the outcome of the last attempt."""
    choices = formats(session)
    stem = re.sub(r"[^A-Za-z0-9._+-]+", "-", _called(session)).strip("-.") or "design"
    return {
        "formats": choices,
        "format": choices[0][0],
        "name": f"{stem}-design{choices[0][2]}",
        "text": text,
        "level": level,
    }


def _called(session: Session) -> str:
    """What the design is called: after the file opened last, or its formula where it is another compound by now."""
    opened = session.history.last(("open", "set_structure", "build"))
    formula = session.committed.formula
    if opened.state.formula != formula:
        return formula
    name = session.name if opened.kind == "open" else str(opened.edit.parameters.get("name", ""))
    while format_of(name) and PurePath(name).suffix:
        name = PurePath(name).stem
    return name or formula


def write_file(session: Session, name: str, format: str, overwrite: bool) -> Path:
    """Write the design; the path as written. Raises the one clear error of ``Session.export``."""
    name = name.strip()
    if not name:
        raise SessionError("no file name", where="export", remedy="give the file a name")
    name = _suffixed(session, name, format)
    try:
        return Path(session.export(name, format=format or None, overwrite=overwrite))
    except MotifDeskError as error:
        if "overwrite=True" not in str(error):
            raise
        # the same refusal in the words of the panel
        remedy = 'give another name, or tick "replace"'
        raise SessionError("the file exists already", where=name, remedy=remedy) from None


def _suffixed(session: Session, name: str, format: str) -> str:
    """The name with the suffix of its format where it tells none ("x" is no CIF; "POSCAR" is one of VASP)."""
    suffix = next((s for kind, _, s in formats(session) if kind == format), "")
    last = PurePath(name).name
    plain = last.strip(".") and not name.endswith(("/", "\\")) and not PurePath(last).suffix and format_of(last) is None
    return f"{name}{suffix}" if plain else name


def as_text(session: Session, name: str, format: str) -> tuple[str, str]:
    """(file name, content) for a download: the same file that :func:`write_file` makes."""
    safe = _suffixed(session, Path(name.strip() or "design").name, format)
    with tempfile.TemporaryDirectory() as folder:
        path = session.export(Path(folder) / safe, format=format or None, overwrite=True)
        return safe, Path(path).read_text(encoding="utf-8")
