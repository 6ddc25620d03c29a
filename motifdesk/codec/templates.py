"""The bundled structures as templates: who shares an anonymous formula, what does the geometry look like.

Everything is lazy and cached in memory: the tables of formulas (half a second), and the species-blind code of those
entries that a decode asks for. The blind code does not depend on the species, so it stays valid under substitution.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache

import numpy as np
import torch

from motifdesk.codec.codes import BLIND_WIDTH
from motifdesk.codec.jacobian import EncoderArrays, GeometryMap
from motifdesk.codec.lattice import log_metric
from motifdesk.structures.arrays import AtomArrays
from motifdesk.structures.corpora import corpora, corpus


class TemplateIndex:
    """All bundled structures by kind (crystal or molecule) and anonymous formula.

    Attributes:
        ids: "corpus/id" of each entry; natoms: int [M]; shapes: float [M, 6], shape numbers of the cells (crystals).
    """

    def __init__(self) -> None:
        self._places: list[tuple[str, int]] = []
        self._groups: dict[tuple[bool, tuple[int, ...]], list[int]] = defaultdict(list)
        ids: list[str] = []
        natoms: list[int] = []
        shapes: list[np.ndarray | None] = []
        for name in corpora():
            table = corpus(name)
            for k in range(len(table)):
                numbers = table.numbers(k)
                counts = np.bincount(numbers)
                key = (table.is_crystal, tuple(sorted(counts[counts > 0].tolist())))
                self._groups[key].append(len(self._places))
                self._places.append((name, k))
                ids.append(f"{name}/{table.ids[k]}")
                natoms.append(len(numbers))
                shapes.append(None)
        self.ids = ids
        self.natoms = np.array(natoms)
        self._shapes = shapes
        self._blind: dict[str, dict[int, np.ndarray]] = defaultdict(dict)

    def __len__(self) -> int:
        return len(self._places)

    def entry(self, k: int) -> AtomArrays:
        """Entry ``k`` as arrays."""
        name, row = self._places[k]
        return corpus(name)[row]

    def shape(self, k: int) -> np.ndarray:
        """The six shape numbers of the cell of entry ``k``."""
        value = self._shapes[k]
        if value is None:
            cell = self.entry(k).cell
            value = self._shapes[k] = np.zeros(6) if cell is None else log_metric(cell)
        return value

    def group(self, crystal: bool, counts: Iterable[int], exclude: frozenset[str] = frozenset()) -> np.ndarray:
        """Entries with these numbers of atoms per species (any order), less the excluded ids ("id", "corpus/id")."""
        members = self._groups.get((crystal, tuple(sorted(int(c) for c in counts))), [])
        if exclude:
            members = [k for k in members if self.ids[k] not in exclude and self.ids[k].split("/", 1)[1] not in exclude]
        return np.array(members, dtype=np.int64)

    def blind(self, entries: np.ndarray, arrays: EncoderArrays, version: str) -> np.ndarray:
        """Species-blind geometry codes [m, 128] of entries that have the same number of atoms and kind."""
        known = self._blind[version]
        missing = [int(k) for k in entries if int(k) not in known]
        if missing:
            first = self.entry(missing[0])
            geometry = GeometryMap(arrays, np.ones(len(first), dtype=np.int64), dtype=torch.float32)
            for start in range(0, len(missing), 64):
                block = [self.entry(k) for k in missing[start : start + 64]]
                positions = torch.from_numpy(np.stack([e.positions for e in block])).float()
                cells = None
                if first.cell is not None:
                    cells = torch.from_numpy(np.stack([np.asarray(e.cell) for e in block])).float()
                codes, _ = geometry(positions, cells, blind_only=True)
                for k, code in zip(missing[start : start + 64], codes.numpy(), strict=True):
                    known[k] = code
        return np.stack([known[int(k)] for k in entries]) if len(entries) else np.zeros((0, BLIND_WIDTH), np.float32)


@lru_cache(maxsize=1)
def template_index() -> TemplateIndex:
    """The index over the bundled corpora (built at first use)."""
    return TemplateIndex()
