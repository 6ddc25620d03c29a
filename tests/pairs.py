"""A crystal written two ways, and what belongs to what in both: for tests of properties that must not depend on it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, settings
from pymatgen.core import Structure

from motifdesk.motifs import Mode, Motif, find_motifs
from tests.strategies import Change


def checked(examples: int):
    """The same examples on every machine, however slow it is."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )


class Pair:
    """A crystal, the same crystal changed, the motifs of both and which belongs to which."""

    def __init__(self, structure: Structure, change: Change) -> None:
        self.change, self.old = change, structure
        self.new, self.source = change(structure)
        self.before, self.after = find_motifs(structure), find_motifs(self.new)

    def motifs(self) -> list[tuple[Motif, Motif, list[int]]]:
        """(old motif, new motif, for each ligand of the new one the old ligand it is) for every new motif."""
        out = []
        for motif in self.after.motifs:
            old = self.before.motif_at(int(self.source[motif.centre]))
            assert old is not None, f"{motif.name} is no centre in the crystal as it was"
            out.append((old, motif, self._ligands(old, motif)))
        return out

    def _ligands(self, old: Motif, new: Motif) -> list[int]:
        was, now = bonds(self.old, old), bonds(self.new, new) @ self.change.turn
        assert len(was) == len(now), f"{old.name} has {len(was)} ligands, changed it has {len(now)}"
        sites = [int(self.source[x.site]) for x in new.ligands]
        out = []
        for site, vector in zip(sites, now, strict=True):
            same = [
                k
                for k, x in enumerate(old.ligands)
                if x.site == site and np.linalg.norm(was[k] - vector) < 1e-4 and k not in out
            ]
            assert same, f"{old.name}: the ligand at {vector.round(3)} was none before"
            out.append(same[0])
        return out


def bonds(structure: Structure, motif: Motif) -> np.ndarray:
    positions = motif.positions(structure)
    return positions[1:] - positions[0]


def same(a: float | None, b: float | None, tolerance: float = 1e-5) -> bool:
    return a is b if a is None or b is None else abs(a - b) <= tolerance * max(1.0, abs(a))


def unmistakable(motif: Motif) -> bool:
    """Whether there is one best way to lay the ideal figure on a motif: what lies between two figures, or far from
    all, has several that are as good, and which is taken is convention."""
    return motif.csm is not None and motif.csm < 3.0 and not motif.symbol.startswith("?")


def carried(mode: Mode, change: Change, to: dict[int, tuple[int, list[int]]]) -> Mode:
    """A mode of the crystal as it was, on the changed one: motif -> (motif, old ligand of each new ligand)."""
    targets = tuple(
        (to[index][0], np.ascontiguousarray(vectors[to[index][1]] @ change.turn.T)) for index, vectors in mode.targets
    )
    return replace(mode, motif=targets[0][0], vectors=targets[0][1], targets=targets)
