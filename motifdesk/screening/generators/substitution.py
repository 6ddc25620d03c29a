"""Substitutions: known structures with elements exchanged by similarity mined from the corpora."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from motifdesk.codec.radii import COVALENT_RADII
from motifdesk.structures import AtomArrays, corpus, development_split, to_arrays
from motifdesk.structures.arrays import element_symbols
from motifdesk.structures.errors import MotifDeskError

from ..errors import ScreeningError
from ..options import Option
from ..similarity import N, counts, partners
from .base import Generator

_TRIES = 200


class SubstitutionGenerator(Generator):
    """Structures of a corpus, or of a given list, with one or more elements replaced by what stands in for them.

    The cell is scaled by the mean change of the bond lengths, as sums of covalent radii. Held-out (development)
    structures are not used.
    """

    OPTIONS: ClassVar = {
        "corpora": Option(["mp_20"], "bundled corpora to start from"),
        "structures": Option([], "files to start from instead"),
        "replace": Option(1, "how many elements are exchanged", 1, 4),
        "chemical_system": Option([], "elements of the result; default: any"),
        "subsystems": Option(False, "results may lack elements of the chemical system"),
        "max_atoms": Option(20, "atoms in the cell at most", 1, 200),
    }

    def prepare(self) -> None:
        where = f"generator {self.name}"
        symbols = {s: z for z, s in enumerate(element_symbols())}
        unknown = [s for s in self.options["chemical_system"] if not isinstance(s, str) or symbols.get(s, N) >= N]
        if unknown:
            raise ScreeningError(f"no elements: {unknown}", where=where, remedy='symbols such as ["Na", "Ir", "O"]')
        self._allowed = {symbols[s] for s in self.options["chemical_system"]} or None
        self._pool: list[tuple[str, Any]] = []
        if self.options["structures"]:
            from motifdesk.structures import read

            self._pool = [(str(f), to_arrays(read(f))) for f in self.options["structures"]]
            molecules = [f for f, a in self._pool if not a.is_crystal]
            if molecules:
                raise ScreeningError("it holds a molecule", where=f"{where}: {molecules[0]}", remedy="name crystals")
            return
        for name in self.options["corpora"]:
            try:
                c = corpus(name)
            except MotifDeskError as error:
                raise self.refused(error) from error
            if not c.is_crystal:
                raise ScreeningError(f"{name} holds molecules", where=where, remedy="name a corpus of crystals")
            held = development_split(c.ids)
            for k in np.flatnonzero(~held & (c.natoms <= self.options["max_atoms"])):
                if self._allowed is None or self._reachable(c.numbers(int(k))):
                    self._pool.append((name, int(k)))
        if not self._pool:
            raise ScreeningError("no structure can become one of these", where=where, remedy="allow more elements")

    def _reachable(self, numbers: np.ndarray) -> bool:
        """Whether few enough elements are foreign, each with an allowed stand-in that the result would then contain."""
        present = set(np.unique(numbers).tolist())
        assert self._allowed is not None
        if not self.options["subsystems"] and (len(present) != len(self._allowed) or present == self._allowed):
            return False
        foreign = present - self._allowed
        table = counts()
        free = self._allowed - present
        return len(foreign) <= self.options["replace"] and all(any(table[z, f] for f in free) for z in foreign)

    def propose(self, index: int) -> tuple[Any, dict[str, Any]]:
        rng = self.rng(index)
        for _ in range(_TRIES):
            source, item = self._pool[int(rng.integers(len(self._pool)))]
            if isinstance(item, AtomArrays):
                start, name = item, source
            else:
                c = corpus(source)
                start, name = c[item], f"{source}/{c.ids[item]}"
            swaps = self._swaps(rng, np.unique(start.numbers))
            if swaps:
                break
        else:
            raise ScreeningError("no substitution found", where=self.name, remedy="allow more elements")
        changed = start.numbers.copy()
        for a, b in swaps.items():
            changed[start.numbers == a] = b
        symbols = element_symbols()
        recipe = {
            "kind": "substitution",
            "parent": name,
            "replaced": {symbols[a]: symbols[b] for a, b in swaps.items()},
        }
        return resized(start, changed), recipe

    def _swaps(self, rng: np.random.Generator, present: np.ndarray) -> dict[int, int]:
        here = set(present.tolist())
        foreign = [] if self._allowed is None else [z for z in present.tolist() if z not in self._allowed]
        chosen = foreign or [int(z) for z in rng.permutation(present)[: self.options["replace"]]]
        swaps: dict[int, int] = {}
        for a in chosen:
            if a >= N:
                return {}
            b, p = partners(a)
            taken = here | set(swaps.values())
            ok = np.array([z not in taken and (self._allowed is None or z in self._allowed) for z in b.tolist()], bool)
            if not ok.any():
                return {}
            swaps[a] = int(rng.choice(b[ok], p=p[ok] / p[ok].sum()))
        return swaps


def resized(start: AtomArrays, numbers: np.ndarray) -> AtomArrays:
    """`start` with other species, its cell scaled by the mean ratio of the sums of covalent radii of neighbours."""
    from motifdesk.motifs.detection.neighbours import NeighbourList

    assert start.cell is not None
    near = NeighbourList(start.cell, start.fractional).near(np.arange(len(start)), 6.0, 6)
    a, b = near.chosen[near.owner], near.sites
    r = COVALENT_RADII
    if not len(a):
        factor = 1.0
    else:
        factor = float(np.mean((r[numbers[a]] + r[numbers[b]]) / (r[start.numbers[a]] + r[start.numbers[b]])))
    return AtomArrays(numbers, start.positions * factor, start.cell * factor)
