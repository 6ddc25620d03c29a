"""What a distortion does with the symmetry of its structure: keep it exactly, or break it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np

from motifdesk.structures.arrays import AtomArrays
from motifdesk.structures.errors import MotifError, StructureError
from motifdesk.structures.symmetry import symmetry_operations

from ..hierarchy.graph import MotifGraph
from ..symmetry.modes import Mode
from .invariant import invariant_solver
from .network import Network
from .requests import Request
from .subgroups import (
    Action,
    Operations,
    asked_fields,
    checked,
    field_of,
    left_of,
    lost_share,
    on_sites,
    operations_of,
    symmetrised,
)

#: Without a wish, symmetry is used where structure and request have it to rounding: it saves unknowns, and keeps
#: rounding from growing along the directions in which a contradicted network would buckle.
_ROUNDING, _SAME_FIELD = 1e-6, 1e-7
_WORTH = 150_000  # operations times sites up to which looking for it is worth its time
_FEW = 4  # motifs up to which the operations that keep their centres are picked out of too many
_REMEMBERED = 64  # requests whose operations are remembered; while one slider moves they stay the same


@dataclass(frozen=True, eq=False)
class Kept:
    """The symmetry one request is solved in.

    action: None for no symmetry. targets: what is left of each mode (all, when it is not named). lost: share of the
    request that is not. name: to remember the solver by.
    """

    action: Action | None
    targets: Mapping[str, Any]
    lost: float
    name: Any

    def solver(self, net: Network, request: Request, full: Any) -> Any:
        """What makes the steps of a request."""
        if self.action is None or len(self.action) < 2:
            return full(net, request.weights, request.coordinates)
        return invariant_solver(net, request.weights, request.coordinates, self.action, full)


_NOTHING = Kept(None, {}, 0.0, None)


class Symmetry:
    """The operations of a structure, and the wish `keep`: None, "request", "break" or a subgroup.

    arrays: the structure to start from, symmetrised when symmetry is to be exact.
    """

    def __init__(self, arrays: AtomArrays, graph: MotifGraph, keep: Any) -> None:
        if isinstance(keep, str) and keep not in ("request", "break"):
            raise MotifError(f"keep={keep!r}", where="Distorter", remedy='choose "request", "break" or a subgroup')
        self.breaks = isinstance(keep, str) and keep == "break"
        self.exact = keep is not None and not self.breaks
        self.chosen = self.exact and not isinstance(keep, str)
        self.arrays, self._tolerance = arrays, graph.tolerance
        self._operations: Operations | None = None
        self._whole: Action | None = None
        self._all: tuple[np.ndarray, np.ndarray] | None = None
        self._exact: dict[Any, Action | None] = {}
        self._ignored = False
        self._kept: dict[Any, Kept] = {}
        self._lock = Lock()
        if self.exact:
            if arrays.cell is None:
                raise StructureError("a molecule has no space group to keep", where=arrays.formula, remedy="keep=None")
            self._operations = (
                checked(arrays, keep, graph.tolerance) if self.chosen else operations_of(arrays, graph.tolerance)
            )
            self.arrays = symmetrised(arrays, self._operations)

    def ignore(self) -> None:
        """Solve in all unknowns where no symmetry is asked for: what tests and benchmarks compare with."""
        self._ignored = True

    def whole(self, net: Network) -> Action:
        """Every operation that may be kept. StructureError where no symmetry search converges."""
        with self._lock:
            if self._whole is None:
                operations = self._operations or operations_of(self.arrays, self._tolerance)
                action = Action(net, operations)
                if self.chosen and len(action) < len(operations):
                    raise MotifError(
                        f"{len(operations) - len(action)} of {len(operations)} operations do not keep the motifs",
                        where="keep",
                        remedy="choose a smaller group, or find the motifs with a larger tolerance",
                    )
                self._whole = action
            return self._whole

    def of_request(self, net: Network, wanted: Sequence[tuple[Mode, float]]) -> Action:
        """The operations that a request keeps."""
        whole = self.whole(net)
        return whole.select(whole.keeping(asked_fields(net, wanted)))

    def kept(self, net: Network, wanted: Sequence[tuple[Mode, float]]) -> Kept:
        """The symmetry to solve a request in; it hangs on the ratios of the amplitudes, not on their size."""
        largest = max(abs(q) for _, q in wanted)
        name = tuple((mode.key, mode.vectors.tobytes(), round(q / largest, 9)) for mode, q in wanted)
        with self._lock:
            found = self._kept.get(name)
        if found is None:
            found = self._found(net, wanted)
            with self._lock:
                while len(self._kept) >= _REMEMBERED:
                    self._kept.pop(next(iter(self._kept)))
                self._kept[name] = found
        return found

    def _found(self, net: Network, wanted: Sequence[tuple[Mode, float]]) -> Kept:
        if self.chosen:
            action = self.whole(net)
            return Kept(action, {m.key: left_of(action, m) for m, _ in wanted}, lost_share(action, wanted), "chosen")
        if not self.exact:
            return self._by_itself(net, wanted)
        whole = self.whole(net)
        mask = whole.keeping(asked_fields(net, wanted))
        action = whole.select(mask)
        # a mode held at zero asks nothing, but holds all its images
        held = [m for m, q in wanted if not q]
        return Kept(action, {m.key: left_of(action, m) for m in held}, 0.0, (mask.tobytes(), *(m.key for m in held)))

    def _by_itself(self, net: Network, wanted: Sequence[tuple[Mode, float]]) -> Kept:
        """With no wish: what keeps the request to rounding, and its zeros too."""
        whole = self._exact_already(net, wanted)
        if whole is None or len(whole) < 2:
            return _NOTHING
        fields = asked_fields(net, wanted) + [field_of(net, m.targets) for m, q in wanted if not q]
        mask = whole.keeping(fields, (_SAME_FIELD,))
        stiff = np.zeros(len(net.start))  # the motifs that are asked for something become stiffer
        for mode, _ in wanted:
            for index, vectors in mode.targets:
                stiff[net.rows_of(index, len(vectors))] = 1.0
        if mask.sum() < 2 or not (stiff[whole.bonds[mask]] == stiff).all():
            return _NOTHING
        return Kept(whole.select(mask), {}, 0.0, mask.tobytes())

    def _exact_already(self, net: Network, wanted: Sequence[tuple[Mode, float]]) -> Action | None:
        """The operations that the structure has to rounding, enough of them for a request; None where looking is not
        worth it or finds nothing."""
        if self._ignored or self.arrays.cell is None or not len(net.start):
            return None
        with self._lock:
            if self._all is None:
                try:
                    self._all = symmetry_operations(self.arrays, 1e-4)
                except StructureError:
                    self._all = np.zeros((0, 3, 3), dtype=np.int64), np.zeros((0, 3))
            rotations, translations = self._all
            affordable = len(rotations) * len(self.arrays) <= _WORTH
            centres = net.centres[sorted({index for mode, _ in wanted for index, _ in mode.targets})]
            few = len(centres) <= _FEW
            name = None if affordable else centres.tobytes() if few else b"translations"
            if name not in self._exact:
                while len(self._exact) >= _REMEMBERED:
                    self._exact.pop(next(iter(self._exact)))
                if not affordable:
                    rotations, translations = self._fewer(rotations, translations, centres)
                self._exact[name] = self._acting(net, rotations, translations)
            return self._exact[name]

    def _fewer(
        self, rotations: np.ndarray, translations: np.ndarray, centres: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Of a large supercell's operations those that carry the asked motifs' centres into one another; the
        translations alone where these are still too many."""
        f = self.arrays.fractional
        kept = np.full(len(rotations), len(centres) <= _FEW)
        for centre in centres[:_FEW]:
            off = (rotations @ f[centre] + translations)[:, None] - f[centres]
            kept &= (np.abs(off - np.rint(off)).max(axis=2) < 1e-4).any(axis=1)
        if not kept.any() or kept.sum() * len(self.arrays) > _WORTH:
            kept = (rotations == np.eye(3, dtype=np.int64)).all(axis=(1, 2))
        return rotations[kept], translations[kept]

    def _acting(self, net: Network, rotations: np.ndarray, translations: np.ndarray) -> Action | None:
        if len(rotations) < 2 or len(rotations) * len(self.arrays) > _WORTH:
            return None
        operations = on_sites(self.arrays, rotations, translations, _ROUNDING)
        return Action(net, operations) if operations.is_group() else None
