"""Functional groups of molecules: heavy atoms with their hydrogens, and the groups an organic chemist names.

Bond orders are not read from files; they follow from the number of neighbours and the lengths: a carbon with three
neighbours in a plane is sp2, an oxygen with one neighbour nearer than 1.30 Angstrom to carbon is a carbonyl's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np


class Group(NamedTuple):
    """kind: "hydride" (a heavy atom with its hydrogens), "functional", "backbone". name: "CH3", "carboxylic acid",
    "ring system of 2 rings". atoms: positions in the molecule or fragment, ascending."""

    kind: str
    name: str
    atoms: tuple[int, ...]


def functional_groups(
    symbols: Sequence[str],
    bonds: Sequence[tuple[int, int]],
    positions: np.ndarray,
    rings: Sequence[Sequence[int]] = (),
) -> tuple[Group, ...]:
    """Groups of a finite molecule.

    symbols: one per atom. bonds: pairs of atoms. positions: float [N, 3], Angstrom. rings: a cycle basis.
    """
    if not len(symbols):
        return ()
    molecule = _Molecule(symbols, bonds, np.asarray(positions, dtype=float), rings)
    out = list(molecule.hydrides())
    out += molecule.functional()
    out += molecule.backbone()
    return tuple(out)


class _Molecule:
    def __init__(
        self, symbols: Sequence[str], bonds: Sequence[tuple[int, int]], x: np.ndarray, rings: Sequence[Sequence[int]]
    ):
        self.symbols, self.x, self.rings = list(symbols), x, [tuple(r) for r in rings]
        self.near: list[list[int]] = [[] for _ in symbols]
        for a, b in bonds:
            self.near[a].append(b)
            self.near[b].append(a)
        self.heavy = [[n for n in near if symbols[n] != "H"] for near in self.near]
        self.h = [len(near) - len(heavy) for near, heavy in zip(self.near, self.heavy, strict=True)]
        self.ring_atoms = {a for ring in self.rings for a in ring}

    def length(self, a: int, b: int) -> float:
        return float(np.linalg.norm(self.x[a] - self.x[b]))

    def hydrides(self) -> list[Group]:
        out = []
        for a, symbol in enumerate(self.symbols):
            if symbol != "H" and self.h[a]:
                name = f"{symbol}H{self.h[a] if self.h[a] > 1 else ''}"
                atoms = tuple(sorted([a, *(n for n in self.near[a] if self.symbols[n] == "H")]))
                out.append(Group("hydride", name, atoms))
        return out

    def is_carbonyl(self, c: int, o: int) -> bool:
        return self.symbols[o] == "O" and len(self.near[o]) == 1 and self.length(c, o) < 1.30

    def functional(self) -> list[Group]:
        out: list[Group] = []
        taken: set[int] = set()

        def add(name: str, *atoms: int) -> None:
            hydrogens = [n for a in atoms for n in self.near[a] if self.symbols[n] == "H" and self.symbols[a] in "ONS"]
            out.append(Group("functional", name, tuple(sorted({*atoms, *hydrogens}))))
            taken.update(a for a in atoms if self.symbols[a] not in ("C", "H"))

        for c in self._atoms("C"):
            self._carbonyl(c, add)
        for n in self._atoms("N"):
            oxygens = [o for o in self.heavy[n] if self.symbols[o] == "O" and len(self.near[o]) == 1]
            if len(oxygens) == 2 and len(self.near[n]) == 3:
                add("nitro group", n, *oxygens)
            elif len(self.near[n]) == 1 and self.heavy[n] and self.length(n, self.heavy[n][0]) < 1.22:
                if self.symbols[self.heavy[n][0]] == "C":
                    add("nitrile", self.heavy[n][0], n)
        for ring in self.rings:
            self._aromatic(ring, out)
        for a in range(len(self.symbols)):
            if a not in taken:
                self._single(a, add)
        for a in self._atoms("C"):
            for b in self.heavy[a]:
                if b > a and self.symbols[b] == "C" and not {a, b} <= self.ring_atoms:
                    if self.length(a, b) < 1.25:
                        add("alkyne", a, b)
                    elif self.length(a, b) < 1.39 and len(self.near[a]) == len(self.near[b]) == 3:
                        add("alkene", a, b)
        return out

    def _atoms(self, symbol: str) -> list[int]:
        return [a for a, s in enumerate(self.symbols) if s == symbol]

    def _carbonyl(self, c: int, add: Callable[..., None]) -> None:
        doubles = [o for o in self.heavy[c] if self.is_carbonyl(c, o)]
        if not doubles or len(self.near[c]) > 3:
            return
        if sum(self.symbols[o] == "O" and len(self.near[o]) == 1 for o in self.heavy[c]) > 2:
            return  # a carbonate ion
        oxygens = [o for o in self.heavy[c] if self.symbols[o] == "O" and o not in doubles]
        nitrogens = [n for n in self.heavy[c] if self.symbols[n] == "N"]
        if len(self.near[c]) == 2 and len(doubles) == 2:
            return  # carbon dioxide: the molecule itself
        if len(doubles) == 2:
            add("carboxylate", c, *doubles)
        elif oxygens:
            o = oxygens[0]
            acid = self.h[o] and len(oxygens) == 1
            ester = len(self.heavy[o]) == 2
            plain = "carboxylate" if not ester and not acid else "carboxylic acid" if acid else "ester"
            add("carbamate" if nitrogens else "carbonate" if len(oxygens) > 1 else plain, c, doubles[0], *oxygens)
        elif nitrogens:
            add("urea group" if len(nitrogens) > 1 else "amide", c, doubles[0], *nitrogens)
        elif self.h[c]:
            add("aldehyde", c, doubles[0])
        elif len(self.near[c]) == 3:
            add("ketone", c, doubles[0])

    def _aromatic(self, ring: tuple[int, ...], out: list[Group]) -> None:
        """Five- and six-rings of C, N, O and S, flat to 0.1 Angstrom, no member with more than three neighbours, and no
        bond as long as a single one."""
        if len(ring) not in (5, 6) or any(self.symbols[a] not in ("C", "N", "O", "S") for a in ring):
            return
        if any(len(self.near[a]) > 3 for a in ring) or all(set(self.near[a]) <= self.ring_atoms for a in ring):
            return  # saturated; or inside a fullerene or a sheet
        x = self.x[list(ring)] - self.x[list(ring)].mean(axis=0)
        if np.linalg.svd(x, compute_uv=False)[2] > 0.1 * np.sqrt(len(ring)):
            return
        for a in ring:
            for b in self.near[a]:
                if b in ring and self.length(a, b) > (1.78 if "S" in (self.symbols[a], self.symbols[b]) else 1.46):
                    return
        if len(ring) == 5 and all(self.symbols[a] == "C" for a in ring):
            return
        pure = all(self.symbols[a] == "C" for a in ring)
        out.append(Group("functional", "benzene ring" if pure else "heteroaromatic ring", tuple(sorted(ring))))

    def _single(self, a: int, add: Callable[..., None]) -> None:
        symbol, heavy = self.symbols[a], self.heavy[a]
        carbons = [n for n in heavy if self.symbols[n] == "C"]
        aromatic = bool(carbons) and self._flat(carbons[0])
        if symbol == "O" and self.h[a] == 1 and len(carbons) == 1:
            add("phenol" if aromatic else "alcohol", a)
        elif symbol == "O" and len(carbons) == 2 and a not in self.ring_atoms:
            add("ether", a)
        elif symbol == "O" and len(carbons) == 2:
            if any(len(self.near[c]) > 3 for c in carbons):
                add("cyclic ether", a)
        elif symbol == "N" and carbons and len(heavy) == len(carbons) and len(self.near[a]) == 3:
            if a not in self.ring_atoms or any(len(self.near[c]) > 3 for c in carbons):
                add("amine", a)
        elif symbol == "N" and len(self.near[a]) == 4:
            add("ammonium group", a)
        elif symbol == "S" and self.h[a] == 1 and carbons:
            add("thiol", a)
        elif symbol in ("F", "Cl", "Br", "I") and len(heavy) == 1 and carbons:
            add(f"{symbol}-C halide", a)

    def _flat(self, c: int) -> bool:
        return c in self.ring_atoms and len(self.near[c]) == 3

    def backbone(self) -> list[Group]:
        """Connected ring systems, then the chains of heavy atoms between and beside them."""
        out: list[Group] = []
        bonds = {(a, b) for ring in self.rings for a in ring for b in self.near[a] if b in ring and a < b}
        systems = _joined(self.ring_atoms, bonds)
        for system in systems:
            rings = sum(set(r) <= set(system) for r in self.rings)
            out.append(Group("backbone", "ring" if rings == 1 else f"ring system of {rings} rings", tuple(system)))
        rest = {a for a, s in enumerate(self.symbols) if s != "H"} - self.ring_atoms
        chains = _joined(rest, {(a, b) for a in rest for b in self.heavy[a] if b in rest and a < b})
        for chain in chains:
            carbons = [a for a in chain if self.symbols[a] == "C"]
            if len(chain) > 1 and (len(carbons) > 1 or any(self.h[a] for a in carbons)):
                branched = any(sum(b in set(chain) for b in self.heavy[a]) > 2 for a in chain)
                word = "branched chain" if branched else "chain"
                out.append(Group("backbone", f"{word} of {len(chain)} heavy atoms", tuple(chain)))
        return out


def _joined(atoms: set[int], bonds: set[tuple[int, int]]) -> list[list[int]]:
    near: dict[int, list[int]] = {a: [] for a in atoms}
    for a, b in bonds:
        near[a].append(b)
        near[b].append(a)
    seen: set[int] = set()
    out = []
    for start in sorted(atoms):
        if start in seen:
            continue
        seen.add(start)
        group = [start]
        for a in group:
            for b in near[a]:
                if b not in seen:
                    seen.add(b)
                    group.append(b)
        out.append(sorted(group))
    return out
