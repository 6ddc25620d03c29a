"""Sign patterns of a mode over many motifs: all alike, or linked motifs opposite, as in an antiferro order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from motifdesk.motifs import Link, MotifGraph


def alternating(graph: MotifGraph, targets: Sequence[int]) -> tuple[int, ...] | None:
    """+1 or -1 for each of `targets` (motif indices) so that linked ones differ; the first is +1.

    All links between the targets are asked for at first (the G-type order of a perovskite); where a motif is linked to
    its own image, or an odd ring forbids it, the links by corners alone, then edges, faces, bonds: rutile's chains
    alternate over their corners. None where nothing alternates in this cell; a supercell may then.
    """
    inside = set(targets)
    links = [x for x in graph.links if x.a in inside and x.b in inside]
    kinds = [k for k in ("corner", "edge", "face", "bond") if any(x.kind == k for x in links)]
    for chosen in [links, *([x for x in links if x.kind == kind] for kind in kinds)]:
        signs = _two_coloured(targets, chosen)
        if signs is not None and len(set(signs.values())) == 2:
            return tuple(signs[index] for index in targets)
    return None


def _two_coloured(targets: Sequence[int], links: Sequence[Link]) -> dict[int, int] | None:
    beside: dict[int, set[int]] = {index: set() for index in targets}
    for link in links:
        beside[link.a].add(link.b)
        beside[link.b].add(link.a)
    signs: dict[int, int] = {}
    for start in targets:
        if start in signs:
            continue
        signs[start], waiting = 1, [start]
        while waiting:
            here = waiting.pop()
            for there in beside[here]:
                if there not in signs:
                    signs[there] = -signs[here]
                    waiting.append(there)
                elif signs[there] == signs[here]:  # an odd ring, or a motif linked to its own image
                    return None
    return signs
