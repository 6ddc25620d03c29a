"""`write`: structures to files, whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from .arrays import AtomArrays, from_arrays
from .checks import check_finite
from .errors import StructureError, one_line
from .formats import format_of, from_ase

if TYPE_CHECKING:
    from pymatgen.core import Molecule, Structure

FORMATS = ("cif", "poscar", "extxyz", "xyz", "json")
_ALIASES = {"vasp": "poscar", "contcar": "poscar"}


def write(
    structure: Any,
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    overwrite: bool = False,
    provenance: Mapping[str, Any] | str | None = None,
    symmetry_tolerance: float | None = None,
) -> Path:
    """Write a structure; the file appears complete or not at all.

    Parameters
    ----------
    structure
        pymatgen ``Structure`` or ``Molecule``, ``ase.Atoms`` or `AtomArrays`.
    path
        where to; the suffix tells the format: ``.cif``, ``.vasp`` (or a name with POSCAR), ``.extxyz``, ``.xyz``,
        ``.json``.
    format
        one of "cif", "poscar" ("vasp"), "extxyz", "xyz", "json" instead of the suffix.
    overwrite
        replace an existing file; without it an existing file is an error.
    provenance
        how the structure came about: a string or a JSON-able mapping, written as comment lines (JSON: as a key).
    symmetry_tolerance
        CIF only: write the asymmetric unit and the operations found at this tolerance (Angstrom) in pymatgen's
        symmetrised setting; by default all atoms in P1, exactly as they are.

    Returns
    -------
    Path
        of the file written.

    Notes
    -----
    Coordinates come back to 1e-6 A and better. CIF keeps cell lengths and angles, not the cell's orientation in space;
    the other formats keep both. A crystal written as ``.xyz`` becomes extended XYZ, so that the cell is not lost.

    Raises
    ------
    StructureError
        unknown format, existing file, missing or read-only folder, full disk, NaN, a format that cannot hold the
        structure. An existing file stays as it was in every case.
    """
    target = Path(path).expanduser()
    if "\0" in str(target):
        raise StructureError("a file name cannot hold a NUL", where="write", remedy="give another name")
    text = dumps(
        structure,
        format or _format_for(target),
        provenance=provenance,
        symmetry_tolerance=symmetry_tolerance,
    )
    try:
        if target.is_dir():
            raise StructureError("this is a folder", where=target, remedy="give the name of a file in it")
        if target.exists() and not overwrite:
            raise StructureError(
                "the file exists already", where=target, remedy="give another name, or overwrite=True to replace it"
            )
        if not target.parent.is_dir():
            raise StructureError(
                f"the folder {one_line(target.parent, 120)} does not exist",
                where=target,
                remedy="make it first, or give another path",
            )
        replace_file(target, text.encode("utf-8"))
    except OSError as error:
        raise StructureError(
            f"it cannot be written ({one_line(error.strerror or error, 120)})",
            where=target,
            remedy="choose a folder that you may write to; nothing was changed",
        ) from error
    return target


def replace_file(target: Path, content: bytes | Iterable[bytes]) -> None:
    """Temporary file beside the target, then one rename: a reader sees the old file or the new one. ``content``: the
    bytes, or pieces of them."""
    handle, temporary = tempfile.mkstemp(prefix=".motifdesk-", suffix=".tmp", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.writelines([content] if isinstance(content, bytes) else content)
            stream.flush()
            os.fsync(stream.fileno())
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(temporary, 0o666 & ~mask)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def _format_for(target: Path) -> str:
    if target.suffix.lower() == ".extxyz":
        return "extxyz"
    known = None if target.name.endswith(".gz") else format_of(target.name)
    if known is None:
        raise StructureError(
            f"the suffix {target.suffix!r} tells no format" if target.suffix else "the name tells no format",
            where=target,
            remedy=f"use .cif, .vasp, .extxyz, .xyz or .json, or format= one of {', '.join(FORMATS)}",
        )
    return known


def dumps(
    structure: Any,
    format: str,
    *,
    provenance: Mapping[str, Any] | str | None = None,
    symmetry_tolerance: float | None = None,
) -> str:
    """The text that `write` would put into a file of this format. Parameters and errors as there."""
    format = _ALIASES.get(format.lower(), format.lower())
    if format not in FORMATS:
        raise StructureError(f"the format {format!r} is not known", remedy=f"use one of {', '.join(FORMATS)}")
    made = _as_pymatgen(structure)
    where = one_line(made.formula, 80)
    check_finite(made.cart_coords, where)
    crystal = hasattr(made, "lattice")
    if not crystal and format in ("cif", "poscar"):
        raise StructureError(
            f"a molecule has no cell, and {format.upper()} needs one",
            where=where,
            remedy="write .xyz or .json, or put it into a box: molecule.get_boxed_structure(a, b, c)",
        )
    if format in ("poscar", "extxyz", "xyz") and not made.is_ordered:
        raise StructureError(
            f"{format.upper()} cannot hold partial occupancy",
            where=where,
            remedy="write .cif or .json, or order it first",
        )
    if format == "json":
        return _json(made, provenance)
    lines = _provenance_lines(provenance)
    if format == "cif":
        return _cif(cast("Structure", made), lines, symmetry_tolerance)
    if format == "poscar":
        return _poscar(cast("Structure", made), lines)
    return _xyz(made, lines)


def _as_pymatgen(structure: Any) -> Structure | Molecule:
    if isinstance(structure, AtomArrays):
        return from_arrays(structure)
    if hasattr(structure, "get_atomic_numbers") and hasattr(structure, "pbc"):
        return from_ase(structure, "ase.Atoms", len(structure))
    if hasattr(structure, "sites") and hasattr(structure, "cart_coords"):
        return structure
    raise StructureError(
        f"a {type(structure).__name__} is not a structure", remedy="give a pymatgen Structure or Molecule, or ase.Atoms"
    )


def _version() -> str:
    try:
        return version("motifdesk")
    except PackageNotFoundError:  # a checkout on the path without an installation
        return "(uninstalled)"


def _provenance_lines(provenance: Mapping[str, Any] | str | None) -> list[str]:
    """One printable ASCII line per entry, for comments."""
    lines = [f"written by motifdesk {_version()}"]
    if isinstance(provenance, str):
        lines += [line for line in provenance.splitlines() if line.strip()]
    elif provenance:
        for key, value in provenance.items():
            lines.append(f"{key}: {value if isinstance(value, str) else json.dumps(value, default=str)}")
    return [one_line(line, 2000).encode("ascii", "replace").decode() for line in lines]


def _cif(structure: Structure, lines: list[str], tolerance: float | None) -> str:
    from pymatgen.io.cif import CifWriter

    if len({site.label for site in structure}) < len(structure):  # the CIF dictionary asks for unique labels
        structure = structure.copy()
        for k, site in enumerate(structure):
            site.label = f"{next(iter(site.species)).symbol}{k + 1}"
    # CifWriter's own digits: 12 decimals of a fractional coordinate are 1e-11 A in a cell of 10 A
    text = str(CifWriter(structure, symprec=tolerance, significant_figures=12))
    return "".join(f"# {line}\n" for line in lines) + text


def _poscar(structure: Structure, lines: list[str]) -> str:
    groups: list[list[Any]] = []  # consecutive sites of one element; the order of sites is kept
    for site in structure:
        symbol = site.specie.symbol
        if groups and groups[-1][0] == symbol:
            groups[-1][1] += 1
        else:
            groups.append([symbol, 1])
    rows = [f"{structure.reduced_formula}; {'; '.join(lines)}", "1.0"]
    rows += ["".join(f"{x:25.16f}" for x in vector) for vector in structure.lattice.matrix]
    rows += [" ".join(g[0] for g in groups), " ".join(str(g[1]) for g in groups), "direct"]
    rows += ["".join(f"{x:20.16f}" for x in site.frac_coords) + f" {site.specie.symbol}" for site in structure]
    return "\n".join(rows) + "\n"


def _xyz(structure: Structure | Molecule, lines: list[str]) -> str:
    said = "; ".join(lines).replace('"', "'").replace("\\", "/")
    if hasattr(structure, "lattice"):
        cell = " ".join(f"{x:.12f}" for x in np.asarray(structure.lattice.matrix).ravel())
        comment = f'Lattice="{cell}" Properties=species:S:1:pos:R:3 pbc="T T T" comment="{said}"'
    else:  # plain XYZ: no "Lattice=" or "Properties=" may appear in the comment
        comment = said.replace("=", ":")
    rows = [str(len(structure)), comment]
    rows += [f"{site.specie.symbol:<3s}" + "".join(f"{x:20.12f}" for x in site.coords) for site in structure]
    return "\n".join(rows) + "\n"


def _json(structure: Structure | Molecule, provenance: Mapping[str, Any] | str | None) -> str:
    data = structure.as_dict()
    data["motifdesk_provenance"] = {"motifdesk": _version(), "provenance": provenance}
    try:
        return json.dumps(data, indent=1, allow_nan=False, default=_jsonable) + "\n"
    except (TypeError, ValueError) as error:
        raise StructureError(
            f"properties or provenance do not fit into JSON ({one_line(error, 120)})",
            where=one_line(structure.formula, 80),
            remedy="keep numbers, strings, lists and mappings of them",
        ) from error


def _jsonable(value: Any) -> Any:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    moment = getattr(value, "moment", None)  # pymatgen's Magmom, of a magnetic CIF: a number or a vector
    if moment is not None:
        return np.asarray(moment).tolist()
    raise TypeError(f"a {type(value).__name__} is not JSON-able")
