"""The history panel: the tree of named steps, drawn as an indented list. Of a long one, what lies around the design."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from motifdesk.session import History, Node

# "Eg stretch (1) - Jahn-Teller elongation (Q3): +0.200 Å" needs its last part only where room is short
_MODE = re.compile(r"^\S+ (stretch|bend|rotation)( \(\d+\))? - ")
# "R (1/2,1/2,1/2) T2u (1 of 3), O 3c, TiO6 tilt about z: +0.300 Å" does without its coordinates and orbit
_CRYSTAL = re.compile(
    r"^([A-Z][A-Z0-9]*) (?:\([-/,\d]+\) )?(\S+)(?: \(\d+ of \d+\))?, [A-Z][a-z]? \d+[A-Za-z]+(?=[,:])"
)
_ABOVE = 60  # steps shown before the design, and after it; a page must not be sent ten thousand at every step
_BELOW = 20
_BRANCH = 30  # of a branch that leads elsewhere
_BRANCHES = 120  # ... and of all of them together, where there are many
_BESIDE = 4  # branches shown on either side of the way, of those that leave one step


def short(name: str) -> str:
    """A step's name where room is short."""
    return _CRYSTAL.sub(r"\1 \2", _MODE.sub("", name))


def describe_history(history: History, around: int | None = None) -> dict[str, Any]:
    """Nodes in depth-first order, so that a branch stays together; `depth` counts forks, not steps.

    Of a long history: the steps around the node `around` (default: the current one) with the branches that leave them,
    the first step, and a row ``gap`` (the node it leads to) in place of what is left out. However long it is and
    however often it forks, the rows are no more than a page can draw at every step.
    """
    tree = history.nodes
    middle = history.current if around is None or around not in tree else around
    above = list(islice(tree.up(middle), _ABOVE + 1))
    trunk = set(above)
    below = tree.forward(middle)
    while below is not None and len(trunk) < len(above) + _BELOW:
        trunk.add(below)
        below = tree.forward(below)
    on_path = {0, *above} if middle == history.current else set(tree.up(history.current))
    beside = {k: _beside(tree.children(k), trunk) for k in trunk}
    count = sum(len(kept) for kept, _ in beside.values())
    room_each = max(1, min(_BRANCH, _BRANCHES // max(count - len(trunk), 1)))
    top = above[-1]
    nodes: list[dict[str, Any]] = []
    if top != 0:
        nodes.append(_row(history, 0, 0, on_path, False))
        parent = tree.parent(top)
        if parent != 0:
            nodes.append({"gap": parent, "depth": 0, "text": "earlier steps"})
    # (node, depth, steps its branch may still show)
    stack: list[tuple[int, int, list[int]]] = [(top, 0, [room_each])]
    forks: set[int] = set()
    while stack:
        identity, depth, room = stack.pop()
        if identity < 0:
            nodes.append({"gap": -identity, "depth": depth, "text": "more branches"})
            continue
        if identity not in trunk:
            if room[0] <= 0:
                if room[0] == 0:
                    nodes.append({"gap": identity, "depth": depth, "text": "more steps"})
                room[0] -= 1
                continue
            room[0] -= 1
        nodes.append(_row(history, identity, depth, on_path, identity in forks))
        children, hidden = beside[identity] if identity in trunk else _beside(tree.children(identity), trunk)
        for child in hidden:  # node 0 is nobody's child
            stack.append((-child, depth + 1, room))
        for place, child in reversed(list(enumerate(children))):
            last = place == len(children) - 1
            if not last:
                forks.add(child)
            fresh = not last or (identity in trunk and child not in trunk)
            stack.append((child, depth + (0 if last else 1), [room_each] if fresh else room))
    return {"nodes": nodes, "count": len(history)}


def _beside(children: tuple[int, ...], trunk: set[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Of the branches that leave a step, those nearest to the way that is shown (the newest where it is none of them),
    and the next one on either side that is left out."""
    if len(children) <= 2 * _BESIDE + 1:
        return children, ()
    place = next((k for k, child in enumerate(children) if child in trunk), len(children) - 1)
    low, high = max(0, place - _BESIDE), min(len(children), place + _BESIDE + 1)
    return children[low:high], tuple(children[k] for k in (low - 1, high) if 0 <= k < len(children))


def listed(history: History, *must: int) -> list[Node]:
    """The steps that a menu offers: those of the panel, those with a name, the start and `must`, in order."""
    rows = [row["id"] for row in describe_history(history)["nodes"] if "id" in row]
    return [history[k] for k in sorted({0, *rows, *must, *history.names})]


def _row(history: History, identity: int, depth: int, on_path: set[int], fork: bool) -> dict[str, Any]:
    name = history.nodes.slot(identity).name
    brief = short(name)
    return {
        "id": identity,
        "name": name,
        **({"short": brief} if brief != name else {}),
        **({"called": history.names[identity]} if identity in history.names else {}),
        "depth": depth,
        **({"fork": True} if fork else {}),
        **({"current": True} if identity == history.current else {}),
        "on_path": identity in on_path,
    }


def describe_travel(history: History) -> dict[str, Any]:
    """What undo and redo would do, for their buttons."""
    here = history[history.current]
    forward = here.forward
    return {
        "can_undo": here.parent is not None,
        "can_redo": forward is not None,
        "undo_name": here.name,
        "redo_name": "" if forward is None else history[forward].name,
    }
