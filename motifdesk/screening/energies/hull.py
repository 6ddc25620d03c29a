"""Energy above the hull of the competing phases, all energies by one calculator.

Competing phases of a chemical system are the crystals of the bundled corpora (`mp_20`, `mpts_52`: a part of the
Materials Project, development structures included) within it, and for every element its reference
crystal (`elements.element`), whatever other forms of it the corpora hold. They are treated exactly as the candidates
are: with the same calculator, relaxed where the candidates are relaxed (unless the plan says `hull_relax = false`: then
as tabulated, which puts them a few meV/atom too high for relaxed candidates). The corpora's own formation
energies are corrected DFT energies and are not mixed in. A hull over a part of the known phases lies too high: what is
stable here need not be against all that is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np

from motifdesk.structures import AtomArrays, corpus
from motifdesk.structures.arrays import element_symbols

from .elements import element

CORPORA = ("mp_20", "mpts_52")
_REFERENCE_ENERGY = 50.0  # eV/atom: a stand-in for an unknown element, above anything bound


@cache
def _by_elements() -> dict[frozenset[int], list[tuple[str, int]]]:
    found: dict[frozenset[int], list[tuple[str, int]]] = {}
    for name in CORPORA:
        c = corpus(name)
        for k in range(len(c)):
            found.setdefault(frozenset(np.unique(c.numbers(k)).tolist()), []).append((name, k))
    return found


def competing_phases(numbers: Iterable[int], max_atoms: int = 60) -> dict[str, AtomArrays]:
    """id -> crystal, every known phase of the chemical system of these atomic numbers."""
    system = frozenset(int(z) for z in numbers)
    out = {}
    table = _by_elements()
    if len(system) <= 10:  # by subsets of the system: there are fewer of them than of known chemical systems
        inside = (frozenset(s) for size in range(1, len(system) + 1) for s in combinations(sorted(system), size))
        found = [table[s] for s in inside if s in table]
    else:
        found = [members for elements, members in table.items() if elements <= system]
    for name, k in sorted((m for members in found for m in members), key=lambda m: (CORPORA.index(m[0]), m[1])):
        c = corpus(name)
        if c.natoms[k] <= max_atoms:
            out[f"{name}/{c.ids[k]}"] = c[k]
    for z in system:
        made = element(z)  # also where the corpora hold a crystal: often it is not the stable form
        if made is not None:
            out[f"element/{element_symbols()[z]}"] = made
    return out


def comparable(numbers: np.ndarray) -> bool:
    """Whether a composition (atomic numbers of a cell) decomposes into phases with known crystals, so that `Hull.above`
    has something to compare with."""
    z, n = np.unique(numbers, return_counts=True)
    if all(_lone(int(k)) for k in z):
        return True
    from scipy.optimize import nnls

    columns = {_shares(row, z) for members in _subsets(frozenset(z.tolist())) for row in members}
    columns |= {_shares(np.array([k]), z) for k in z.tolist() if _lone(k)}
    if not columns:
        return False
    return bool(nnls(np.array(sorted(columns)).T, n / n.sum())[1] < 1e-6)


def _lone(z: int) -> bool:
    return frozenset([z]) in _by_elements() or element(z) is not None


def _shares(numbers: np.ndarray, z: np.ndarray) -> tuple[float, ...]:
    return tuple(float((numbers == k).mean()) for k in z)


def _subsets(system: frozenset[int]) -> Iterator[list[np.ndarray]]:
    """Atomic numbers of the known crystals within a chemical system, by elements."""
    for size in range(1, len(system) + 1):
        for chosen in combinations(sorted(system), size):
            yield [corpus(name).numbers(k) for name, k in _by_elements().get(frozenset(chosen), [])]


class Hull:
    """The hull of one chemical system.

    Parameters
    ----------
    entries
        (atomic numbers of the cell, eV/atom) of every competing phase.
    """

    def __init__(self, numbers: Iterable[int], entries: Iterable[tuple[np.ndarray, float]]) -> None:
        from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
        from pymatgen.core import Composition, Element

        phases = []
        covered: set[int] = set()
        for z, per_atom in entries:
            phases.append(PDEntry(_composition(z), per_atom * len(z)))
            if len(set(z.tolist())) == 1:
                covered.add(int(z[0]))
        self.unknown = {int(z) for z in numbers} - covered
        for absent in self.unknown:
            phases.append(PDEntry(Composition({Element.from_Z(absent): 1}), _REFERENCE_ENERGY, name="unknown"))
        self._diagram = PhaseDiagram(phases)

    def above(self, numbers: np.ndarray, per_atom: float) -> tuple[float | None, str]:
        """(eV/atom above the hull of the *other* phases, what it competes with); below zero: more stable than they are.

        None where the competitors include an element of which no crystal is known here.
        """
        from pymatgen.analysis.phase_diagram import PDEntry

        entry = PDEntry(_composition(numbers), per_atom * len(numbers))
        found, above = self._diagram.get_decomp_and_e_above_hull(entry, allow_negative=True)
        parts: list[Any] = list(found or ())
        names = " + ".join(sorted(p.composition.reduced_formula for p in parts))
        missing = sorted(p.composition.reduced_formula for p in parts if p.name == "unknown")
        if missing or above is None:
            return None, f"no crystal of {', '.join(missing)} to compare with"
        return float(above), f"against {names}"


def _composition(numbers: np.ndarray) -> Any:
    from pymatgen.core import Composition, Element

    z, n = np.unique(numbers, return_counts=True)
    counts: Mapping[Any, int] = {Element.from_Z(int(a)): int(b) for a, b in zip(z, n, strict=True)}
    return Composition(counts)
