"""Structures that several motif tests are checked on, from published parameters."""

from pymatgen.core import Lattice, Structure


def spinel() -> Structure:
    """MgAl2O4, Fd-3m in origin choice 1 (what pymatgen's symbol means): u = 0.2624 + 1/8."""
    return Structure.from_spacegroup(
        "Fd-3m", Lattice.cubic(8.0806), ["Mg", "Al", "O"], [[0, 0, 0], [5 / 8] * 3, [0.2624 + 1 / 8] * 3]
    ).get_primitive_structure()


def corundum() -> Structure:
    return Structure.from_spacegroup(
        "R-3c", Lattice.hexagonal(4.7570, 12.9877), ["Al", "O"], [[0, 0, 0.35220], [0.30630, 0, 0.25]]
    )
