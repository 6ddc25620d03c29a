"""The history of a design: a tree of named edits, immutable and replaced whole like the state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from motifdesk.session.state import State, frozen_mapping
from motifdesk.structures.errors import SessionError


@dataclass(frozen=True)
class Edit:
    """One named step: what was done, with everything needed to do it again.

    ``kind``: "open", "distort", "strain", "drag", "decode", "substitute", "delete_sites", "add_site", "set_structure",
    "symmetrize", "supercell", "slab", "morph", "build", "along" or "relax";
    ``parameters`` are JSON-able; ``parent`` is the history node it was applied to (None for "open"); ``versions``
    name the software and weights that made it.
    """

    name: str
    kind: str
    parameters: Mapping[str, Any] = field(default_factory=frozen_mapping)
    parent: int | None = None
    seed: int = 0
    versions: Mapping[str, str] = field(default_factory=frozen_mapping)


@dataclass(frozen=True)
class Node:
    """A committed state in the tree. ``forward`` is the child that redo goes to (the one left last by undo)."""

    id: int
    parent: int | None
    edit: Edit
    state: State
    children: tuple[int, ...] = ()
    forward: int | None = None


@dataclass(frozen=True)
class History:
    """Tree of nodes with the current one; node 0 is the structure as opened. Iterates in order of creation.

    ``names``: node -> what the designer called it (a branch is called by its last step); no step of the history.
    """

    nodes: Mapping[int, Node]
    current: int = 0
    names: Mapping[int, str] = field(default_factory=frozen_mapping)

    @staticmethod
    def start(edit: Edit, state: State) -> History:
        """A history of one node."""
        return History(MappingProxyType({0: Node(0, None, edit, state)}), 0)

    def __len__(self) -> int:
        return len(self.nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes.values())

    def __getitem__(self, node: int) -> Node:
        try:
            return self.nodes[node]
        except (KeyError, TypeError):
            raise SessionError(
                f"there is no history node {node!r}",
                where="history",
                remedy=f"choose one of 0 ... {max(self.nodes)}",
            ) from None

    @property
    def next_id(self) -> int:
        """Identifier of the next node to be added."""
        # nodes stand in the order of creation; mypy takes a mapping's reverse for its values
        return next(reversed(self.nodes)) + 1 if self.nodes else 0  # type: ignore[operator]

    @property
    def can_undo(self) -> bool:
        """Whether the current node has a parent."""
        return self.nodes[self.current].parent is not None

    @property
    def can_redo(self) -> bool:
        """Whether the current node has a child to go forward to."""
        return self.nodes[self.current].forward is not None

    def upward(self, node: int | None = None) -> Iterator[Node]:
        """Nodes from ``node`` (default: the current one) to the root, as far as they are asked for."""
        step: int | None = self.current if node is None else self[node].id
        while step is not None:
            yield self.nodes[step]
            step = self.nodes[step].parent

    def path(self, node: int | None = None) -> tuple[Node, ...]:
        """Nodes from the root to ``node`` (default: the current one)."""
        return tuple(reversed(list(self.upward(node))))

    def leaves(self) -> tuple[Node, ...]:
        """Ends of the branches, oldest first."""
        return tuple(n for n in self if not n.children)

    def common(self, a: int, b: int) -> int:
        """The last node that the paths to ``a`` and ``b`` share."""
        on_a = {n.id for n in self.path(a)}
        return [n.id for n in self.path(b) if n.id in on_a][-1]

    def rows(self) -> tuple[tuple[int, int, str, bool], ...]:
        """(node, depth, name, is current) for display, in order of creation."""
        depth: dict[int, int] = {}
        out = []
        for node in self:
            depth[node.id] = 0 if node.parent is None else depth[node.parent] + 1
            out.append((node.id, depth[node.id], node.edit.name, node.id == self.current))
        return tuple(out)

    def added(self, node: Node) -> History:
        """With ``node`` appended to its parent and made current."""
        nodes = dict(self.nodes)
        nodes[node.id] = node
        if node.parent is not None:
            parent = nodes[node.parent]
            nodes[parent.id] = replace(parent, children=(*parent.children, node.id), forward=node.id)
        return replace(self, nodes=MappingProxyType(nodes), current=node.id)

    def moved(self, node: int) -> History:
        """With ``node`` current; going back along the path remembers the way forward."""
        nodes = dict(self.nodes)
        path = self.path(node)
        for above, below in zip(path, path[1:], strict=False):
            if nodes[above.id].forward != below.id:
                nodes[above.id] = replace(nodes[above.id], forward=below.id)
        return replace(self, nodes=MappingProxyType(nodes), current=node)

    def with_state(self, node: int, state: State) -> History:
        """With the state of ``node`` replaced (a changed selection, a located latent; never another structure)."""
        nodes = dict(self.nodes)
        nodes[node] = replace(nodes[node], state=state)
        return replace(self, nodes=MappingProxyType(nodes))

    def named(self, node: int, name: str) -> History:
        """With ``node`` called ``name``; an empty name takes it away."""
        names = {**self.names, self[node].id: name}
        return replace(self, names=frozen_mapping({k: v for k, v in names.items() if v}))
