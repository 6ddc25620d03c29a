"""Colours and sizes of species: ase's Jmol table, softened where the pure colours would fight on a screen."""

from __future__ import annotations

from functools import cache

# Hydrogen is not white (invisible on a light page), and the commonest anions and alkalis are calmer than pure red and
# violet.
_SOFTER = {
    "H": "#D9DDE3", "Li": "#B9A3E3", "C": "#5B6470", "N": "#4C7BD9", "O": "#E0564F", "F": "#7CC576", "Na": "#E3B54A",
    "Si": "#D8A878", "P": "#E88A3C", "S": "#E6C53D", "Cl": "#5DBB63", "K": "#9B6FC4", "Ca": "#7FB77E", "Ti": "#7E95B8",
    "Ir": "#2F6FA8", "Mg": "#7CC9A0", "Al": "#B58E9F", "Ba": "#59A96A", "Sr": "#63BF8A", "Be": "#B9C46C",
}  # fmt: skip


@cache
def colour(number: int) -> str:
    """CSS hex colour of atomic number `number`."""
    from ase.data import chemical_symbols
    from ase.data.colors import jmol_colors

    softer = _SOFTER.get(chemical_symbols[number])
    if softer:
        return softer
    red, green, blue = (round(255 * float(c)) for c in jmol_colors[min(number, len(jmol_colors) - 1)])
    return f"#{red:02X}{green:02X}{blue:02X}"


@cache
def radius(number: int, *, ligand: bool = False) -> float:
    """Radius in Angstrom an atom is drawn with: a fraction of its covalent radius, smaller for the ligands of
    polyhedra.
    """
    from ase.data import covalent_radii

    return round(float(covalent_radii[number]) * (0.30 if ligand else 0.36) + (0.04 if ligand else 0.02), 3)


@cache
def symbol(number: int) -> str:
    """Element symbol of atomic number `number`."""
    from ase.data import chemical_symbols

    return chemical_symbols[number]
