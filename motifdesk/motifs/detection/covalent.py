"""Molecules and molecular ions inside crystals: covalent bonds between non-metals, and the fragments they make.

CrystalNN is made for ionic and metallic coordination; with its usual settings it takes hydrogen bonds and contacts
between molecules for bonds. Molecules are found by the plain covalent rule instead: two non-metal atoms are bonded when
they are nearer than the sum of their covalent radii plus 0.4 Angstrom (the tolerance of the Cambridge Structural
Database). A hydrogen keeps its shortest bond and others within 15 % of it (F-H-F), and has another hydrogen only as H2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..hierarchy.cycles import cycle_basis
from ..hierarchy.graph import Image, Ligand
from ..hierarchy.lattices import components
from .crystalnn import default_radius
from .functional import Group, functional_groups

#: Elements whose bonds with each other are covalent. Si, Ge, As and Sb are left out: in crystals they are centres.
NON_METALS = frozenset("H B C N O F P S Cl Se Br I".split())
_SLACK = 0.4

#: Hill formula -> name, of finite fragments; where isomers are common the number of rings is asked for too.
_NAMES: dict[tuple[str, int], str] = {
    (formula, rings): name
    for formula, rings, name in (
        ("H2O", 0, "water"), ("HO", 0, "hydroxide"), ("H2", 0, "hydrogen"), ("N2", 0, "nitrogen"),
        ("O2", 0, "oxygen"), ("CO2", 0, "carbon dioxide"), ("CO", 0, "carbon monoxide"), ("CN", 0, "cyanide"),
        ("CHN", 0, "hydrogen cyanide"), ("CO3", 0, "carbonate"), ("CHO3", 0, "hydrogen carbonate"),
        ("NO3", 0, "nitrate"), ("NO2", 0, "nitrite"), ("O4S", 0, "sulfate"), ("HO4S", 0, "hydrogen sulfate"),
        ("O3S", 0, "sulfite"), ("O4P", 0, "phosphate"), ("HO4P", 0, "hydrogen phosphate"),
        ("H2O4P", 0, "dihydrogen phosphate"), ("ClO4", 0, "perchlorate"), ("ClO3", 0, "chlorate"),
        ("IO3", 0, "iodate"), ("O4Se", 0, "selenate"), ("O3Se", 0, "selenite"), ("BF4", 0, "tetrafluoroborate"),
        ("F6P", 0, "hexafluorophosphate"), ("BH4", 0, "borohydride"), ("BO3", 0, "borate"), ("H3N", 0, "ammonia"),
        ("H4N", 0, "ammonium"), ("H2N", 0, "amide"), ("HF", 0, "hydrogen fluoride"), ("ClH", 0, "hydrogen chloride"),
        ("H2S", 0, "hydrogen sulfide"), ("CH4", 0, "methane"), ("C2H6", 0, "ethane"), ("C2H4", 0, "ethylene"),
        ("C2H2", 0, "acetylene"), ("CH4O", 0, "methanol"), ("CH4N2O", 0, "urea"), ("CHO2", 0, "formate"),
        ("CH2O2", 0, "formic acid"), ("C2H3O2", 0, "acetate"), ("C2H4O2", 0, "acetic acid"), ("C2O4", 0, "oxalate"),
        ("C4O4", 1, "squarate"), ("CH6N", 0, "methylammonium"), ("CH5N2", 0, "formamidinium"),
        ("CNS", 0, "thiocyanate"), ("CNO", 0, "cyanate"), ("N3", 0, "azide"), ("S2", 0, "disulfide"),
        ("C6H6", 1, "benzene"), ("C10H8", 2, "naphthalene"), ("C6H12", 1, "cyclohexane"),
        ("C8H4O4", 1, "terephthalate"), ("C9H3O6", 1, "trimesate"), ("C3H3N2", 1, "imidazolate or pyrazolate"),
        ("C5H5N", 1, "pyridine"), ("C4H4N2", 1, "pyrazine or pyrimidine"),
        ("C10H8N2", 2, "4,4'-bipyridine or an isomer"),
        ("C60", 31, "buckminsterfullerene"), ("I2", 0, "iodine"), ("Cl2", 0, "chlorine"), ("Br2", 0, "bromine"),
        ("P4", 3, "white phosphorus"), ("S8", 1, "cyclooctasulfur"),
    )
}  # fmt: skip

#: The group that tells a molecule of the table from its isomers.
_NEEDS = {
    "formic acid": "carboxylic acid", "acetic acid": "carboxylic acid", "formate": "carboxylate",
    "acetate": "carboxylate", "urea": "urea group", "methanol": "alcohol", "benzene": "benzene ring",
    "terephthalate": "benzene ring", "trimesate": "benzene ring", "pyridine": "heteroaromatic ring",
    "pyrazine or pyrimidine": "heteroaromatic ring", "imidazolate or pyrazolate": "heteroaromatic ring",
}  # fmt: skip


@dataclass(frozen=True)
class Fragment:
    """A molecule, a molecular ion, a linker, or a covalent chain, sheet or framework of non-metals.

    atoms: its atoms, each with the lattice translation that puts it next to the others. formula: Hill order ("C2O4").
    name: "oxalate" where the formula is a well-known one, else the formula. bonds: pairs of positions in ``atoms`` with
    the translation of the second (zero in finite fragments). groups: heavy atoms with their hydrogens (CH3, NH2, OH),
    functional groups, ring systems and chains. rings: minimum cycle basis, as positions in ``atoms``. dimensionality: 0
    for a finite one.
    """

    atoms: tuple[Ligand, ...]
    formula: str
    name: str
    bonds: tuple[tuple[int, int, Image], ...]
    groups: tuple[Group, ...]
    rings: tuple[tuple[int, ...], ...]
    dimensionality: int

    @property
    def sites(self) -> tuple[int, ...]:
        return tuple(atom.site for atom in self.atoms)

    def __repr__(self) -> str:
        return f"Fragment({self.name}: {len(self.atoms)} atoms, {len(self.rings)} rings)"


def hill(symbols: Sequence[str]) -> str:
    """Hill's order: carbon, hydrogen, then by alphabet; all by alphabet without carbon."""
    counts = Counter(symbols)
    first = [s for s in ("C", "H") if s in counts] if "C" in counts else []
    order = first + sorted(s for s in counts if s not in first)
    return "".join(f"{s}{counts[s] if counts[s] > 1 else ''}" for s in order)


def covalent_sets(structure: Any, symbols: Sequence[str]) -> tuple[tuple[Ligand, ...], ...]:
    """For each site of a crystal the atoms it is covalently bonded with, nearest first; empty for metals."""
    near: list[list[tuple[float, Ligand]]] = [[] for _ in symbols]
    radius = np.array([default_radius(s) if s in NON_METALS else -9.0 for s in symbols])
    if radius.max(initial=-9.0) > 0:
        a, b, images, distance = structure.get_neighbor_list(2 * radius.max() + _SLACK)
        bonded = distance < radius[a] + radius[b] + _SLACK
        for m, n, image, d in zip(a[bonded], b[bonded], images[bonded], distance[bonded], strict=True):
            near[m].append((float(d), Ligand(int(n), (int(image[0]), int(image[1]), int(image[2])))))
    for m, symbol in enumerate(symbols):
        if symbol == "H" and near[m]:
            heavy = [x for x in near[m] if symbols[x[1].site] != "H"] or near[m]
            shortest = min(d for d, _ in heavy)
            near[m] = [x for x in heavy if x[0] <= 1.15 * shortest]
    kept = [{x for _, x in around} for around in near]
    out = []
    for m, around in enumerate(near):  # what hydrogen gave up, its partner gives up
        mutual = [x for x in sorted(around) if Ligand(m, _back(x[1].image)) in kept[x[1].site]]
        out.append(tuple(x for _, x in mutual))
    return tuple(out)


def _back(image: Image) -> Image:
    return (-image[0], -image[1], -image[2])


def fragments_of(
    symbols: Sequence[str], sets: Sequence[Sequence[Ligand]], positions: np.ndarray, cell: np.ndarray | None
) -> tuple[Fragment, ...]:
    """Fragments of two or more atoms, in the order of their first atoms."""
    edges = [(m, x.site, x.image) for m, around in enumerate(sets) for x in around if m <= x.site]
    out = []
    for group, lattice in components([m for m, around in enumerate(sets) if around], edges):
        place = _placed(group[0], sets)
        atoms = tuple(Ligand(m, place[m]) for m in group)
        index = {m: k for k, m in enumerate(group)}
        bonds = set()
        for m in group:
            for x in sets[m]:
                image = tuple(i + p - q for i, p, q in zip(x.image, place[m], place[x.site], strict=True))
                a, b = index[m], index[x.site]
                bonds.add(min((a, b, image), (b, a, _back(image))))  # type: ignore[arg-type]
        flat = [(a, b) for a, b, image in bonds if not any(image) and a != b]
        rings = cycle_basis(flat) if len(flat) >= 3 else ()
        names = [symbols[m] for m in group]
        where = positions[group]
        if cell is not None:
            where = where + np.array([place[m] for m in group], dtype=float) @ cell
        formula = hill(names)
        rank = lattice.rank
        words = ("", "chain of ", "sheet of ", "framework of ")
        groups = functional_groups(names, flat, where, rings) if not rank else ()
        known = _NAMES.get((formula, len(rings))) if not rank else None
        if known in _NEEDS and all(g.name != _NEEDS[known] for g in groups):
            known = None  # an isomer
        name = known or words[rank] + (formula if not rank else hill(_reduced(names)))
        out.append(Fragment(atoms, formula, name, tuple(sorted(bonds)), groups, rings, rank))  # type: ignore[arg-type]
    return tuple(out)


def _placed(start: int, sets: Sequence[Sequence[Ligand]]) -> dict[int, Image]:
    place: dict[int, Image] = {start: (0, 0, 0)}
    queue = [start]
    for m in queue:
        x, y, z = place[m]
        for site, (i, j, k) in sets[m]:
            if site not in place:
                place[site] = (x + i, y + j, z + k)
                queue.append(site)
    return place


def _reduced(names: Sequence[str]) -> list[str]:
    counts = Counter(names)
    divisor = int(np.gcd.reduce(list(counts.values())))
    return [s for s, n in counts.items() for _ in range(n // divisor)]
