"""What is picked: checks of a new pick, and a pick carried from one structure to the next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from motifdesk.session.state import PATTERNS, SCOPES, SYMMETRIES, Reference, Selection, State
from motifdesk.structures.errors import SessionError

if TYPE_CHECKING:
    from motifdesk.motifs import Motif

KEEP: Any = object()
"""Stands for "as it is" where None means "nothing picked"."""


def choose(
    current: State,
    motif: int | Motif | None = KEEP,
    scope: str | None = None,
    atoms: Iterable[int] | None = None,
    pattern: str | None = None,
    symmetry: str | None = None,
) -> Selection:
    """The pick of ``current`` with what is named changed, or a SessionError."""
    pick = current.selection
    index: Any = pick.motif
    if motif is not KEEP:
        index = getattr(motif, "index", motif)
        if index is not None:
            graph = current.reference.require_graph()
            number = -1 if isinstance(index, bool) or not hasattr(index, "__index__") else int(index)
            if not 0 <= number < len(graph.motifs):
                raise SessionError(
                    f"there is no motif {index!r}", where="select", remedy=f"choose 0 ... {len(graph.motifs) - 1}"
                )
            index = number
    words = (("scope", scope, SCOPES), ("pattern", pattern, PATTERNS), ("symmetry", symmetry, SYMMETRIES))
    for what, value, known in words:
        if value is not None and value not in known:
            raise SessionError(f"unknown {what} {value!r}", where="select", remedy=f"choose one of {', '.join(known)}")
    chosen = pick.atoms
    if atoms is not None:
        chosen = tuple(int(a) for a in atoms)
        count = len(current.arrays.numbers)
        if any(not 0 <= a < count for a in chosen):
            raise SessionError(f"no such atom in {chosen}", where="select", remedy=f"choose 0 ... {count - 1}")
    selection = Selection(index, scope or pick.scope, chosen, pattern or pick.pattern, symmetry or pick.symmetry)
    if allowed(current.reference, selection):
        return selection
    if pattern is not None:
        raise SessionError(
            "no alternating pattern fits this cell",
            where="select",
            remedy="pick the scope orbit or all of several linked motifs, or build a supercell first",
        )
    return replace(selection, pattern="uniform")


def same_pick(old: State, new: State) -> Selection:
    """The selection of ``old`` carried over to ``new`` by the motif's centre; dropped where it no longer exists."""
    pick = old.selection
    count = len(new.arrays.numbers)
    atoms = tuple(a for a in pick.atoms if a < count)
    if pick.motif is None:
        return replace(pick, atoms=atoms)
    graph = old.graph
    motif = None
    if graph is not None and pick.motif < len(graph.motifs) and new.graph is not None:
        centre = graph.motifs[pick.motif].centre
        found = [m.index for m in new.graph.motifs if m.centre == centre]
        motif = found[0] if found else None
    kept = replace(pick, motif=motif, atoms=atoms)
    return kept if allowed(new.reference, kept) else replace(kept, pattern="uniform")


def allowed(reference: Reference, pick: Selection) -> bool:
    """Whether the cell allows the pattern of a pick."""
    return pick.pattern == "uniform" or reference.character(pick.motif, pick.scope) is not None
