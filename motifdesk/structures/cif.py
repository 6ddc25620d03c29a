"""CIF through pymatgen's parser, with the coordinates taken as written and what the file leaves out said aloud."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from .checks import check_count, close_pairs
from .errors import StructureError, one_line

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from .formats import Options

_XYZ = ("_atom_site_fract_x", "_atom_site_fract_y", "_atom_site_fract_z")


def cif(text: str, where: object, options: Options) -> tuple[Structure, list[str]]:
    """The structure of block ``options.index``; see `motifdesk.structures.formats.parse` for errors.

    pymatgen snaps coordinates within 1e-4 of a fraction (0.3333 -> 1/3). Right for four printed digits, wrong for more:
    the snap is allowed only where some coordinate of the block has at most four decimals, or where symmetry images of
    one site would otherwise lie beside each other.
    """
    from pymatgen.io.cif import CifFile

    from .formats import choose

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        blocks = CifFile.from_str(text).data
    with_sites = {name: block for name, block in blocks.items() if _XYZ[0] in block.data}
    if not with_sites:
        cartesian = any("_atom_site_Cartn_x" in block.data for block in blocks.values())
        what = "Cartesian coordinates are not supported" if cartesian else "it holds no atoms (no _atom_site_fract_x)"
        raise StructureError(what, where=where, remedy="check that the file is complete and is a crystal structure")
    name = choose(list(with_sites), options.index, where, "structure")
    block = with_sites[name].data
    check_count(_count(block), options.max_atoms, where)
    _check_coordinates(block, where)
    source = text if len(blocks) == 1 else str(blocks[name])
    structure, notes = _parse(source, where, options.lenient, 1e-4 if _few_digits(block) else 0.0, 1e-4)
    if len(close_pairs(structure.cart_coords, structure.lattice.matrix, 0.05)[0]):
        structure, notes = _parse(source, where, options.lenient, 1e-4, 1e-3)
        notes.append("symmetry images up to 0.001 of a cell vector apart were merged into one site")
    structure = _in_order(structure, _column(block, "_atom_site_label"))
    if len(with_sites) > 1:
        notes.append(f"block {name!r} of {len(with_sites)} structures")
    missing = _missing_elements(block, structure)
    if missing:
        formula = one_line(_column(block, "_chemical_formula_sum")[0], 80)
        notes.append(f"incomplete: the file's formula {formula} names {missing}, but none of its sites holds it")
    return structure, notes


def _parse(text: str, where: object, lenient: bool, snap: float, merge: float) -> tuple[Structure, list[str]]:
    """`snap` to simple fractions, `merge` a site's symmetry images: tolerances on fractional coordinates."""
    from pymatgen.io.cif import CifParser

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        parser = CifParser.from_str(
            text,
            frac_tolerance=snap,
            site_tolerance=merge,
            occupancy_tolerance=100.0 if lenient else 1.0,
            check_cif=False,
        )
        try:
            structure = parser.parse_structures(primitive=False, on_error="raise")[0]
        except ValueError as error:
            # 1.0001 from rounded occupancies is no error to a person; pymatgen then scales them to 1
            over = re.search(r"Occupancy ([\d.]+) exceeded tolerance", str(error))
            if over and float(over[1]) <= 1.01:
                return _parse(text, where, True, snap, merge)
            if over:
                raise StructureError(
                    f"the occupancies of one site add up to {float(over[1]):.3g}",
                    where=where,
                    remedy='correct the file; read(..., disorder="majority") keeps the most frequent occupant',
                ) from error
            raise
    ignored = (DeprecationWarning, FutureWarning)
    return structure, [one_line(w.message) for w in caught if not issubclass(w.category, ignored)]


def _in_order(structure: Structure, labels: list[str]) -> Structure:
    """Sites in the order of the file; pymatgen sorts them by electronegativity."""
    row = {label: k for k, label in reversed(list(enumerate(labels)))}
    if not all(site.label in row for site in structure):
        return structure
    order = sorted(range(len(structure)), key=lambda k: row[structure[k].label])
    if order == list(range(len(structure))):
        return structure
    return type(structure).from_sites([structure[k] for k in order], properties=structure.properties)


def _check_coordinates(block: dict, where: object) -> None:
    for key in _XYZ:
        for row, value in enumerate(_column(block, key)):
            if value.strip() in ("?", "."):
                raise StructureError(
                    f"atom {row + 1} of the list has no coordinate {key[-1]}",
                    where=where,
                    remedy="complete the file or delete that atom",
                )
            if re.search("nan|inf", value, flags=re.IGNORECASE):
                raise StructureError(
                    f"atom {row + 1} of the list has {key} = {one_line(value, 40)}",
                    where=where,
                    remedy="repair the coordinates in the source; nothing was changed here",
                )


def _column(block: dict, key: str) -> list[str]:
    value: Any = block.get(key, [])
    return [value] if isinstance(value, str) else list(value)


def _count(block: dict) -> int:
    """A lower bound of the atoms in the cell: the multiplicities where all are given, else the listed rows."""
    rows = len(_column(block, _XYZ[0]))
    multiplicities = _column(block, "_atom_site_symmetry_multiplicity")
    if len(multiplicities) == rows and all(m.isdigit() for m in multiplicities):
        return max(rows, int(np.sum([int(m) for m in multiplicities])))
    return rows


def _few_digits(block: dict) -> bool:
    decimals = [value.split("(")[0].partition(".")[2] for key in _XYZ for value in _column(block, key)]
    return any(3 <= len(d) <= 4 for d in decimals)


def _missing_elements(block: dict, structure: Structure) -> str:
    """Elements of the printed formula that no site holds, as "H" or "H, O"; deuterium counts as hydrogen."""
    formula = " ".join(_column(block, "_chemical_formula_sum"))
    named = {"H" if s in ("D", "T") else s for s in re.findall(r"[A-Z][a-z]?", formula)}
    present = {"H" if e.symbol in ("D", "T") else e.symbol for e in structure.composition.elements}
    return ", ".join(sorted(named - present)) if named else ""
