"""What a step of the history holds on to, and which base structures stay worked out: ten thousand steps must fit.

A step keeps arrays and recipe. How the solver came to them (its factorised system, the graph behind it) is known again
when it is asked for, as it is for a session read from a file.
"""

from __future__ import annotations

import sys
import threading
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from motifdesk.session.state import Reference, State
from motifdesk.session.step import Edit
from motifdesk.structures.arrays import AtomArrays

MOST_WARM = 6


def shelved(state: State, above: State | None, edit: Edit) -> State:
    """``state`` as the history keeps it after ``above``: equal in all that is recorded, sharing what it can.

    Positions, cell and amplitudes stay bit for bit, so undo is exact. The solver's response is let go.
    """
    amplitudes = edit.parameters.get("amplitudes") if edit.kind == "distort" else None
    shared: Mapping[str, float] = state.amplitudes
    if isinstance(amplitudes, dict) and amplitudes == dict(state.amplitudes):
        shared = MappingProxyType(amplitudes)
    elif above is not None and above.amplitudes == state.amplitudes:
        shared = above.amplitudes
    achieved = state.achieved
    if above is not None and dict(above.achieved) == dict(achieved):
        achieved = above.achieved
    elif achieved:
        achieved = MappingProxyType({sys.intern(k): v for k, v in achieved.items()})
    return replace(state, response=None, arrays=_bare(state.arrays, above), amplitudes=shared, achieved=achieved)


def _bare(arrays: AtomArrays, above: State | None) -> AtomArrays:
    """The arrays without what was worked out from them, numbers and cell shared with the step before."""
    numbers, cell = arrays.numbers, arrays.cell
    if above is not None:
        before = above.arrays
        if arrays is before:
            return arrays
        if before.numbers.shape == numbers.shape and (before.numbers == numbers).all():
            numbers = before.numbers
        if cell is not None and before.cell is not None and cell.tobytes() == before.cell.tobytes():
            cell = before.cell
    return arrays if numbers is arrays.numbers and cell is arrays.cell else AtomArrays(numbers, arrays.positions, cell)


class Warm:
    """The base structures whose motifs and distorters stay in memory: the last few used; the rest is worked out again
    when it is asked for, and forgotten again at the next step."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, Reference] = OrderedDict()
        self._again: deque[Reference] = deque()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def watch(self, reference: Reference) -> None:
        """A cold one that somebody looks at must not stay."""
        reference.woken = self._again.append

    def keep(self, reference: Reference) -> None:
        """This one is in use now; those that have not been for longest are forgotten."""
        cold: list[Reference] = []
        self.watch(reference)
        with self._lock:
            self._kept[id(reference)] = reference
            self._kept.move_to_end(id(reference))
            while len(self._kept) > MOST_WARM:
                cold.append(self._kept.popitem(last=False)[1])
            while self._again:
                woken = self._again.popleft()
                if id(woken) not in self._kept:
                    cold.append(woken)
        for one in cold:
            one.release()
