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
_ABOVE = 90  # steps shown before the design, and after it; a page must not be sent ten thousand at every step
_BELOW = 40
_BRANCH = 30  # of a branch that leads elsewhere


def short(name: str) -> str:
    """A step's name where room is short."""
    return _CRYSTAL.sub(r"\1 \2", _MODE.sub("", name))


def describe_history(history: History, around: int | None = None) -> dict[str, Any]:
    """Nodes in depth-first order, so that a branch stays together; `depth` counts forks, not steps.

    Of a long history: the steps around the node `around` (default: the current one) with the branches that leave them,
    the first step, and a row ``gap`` (the node it leads to) in place of what is left out.
    """
    middle = history.current if around is None or around not in history.nodes else around
    above = list(islice(history.upward(middle), _ABOVE + 1))
    trunk = {node.id for node in above}
    below = history[middle]
    for _ in range(_BELOW):
        if below.forward is None:
            break
        below = history[below.forward]
        trunk.add(below.id)
    on_path = {node.id for node in history.upward()}
    top = above[-1]
    nodes: list[dict[str, Any]] = []
    if top.parent is not None:
        root = history[min(history.nodes)]
        nodes.append(_row(history, root, 0, on_path, False))
        if top.parent != root.id:
            nodes.append({"gap": top.parent, "depth": 0, "text": "earlier steps"})
    # (node, depth, steps its branch may still show)
    stack: list[tuple[int, int, list[int]]] = [(top.id, 0, [_BRANCH])]
    forks: set[int] = set()
    while stack:
        identity, depth, room = stack.pop()
        node = history[identity]
        if identity not in trunk:
            if room[0] <= 0:
                if room[0] == 0:
                    nodes.append({"gap": identity, "depth": depth, "text": "more steps"})
                room[0] -= 1
                continue
            room[0] -= 1
        nodes.append(_row(history, node, depth, on_path, identity in forks))
        for place, child in reversed(list(enumerate(node.children))):
            last = place == len(node.children) - 1
            if not last:
                forks.add(child)
            fresh = not last or (identity in trunk and child not in trunk)
            stack.append((child, depth + (0 if last else 1), [_BRANCH] if fresh else room))
    return {"nodes": nodes, "count": len(history)}


def listed(history: History, *must: int) -> list[Node]:
    """The steps that a menu offers: those of the panel, those with a name, the start and `must`, in order."""
    rows = [row["id"] for row in describe_history(history)["nodes"] if "id" in row]
    return [history[k] for k in sorted({min(history.nodes), *rows, *must, *history.names})]


def _row(history: History, node: Node, depth: int, on_path: set[int], fork: bool) -> dict[str, Any]:
    return {
        "id": node.id,
        "name": node.edit.name,
        "short": short(node.edit.name),
        "called": history.names.get(node.id, ""),
        "depth": depth,
        "fork": fork,
        "tip": not node.children,
        "current": node.id == history.current,
        "on_path": node.id in on_path,
    }


def describe_travel(history: History) -> dict[str, Any]:
    """What undo and redo would do, for their buttons."""
    here = history[history.current]
    forward = here.forward
    return {
        "can_undo": here.parent is not None,
        "can_redo": forward is not None,
        "undo_name": here.edit.name,
        "redo_name": "" if forward is None else history[forward].edit.name,
    }
