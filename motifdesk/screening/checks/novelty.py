"""Whether a crystal is known: StructureMatcher, with prefilters that keep it from being asked in vain.

Two crystals are the same when pymatgen's `StructureMatcher` says so with its default tolerances (ltol 0.2, stol 0.3,
angle_tol 5), the field's convention for "unique" and "novel". Asked are only pairs of one reduced formula whose average
minimum distances (AMD: D. Widdowson et al., MATCH 87, 529 (2022)) differ by less than `AMD_LIMIT`, distances in units
of the cube root of the volume per atom. AMD does not depend on the cell chosen and moves by at most twice what the
atoms move.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.motifs.detection.neighbours import NeighbourList
from motifdesk.structures import AtomArrays, Corpus, corpora, corpus, from_arrays, read, to_arrays
from motifdesk.structures.errors import MotifDeskError

from ..candidate import Verdict
from ..errors import ScreeningError
from ..options import Option

if TYPE_CHECKING:
    from .judging import Look

AMD_K = 12
_REMEMBERED = 1000  # known structures kept ready, those asked for last: a campaign of any length needs no more memory
AMD_LIMIT = 0.30  # of the cube root of the volume per atom, root mean square over the first AMD_K neighbours

NOVELTY = {
    "corpora": Option([c for c in corpora() if c not in ("qm9", "carbon_24")], "bundled corpora of known crystals"),
    "own": Option([], "own known structures: .npz corpora, structure files, or folders of them"),
    "required": Option(False, "reject what is known"),
}


def amd(arrays: AtomArrays, k: int = AMD_K) -> np.ndarray:
    """float64 [k]: average distance to the first, second, ... neighbour, over (V/N)^(1/3)."""
    n = len(arrays)
    unit = (arrays.volume / n) ** (1 / 3)
    listed = NeighbourList(arrays.cell, arrays.fractional)  # type: ignore[arg-type]
    radius = 2.0 * unit
    while True:
        near = listed.near(np.arange(n), radius, k)
        if (np.diff(near.start) >= k).all():
            return np.sqrt(near.squared).reshape(n, k).mean(axis=0) / unit
        radius *= 1.4


def matcher(stol: float = 0.3) -> Any:
    """pymatgen's StructureMatcher with its default tolerances, or another one for the sites."""
    from pymatgen.analysis.structure_matcher import StructureMatcher

    return StructureMatcher(stol=stol)


def near_enough(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two AMDs may belong to one crystal."""
    return bool(np.sqrt(np.square(a - b).mean()) < AMD_LIMIT)


class Known:
    """Known crystals by reduced formula; structures and AMDs are made when asked for, and the latest kept."""

    def __init__(self, sources: Iterable[Corpus], own: Iterable[tuple[str, AtomArrays]] = ()) -> None:
        self._matcher = matcher()
        self._by_formula: dict[str, list[tuple[str, Any, int]]] = {}
        self._made: OrderedDict[tuple[int, int], tuple[Any, np.ndarray]] = OrderedDict()
        for c in sources:
            for k in range(len(c)):
                self._by_formula.setdefault(_key(c.numbers(k)), []).append((f"{c.name}/{c.ids[k]}", c, k))
        self._own = list(own)
        for k, (name, arrays) in enumerate(self._own):
            self._by_formula.setdefault(_key(arrays.numbers), []).append((name, None, k))

    def __len__(self) -> int:
        return sum(len(v) for v in self._by_formula.values())

    def find(self, arrays: AtomArrays) -> str | None:
        """Id of a known crystal that is the same, None if there is none."""
        fellows = self._by_formula.get(_key(arrays.numbers), ())
        if not fellows:
            return None
        mine, structure = amd(arrays), from_arrays(arrays)
        for name, source, k in fellows:
            other, distances = self._get(source, k)
            if near_enough(mine, distances) and self._matcher.fit(structure, other):
                return name
        return None

    def _get(self, source: Any, k: int) -> tuple[Any, np.ndarray]:
        key = (id(source), k)
        if key not in self._made:
            arrays = self._own[k][1] if source is None else source[k]
            self._made[key] = (from_arrays(arrays), amd(arrays))
            if len(self._made) > _REMEMBERED:
                self._made.popitem(last=False)
        self._made.move_to_end(key)
        return self._made[key]


def _key(numbers: np.ndarray) -> str:
    z, n = np.unique(numbers, return_counts=True)
    d = int(np.gcd.reduce(n))
    return " ".join(f"{a}:{b // d}" for a, b in zip(z.tolist(), n.tolist(), strict=True))


@cache
def known_crystals(names: tuple[str, ...], own: tuple[str, ...] = ()) -> Known:
    """Bundled corpora and own files together, read once per process."""
    sources, extra = [], []
    for name in names:
        c = corpus(name)
        if not c.is_crystal:
            raise ScreeningError(f"{name} holds molecules", where="[checks.novelty] corpora", remedy="name crystals")
        sources.append(c)
    for given in own:
        path = Path(os.path.expanduser(given))
        if path.suffix == ".npz":
            sources.append(Corpus.load(path))
            continue
        files = sorted(p for p in path.iterdir() if p.is_file()) if path.is_dir() else [path]
        for file in files:
            try:
                arrays = to_arrays(read(file))
            except MotifDeskError as error:
                raise ScreeningError(error.what, where=f"own known structure {file}", remedy=error.remedy) from error
            if arrays.is_crystal:
                extra.append((str(file), arrays))
    return Known(sources, extra)


def novelty(look: Look, options: Mapping[str, Any]) -> Verdict:
    """Whether it is among the known crystals; figures `novel` and `known_as`. Rejects only where it is required."""
    known = known_crystals(tuple(options["corpora"]), tuple(str(p) for p in options["own"]))
    found = known.find(look.arrays)
    look.figures["novel"] = found is None
    if found is None:
        return Verdict("novelty", True)
    look.figures["known_as"] = found
    return Verdict("novelty", not options["required"], f"known as {found}")
