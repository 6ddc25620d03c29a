"""`read`: one door for files and objects of every supported kind."""

from __future__ import annotations

import difflib
import gzip
import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from motifdesk.data import path as data_path

from .arrays import AtomArrays, from_arrays
from .checks import MAX_ATOMS, check_count, check_structure, majority, note
from .errors import MotifDeskWarning, StructureError, one_line
from .formats import KNOWN, Options, format_of, from_ase, parse

if TYPE_CHECKING:
    from pymatgen.core import Molecule, Structure

_MAX_BYTES = 100_000_000


def examples() -> tuple[str, ...]:
    """Names of the bundled example files; ``read(name)`` reads one."""
    folder = data_path("examples")
    return tuple(sorted(p.name for p in folder.iterdir() if format_of(p.name))) if folder.is_dir() else ()


def read(
    source: Any,
    *,
    cell: Literal["as-given", "primitive", "conventional"] = "as-given",
    index: int = -1,
    max_atoms: int = MAX_ATOMS,
    disorder: Literal["error", "majority"] = "error",
    elements: Sequence[str] | None = None,
    tolerance: float = 0.01,
) -> Structure | Molecule:
    """Read a structure from a file or take one from an object, checked so that everything downstream can rely on it.

    Parameters
    ----------
    source
        a path to CIF, POSCAR/CONTCAR (``.vasp``), XYZ, extended XYZ or pymatgen JSON, also with ``.gz``; a bare file
        name that is not in the working folder is looked up among the bundled `examples`. Or a pymatgen ``Structure`` or
        ``Molecule`` (copied), ``ase.Atoms``, `AtomArrays`.
    cell
        "primitive" or "conventional" change the cell of a crystal, leaving every atom where it is (no rotation, no
        symmetrisation); molecules ignore it.
    index
        which structure of a file with several (trajectory, CIF blocks); the last by default, as in ase.
    max_atoms
        refuse larger structures, before expensive parsing where the count stands in the file.
    disorder
        "error" refuses partial occupancy; "majority" keeps the most frequent occupant of each site, warns
        (`MotifDeskWarning`) and records it in ``structure.properties["motifdesk"]["simplified"]``.
    elements
        element symbols, one for each count, of a POSCAR that names none (the form of VASP 4).
    tolerance
        Angstrom, of the symmetry search behind `cell`.

    Returns
    -------
    Structure or Molecule
        lengths in Angstrom; ``properties["motifdesk"]`` holds "source", "format" and the parser's "notes".

    Raises
    ------
    StructureError
        missing path, directory, empty or binary file, unknown kind, unparsable text, NaN, a flat cell, dummy species,
        partial occupancy, two atoms within 0.4 A of each other, too many atoms. The source is never altered.
    """
    if cell not in ("as-given", "primitive", "conventional"):
        raise StructureError(f"cell={cell!r}", remedy='use "as-given", "primitive" or "conventional"')
    if disorder not in ("error", "majority"):
        raise StructureError(f"disorder={disorder!r}", remedy='use "error" or "majority"')
    if isinstance(source, (str, os.PathLike)):
        options = Options(index, max_atoms, None if elements is None else tuple(elements), disorder == "majority")
        structure, where = _from_file(source, options)
    else:
        structure, where = _from_object(source, max_atoms)
    if disorder == "majority" and hasattr(structure, "lattice"):
        check_count(len(structure), max_atoms, where)
        structure = majority(cast("Structure", structure), where)
    check_structure(structure, where, max_atoms)
    if cell != "as-given" and hasattr(structure, "lattice"):
        from .cells import conventional_cell, primitive_cell

        structure = (primitive_cell if cell == "primitive" else conventional_cell)(
            cast("Structure", structure), tolerance
        )
        check_count(len(structure), max_atoms, where)
    return structure


def _from_object(source: Any, max_atoms: int) -> tuple[Structure | Molecule, str]:
    if isinstance(source, AtomArrays):
        return from_arrays(source), repr(source)
    if hasattr(source, "get_atomic_numbers") and hasattr(source, "pbc"):
        where = f"ase.Atoms {one_line(source.get_chemical_formula(), 60)}"
        structure = from_ase(source, where, max_atoms)
        said = structure.properties.get("motifdesk", {}).get("simplified")
        if said:
            warnings.warn(f"{where}: {said}", MotifDeskWarning, stacklevel=3)
        return structure, where
    if hasattr(source, "sites") and hasattr(source, "cart_coords"):
        from pymatgen.core import Molecule, Structure

        check_count(len(source), max_atoms, f"the {type(source).__name__} given")
        with warnings.catch_warnings():  # sorting a formula, pymatgen warns of noble gases' electronegativity
            warnings.simplefilter("ignore", UserWarning)
            formula = source.formula
        where = f"{type(source).__name__} {one_line(formula, 60)}"
        kind = Structure if hasattr(source, "lattice") else Molecule
        return kind.from_sites(list(source), charge=source._charge, properties=dict(source.properties)), where
    if isinstance(source, (bytes, bytearray)):
        raise StructureError("bytes are no structure", remedy="save them to a file and give its path")
    raise StructureError(
        f"a {type(source).__name__} is not a structure",
        remedy="give a file path, a pymatgen Structure or Molecule, or ase.Atoms",
    )


def _from_file(source: str | os.PathLike[str], options: Options) -> tuple[Structure | Molecule, str]:
    file = _find(source)
    where = str(source) if file.name == str(source) else str(file)
    kind = format_of(file.name)
    if kind is None:
        raise StructureError(
            f"the suffix {file.suffix!r} is not known" if file.suffix else "the file name tells no format",
            where=where,
            remedy=f"known are {KNOWN}",
        )
    text = _text(file, where)
    first = (text.split(None, 1) or [""])[0]  # a text may be all white space that is none to bytes (no-break spaces)
    if kind == "xyz" and file.name.lower().endswith(".extxyz") and not first.isdigit():
        raise StructureError("not extended XYZ: the first line is no atom count", where=where, remedy="check the file")
    structure, notes = parse(text, kind, where, options)
    incomplete = next((n for n in notes if n.startswith("incomplete: ")), None)
    if incomplete:
        warnings.warn(f"{where}: {incomplete.removeprefix('incomplete: ')}", MotifDeskWarning, stacklevel=3)
    note(structure, source=file.name, format=kind, **({"notes": notes} if notes else {}))
    return structure, where


def _find(source: str | os.PathLike[str]) -> Path:
    """The file meant, or one error that offers the nearest names."""
    name = os.fspath(source)
    if not isinstance(name, str) or "\0" in name or not name.strip():
        raise StructureError(f"{name!r} is not a path", remedy="give the path of a structure file")
    if "\n" in name:
        raise StructureError(
            "this looks like the text of a file, not its path", where=name[:60], remedy="save it and give the path"
        )
    try:
        file = Path(name).expanduser()
        if not file.exists() and file.name == name and data_path("examples", name).is_file():
            return data_path("examples", name)
        if file.is_dir():
            raise StructureError("this is a folder", where=name, remedy="give the path of a file in it")
        if file.is_file():
            return file
        if file.exists():
            raise StructureError("this is not a regular file", where=name, remedy="give the path of a structure file")
        here = [p.name for p in file.parent.iterdir()] if file.parent.is_dir() else []
    except (OSError, RuntimeError) as error:  # a name too long, a folder that may not be entered, no home folder
        reason = one_line(getattr(error, "strerror", None) or error, 120)
        raise StructureError(f"the path cannot be followed ({reason})", where=name, remedy="check the path") from error
    names = {other.lower(): other for other in [*here, *examples()]}
    stems = {Path(other).stem: names[other] for other in names}
    near = [names[n] for n in difflib.get_close_matches(file.name.lower(), names, n=2, cutoff=0.8)]
    near += [stems[n] for n in difflib.get_close_matches(file.stem.lower(), stems, n=2, cutoff=0.5)]
    near = list(dict.fromkeys(near))[:3]
    if not file.parent.is_dir():
        remedy = f"the folder {one_line(file.parent, 120)} does not exist either"
    elif near:
        remedy = f"did you mean {' or '.join(one_line(n, 80) for n in near)}?"
    else:
        remedy = f"check the path; bundled examples: {', '.join(examples()[:4])}, ..."
    raise StructureError("there is no such file", where=name, remedy=remedy)


def _text(file: Path, where: str) -> str:
    """The file's text; empty, oversized, unreadable and binary files are told apart."""
    try:
        size = file.stat().st_size
        if size > _MAX_BYTES:
            raise StructureError(f"{size / 1e6:.0f} MB", where=where, remedy="give a file with one structure")
        raw = file.read_bytes()
        if raw[:2] == b"\x1f\x8b" and file.name.endswith(".gz"):
            with gzip.open(file) as stream:
                raw = stream.read(_MAX_BYTES)
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StructureError(
            f"it cannot be read ({one_line(reason, 120)})", where=where, remedy="check its permissions and contents"
        ) from error
    if not raw.strip():
        raise StructureError(
            "the file is empty", where=where, remedy="a download or a save that did not finish: repeat it"
        )
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            return raw.decode("utf-16")
        except UnicodeDecodeError:
            pass
    head = raw[:65536]
    strange = len(re.findall(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]", head))
    if b"\0" in head or strange > 0.01 * len(head):
        raise StructureError(
            "this is a binary file, not text", where=where, remedy=f"give a text file of a structure ({KNOWN})"
        )
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:  # old CIFs with a Latin-1 name of an author
        return raw.decode("latin-1")
