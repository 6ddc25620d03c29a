"""From the text of a file to a pymatgen structure, one function per format (CIF has a file of its own).

Each function takes ``(text, where, options)`` and returns ``(structure, notes)``; `notes` are the parser's remarks.
Atoms are counted in the text first, so that a file of 100,000 atoms is refused in milliseconds.
"""

from __future__ import annotations

import io
import json
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from .arrays import element_symbols
from .checks import check_count, check_finite, check_lattice
from .errors import StructureError, one_line

if TYPE_CHECKING:
    from pymatgen.core import Molecule, Structure

    Parsed = tuple[Structure | Molecule, list[str]]

_SUFFIXES = {
    ".cif": "cif",
    ".mcif": "cif",
    ".vasp": "poscar",
    ".poscar": "poscar",
    ".contcar": "poscar",
    ".xyz": "xyz",
    ".extxyz": "xyz",
    ".json": "json",
}
KNOWN = ".cif, .mcif, .vasp (or a name with POSCAR or CONTCAR), .xyz, .extxyz, .json"


def format_of(name: str) -> str | None:
    """ "cif", "poscar", "xyz" or "json" from a file name; None if it tells nothing."""
    name = PurePath(name).name.removesuffix(".gz")
    known = _SUFFIXES.get(PurePath(name).suffix.lower())
    if known is None and re.search(r"(^|[^A-Za-z])(POSCAR|CONTCAR)($|[^A-Za-z])", name):
        return "poscar"
    return known


@dataclass(frozen=True)
class Options:
    """What `read` was asked for: frame or block, size limit, a POSCAR's elements, any sum of occupancies allowed."""

    index: int
    max_atoms: int
    elements: tuple[str, ...] | None = None
    lenient: bool = False


def parse(text: str, kind: str, where: object, options: Options) -> Parsed:
    """The structure in `text` of format `kind` ("cif", "poscar", "xyz", "json").

    Raises
    ------
    StructureError
        whatever is wrong with the text; no other exception of a parser escapes.
    """
    from .cif import cif

    function: Callable[..., Parsed] = {"cif": cif, "poscar": poscar, "xyz": xyz, "json": pymatgen_json}[kind]
    try:
        return function(text, where, options)
    except StructureError:
        raise
    except RecursionError:
        raise StructureError(f"nested too deeply for {kind.upper()}", where=where, remedy="check the file") from None
    except Exception as error:  # parsers raise whatever the damage led to: IndexError, KeyError, AssertionError, ...
        raise StructureError(
            f"not readable as {kind.upper()} ({type(error).__name__}: {one_line(error, 160)})",
            where=where,
            remedy="open it in a text editor; a truncated download or a wrong file name are the usual causes",
        ) from error


def choose(frames: Sequence[Any], index: int, where: object, what: str) -> Any:
    """``frames[index]`` with an error that tells how many there are."""
    if not frames:
        raise StructureError(f"it holds no {what}", where=where, remedy="check that the file is complete")
    if not -len(frames) <= index < len(frames):
        raise StructureError(
            f"there is no {what} {index} among {len(frames)}", where=where, remedy="choose index= within the range"
        )
    return frames[index]


def poscar(text: str, where: object, options: Options) -> Parsed:
    """POSCAR/CONTCAR of VASP 5, or of VASP 4 with its elements named elsewhere.

    Elsewhere is: ``options.elements``, the first line, or a comment behind each position ("0.1 0.2 0.3 # Ba1").
    """
    from pymatgen.io.vasp import Poscar

    lines = text.splitlines()
    if len(lines) < 7:
        raise StructureError(f"{len(lines)} lines are too few for a POSCAR", where=where, remedy="check the file")
    counts = next((row for row in (lines[5].split(), lines[6].split()) if row and _is_count(row[0])), None)
    if counts is None:
        raise StructureError("lines 6 and 7 hold no atom counts", where=where, remedy="check that it is a POSCAR")
    # a comment may follow the counts
    check_count(sum(int(c) for c in _take_while(_is_count, counts)), options.max_atoms, where)
    lattice = np.array([[_number(x, where, k + 3) for x in lines[2 + k].split()[:3]] for k in range(3)])
    if lattice.shape != (3, 3):
        raise StructureError("lines 3 to 5 are not three lattice vectors", where=where, remedy="check the file")
    check_lattice(lattice * abs(_number(lines[1].split()[0], where, 2)) ** (1 if _positive(lines[1]) else 0), where)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        structure = Poscar.from_str(text, read_velocities=False).structure
    unnamed = any("cannot be determined" in str(w.message) for w in caught)
    commented = _comment_elements(lines, len(structure)) if unnamed and options.elements is None else None
    if commented:
        for k, symbol in enumerate(commented):
            structure.replace(k, symbol, label=symbol)
        return structure, ["elements taken from the comments behind the positions"]
    if unnamed and options.elements is None:
        raise StructureError(
            "it names no elements (the form of VASP 4)",
            where=where,
            remedy='name them in the order of the counts: read(..., elements=("Li", "Ir", "O"))',
        )
    if unnamed:
        return _named(structure, options.elements or (), where), []
    return structure, [one_line(w.message) for w in caught if issubclass(w.category, UserWarning)]


def _comment_elements(lines: Sequence[str], natoms: int) -> list[str] | None:
    """Element of each atom from "# Ba1" or "! Ba" behind its position; None unless every atom has one."""
    start = 7 + (lines[6].strip()[:1] in ("s", "S"))  # selective dynamics put one line more before the positions
    found = []
    for line in lines[start : start + natoms]:
        words = re.split("[#!]", line, maxsplit=1)
        name = re.match(r"\s*([A-Z][a-z]?)(?![a-z])", words[-1]) if len(words) == 2 else None
        if name is None or name[1] not in element_symbols()[1:]:
            return None
        found.append(name[1])
    return found if len(found) == natoms else None


def _named(structure: Structure, elements: Sequence[str], where: object) -> Structure:
    """The structure with its groups of sites, in their order, made of `elements`."""
    groups = [site.specie for site in structure]
    starts = [k for k in range(len(groups)) if k == 0 or groups[k] != groups[k - 1]]
    if len(starts) != len(elements):
        raise StructureError(
            f"{len(elements)} elements were given for {len(starts)} groups of atoms",
            where=where,
            remedy="give one element for each count of the file",
        )
    for k, group in enumerate(np.searchsorted(starts, np.arange(len(groups)), side="right") - 1):
        structure.replace(k, _symbol(elements[group], where, 6), label=elements[group])
    return structure


def _is_count(word: str) -> bool:
    return word.isdigit()


def _positive(line: str) -> bool:
    return not line.strip().startswith("-")


def _take_while(test: Callable[[str], bool], words: Sequence[str]) -> list[str]:
    taken = []
    for word in words:
        if not test(word):
            break
        taken.append(word)
    return taken


def _number(word: str, where: object, line: int) -> float:
    try:
        return float(word)
    except ValueError:
        raise StructureError(f"line {line}: {word!r} is not a number", where=where, remedy="repair that line") from None


def xyz(text: str, where: object, options: Options) -> Parsed:
    """XYZ (a Molecule), or extended XYZ with ``Lattice=`` (a Structure unless ``pbc="F F F"``)."""
    lines = text.splitlines()
    frames: list[tuple[int, int]] = []  # first line, atoms
    at = 0
    while at < len(lines):
        if not lines[at].strip():  # blank lines between or after frames
            at += 1
            continue
        head = lines[at].split()
        if len(head) != 1 or not head[0].isdigit():
            raise StructureError(
                f"line {at + 1} should hold the number of atoms, but reads {lines[at].strip()[:40]!r}",
                where=where,
                remedy="XYZ has the count, a comment, then one line per atom",
            )
        natoms = int(head[0])
        if at + 2 + natoms > len(lines):
            raise StructureError(
                f"line {at + 1} promises {natoms} atoms, the file ends after {max(len(lines) - at - 2, 0)}",
                where=where,
                remedy="the file is cut short: copy it again",
            )
        frames.append((at, natoms))
        at += 2 + natoms
    start, natoms = choose(frames, options.index, where, "frame")
    check_count(natoms, options.max_atoms, where)
    frame = lines[start : start + 2 + natoms]
    notes = [f"frame {options.index} of {len(frames)}"] if len(frames) > 1 else []
    if re.search(r"(^|\s)(Lattice|Properties)\s*=", frame[1], flags=re.IGNORECASE):
        return _extended(frame, where, options.max_atoms), notes
    species: list[str] = []
    positions = np.empty((natoms, 3))
    for k, line in enumerate(frame[2:]):
        words = line.split()
        if len(words) < 4:
            raise StructureError(
                f"line {start + 3 + k}: {line.strip()[:40]!r} is not an element and three coordinates",
                where=where,
                remedy="repair that line",
            )
        species.append(_symbol(words[0], where, start + 3 + k))
        positions[k] = [_number(word.replace("D", "E").replace("d", "e"), where, start + 3 + k) for word in words[1:4]]
    check_finite(positions, where)
    from pymatgen.core import Molecule

    return Molecule(species, positions), notes


def _symbol(word: str, where: object, line: int) -> str:
    """Element symbol from "Si", "si", "14" or "Si12"."""
    symbols = element_symbols()
    if word.isdigit() and 1 <= int(word) < len(symbols):
        return symbols[int(word)]
    letters = re.match(r"[A-Za-z]+", word)
    symbol = letters.group().capitalize() if letters else word
    if symbol == "D":
        return "H"
    if symbol in symbols[1:]:
        return symbol
    dummy = symbol.startswith("X") or word == "0"
    raise StructureError(
        f"line {line}: {word!r} is {'a dummy species' if dummy else 'no chemical element'}",
        where=where,
        remedy="replace it by a chemical element, or remove the line and lower the count",
    )


def _extended(frame: list[str], where: object, max_atoms: int) -> Structure | Molecule:
    from ase.io import read as ase_read

    for line in frame[2:]:  # ase turns unknown symbols into a KeyError without a place
        if line.split() and re.match(r"species:S:1", frame[1].partition("Properties=")[2].strip('"')):
            _symbol(line.split()[0], where, frame.index(line) + 1)
    return from_ase(ase_read(io.StringIO("\n".join(frame) + "\n"), format="extxyz", index=0), where, max_atoms)


def from_ase(atoms: Any, where: object, max_atoms: int) -> Structure | Molecule:
    """``ase.Atoms``: a Structure if any direction is periodic (then taken as periodic in all), else a Molecule.

    Only species and positions are taken; calculators, momenta and constraints stay behind.
    """
    from pymatgen.core import Element, Lattice, Molecule, Structure

    check_count(len(atoms), max_atoms, where)
    numbers = atoms.get_atomic_numbers()
    if (numbers < 1).any() or (numbers > 118).any():
        k = int(np.flatnonzero((numbers < 1) | (numbers > 118))[0])
        raise StructureError(
            f"site {k} holds the dummy species {atoms.symbols[k]}",
            where=where,
            remedy="replace it by a chemical element, or remove the site",
        )
    check_finite(atoms.positions, where)
    species = [Element.from_Z(int(z)) for z in numbers]
    pbc = np.asarray(atoms.pbc, dtype=bool)
    if not pbc.any():
        return Molecule(species, atoms.positions)
    cell = np.asarray(atoms.cell, dtype=float)
    if not pbc.all() and abs(np.linalg.det(cell)) < 1e-6:
        axes = ", ".join("abc"[k] for k in np.flatnonzero(~pbc))
        raise StructureError(
            f"not periodic along {axes}, and the cell has no vector there",
            where=where,
            remedy="give the slab or wire its vacuum: atoms.center(vacuum=10.0, axis=...)",
        )
    check_lattice(cell, where)
    structure = Structure(Lattice(cell), species, atoms.positions, coords_are_cartesian=True)
    if not pbc.all():
        from .checks import note

        note(structure, simplified="periodic in all three directions; the source was not")
    return structure


def pymatgen_json(text: str, where: object, options: Options) -> Parsed:
    """A pymatgen Structure or Molecule dict as JSON, or a list of them, or an object with one under "structure".

    Built from the plain numbers: no class named in the file is imported, so a file from a stranger runs no code.
    """
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise StructureError(
            f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}",
            where=where,
            remedy="a truncated download or a wrong file name are the usual causes",
        ) from error
    if isinstance(found, list):
        found = choose(found, options.index, where, "structure")
    if isinstance(found, dict) and "sites" not in found:
        found = next((found[key] for key in ("structure", "molecule") if isinstance(found.get(key), dict)), found)
    if not isinstance(found, dict) or not isinstance(found.get("sites"), list):
        raise StructureError(
            'it is JSON, but no pymatgen structure (there is no list of "sites")',
            where=where,
            remedy="save one with motifdesk.write or structure.to(filename=...)",
        )
    check_count(len(found["sites"]), options.max_atoms, where)
    return structure_from_dict(found, where), []


def structure_from_dict(data: dict, where: object) -> Structure | Molecule:
    """A Structure or Molecule from its ``as_dict()``: sites, lattice, charge, labels, plain properties; no imports."""
    from pymatgen.core import Lattice, Molecule, Structure

    lattice = data.get("lattice")
    species, coordinates, labels, properties = [], [], [], []
    for k, site in enumerate(data["sites"]):
        species.append({_specie(entry, k, where): float(entry.get("occu", 1)) for entry in site["species"]})
        coordinates.append(site["abc"] if lattice is not None else site["xyz"])
        labels.append(site.get("label"))
        properties.append({name: value for name, value in (site.get("properties") or {}).items() if _plain(value)})
    names = sorted({name for one in properties for name in one})
    columns = {name: [one.get(name) for one in properties] for name in names}
    check_finite(np.array(coordinates, dtype=float), where)
    kept = {name: value for name, value in (data.get("properties") or {}).items() if _plain(value)}
    if lattice is None:
        return Molecule(species, coordinates, charge=data.get("charge") or 0, site_properties=columns, properties=kept)
    matrix = np.array(lattice["matrix"], dtype=float)
    check_lattice(matrix, where)
    return Structure(
        Lattice(matrix),
        species,
        coordinates,
        charge=data.get("charge"),
        site_properties=columns,
        labels=labels,
        properties=kept,
    )


def _specie(entry: dict, k: int, where: object) -> Any:
    from pymatgen.core import Element, Species

    symbol, state = str(entry["element"]), entry.get("oxidation_state")
    if symbol not in element_symbols()[1:] and symbol not in ("D", "T"):
        raise StructureError(
            f"site {k} holds the dummy species {one_line(symbol, 40)}",
            where=where,
            remedy="replace it by a chemical element, or remove the site",
        )
    return Element(symbol) if state is None else Species(symbol, float(state))


def _plain(value: Any) -> bool:
    """Numbers, strings and nests of them; nothing with a class to import."""
    if isinstance(value, dict):
        return "@module" not in value and all(_plain(v) for v in value.values())
    if isinstance(value, list):
        return all(_plain(v) for v in value)
    return value is None or isinstance(value, (bool, int, float, str))
