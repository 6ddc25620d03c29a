"""Read-outs of the network of motifs: what a distortion costs each of them, and whose neighbours have changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.session.crystal import split
from motifdesk.session.flags import flags
from motifdesk.session.motif_readouts import Sheet, current_graph, known_graph, named
from motifdesk.session.state import State
from motifdesk.structures.errors import MotifDeskError

if TYPE_CHECKING:
    from motifdesk.motifs import MotifGraph

_MOST_COSTS = 3
_MOST_NAMES = 4


def costs(state: State) -> tuple[Any, ...]:
    """``MotifCost`` of every motif that could not keep the shape asked of it, the dearest first."""
    motifs = split(state.amplitudes)[0]
    if not motifs:
        return ()
    solved = state.response
    if solved is None:  # a loaded session knows the answer, not how it came about
        try:
            solved = state.reference.distorter_that(state.keep).solve(motifs)
        except MotifDeskError:
            return ()
    return tuple(solved.costs)


def cost_rows(sheet: Sheet, state: State) -> None:
    """Tier "release": the motifs that pay most, in the language of their own modes."""
    found = costs(state)
    graph = state.graph
    if not found or graph is None:
        return
    for k, cost in enumerate(found[:_MOST_COSTS]):
        motif = graph.motifs[cost.motif]
        told = cost.text.partition(" pays ")[2].replace(" A", " Å") or f"{cost.size:.3f} Å"
        label = f"Out of shape: {named(state, motif.centre)}"
        sheet.text(f"cost_{k}", label, told, "release")
    if len(found) > _MOST_COSTS:
        sheet.text("cost_more", "More out of shape", str(len(found) - _MOST_COSTS), "release")


def changed_motifs(before: MotifGraph, after: MotifGraph) -> list[tuple[int, int, int]]:
    """(centre site, neighbours before, neighbours now) of every centre whose set of neighbours is another one."""
    out = []
    for motif in before.motifs:
        now = after.motif_at(motif.centre)
        there = frozenset() if now is None else frozenset(now.ligands)
        if there != frozenset(motif.ligands):
            out.append((motif.centre, len(motif.ligands), len(there)))
    return out


def flag_rows(sheet: Sheet, state: State) -> None:
    """Tier "move", while something is held: whose neighbours have probably changed."""
    if not state.preview:
        return
    found = flags(state)
    if found:
        told = ", ".join(flag.text for flag in found[:_MOST_NAMES])
        more = f" and {len(found) - _MOST_NAMES} more" if len(found) > _MOST_NAMES else ""
        sheet.text("neighbours", "Neighbours, probably", told + more, "move", warn=True)


def neighbour_rows(sheet: Sheet, state: State, parent: State | None = None) -> None:
    """Tier "release": CrystalNN's answer about the neighbours, where it differs from that of the base structure; for a
    design that is its own base (after a drag over the map, a strain), from that of the step before."""
    if state.arrays is not state.reference.arrays:
        before = state.graph
    elif parent is not None and np.array_equal(parent.arrays.numbers, state.arrays.numbers):
        before = known_graph(parent)
    else:
        return
    after = current_graph(state)
    if before is None or after is None:
        return
    changed = changed_motifs(before, after)
    if changed:
        told = ", ".join(f"{named(state, site)} {old} → {new}" for site, old, new in changed[:_MOST_NAMES])
        more = f" and {len(changed) - _MOST_NAMES} more" if len(changed) > _MOST_NAMES else ""
        sheet.text("neighbours", "Neighbours", told + more, "release", warn=True)
