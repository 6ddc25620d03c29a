"""The history panel: the tree of named steps, drawn as an indented list."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from motifdesk.session import History

# "Eg stretch (1) - Jahn-Teller elongation (Q3): +0.200 Å" needs its last part only where room is short
_MODE = re.compile(r"^\S+ (stretch|bend|rotation)( \(\d+\))? - ")
# "R (1/2,1/2,1/2) T2u (1 of 3), O 3c, TiO6 tilt about z: +0.300 Å" does without its coordinates and orbit
_CRYSTAL = re.compile(
    r"^([A-Z][A-Z0-9]*) (?:\([-/,\d]+\) )?(\S+)(?: \(\d+ of \d+\))?, [A-Z][a-z]? \d+[A-Za-z]+(?=[,:])"
)


def describe_history(history: History) -> dict[str, Any]:
    """Nodes in depth-first order, so that a branch stays together; `depth` counts forks, not steps."""
    on_path = {node.id for node in history.path()}
    nodes: list[dict[str, Any]] = []
    stack: list[tuple[int, int]] = [(min(history.nodes), 0)]
    while stack:
        identity, depth = stack.pop()
        node = history[identity]
        nodes.append(
            {
                "id": node.id,
                "name": node.edit.name,
                "short": _CRYSTAL.sub(r"\1 \2", _MODE.sub("", node.edit.name)),
                "depth": depth,
                "current": node.id == history.current,
                "on_path": node.id in on_path,
            }
        )
        for place, child in reversed(list(enumerate(node.children))):
            stack.append((child, depth + (1 if place < len(node.children) - 1 else 0)))
    return {"nodes": nodes}


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
