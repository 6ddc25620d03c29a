"""The history of a design: a tree of named edits, immutable and replaced whole like the state."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from motifdesk.session.state import State, frozen_mapping
from motifdesk.session.step import Edit
from motifdesk.session.ties import Ties
from motifdesk.session.tree import Node, Nodes
from motifdesk.structures.errors import SessionError


@dataclass(frozen=True)
class History:
    """Tree of nodes with the current one; node 0 is the structure as opened. Iterates in order of creation.

    ``nodes``: node number -> :class:`Node`; any mapping of them is taken.

    ``names``: node -> what the designer called it (a branch is called by its last step); ``ties``: node -> the locks
    and ties of the handles that began with it (see :mod:`motifdesk.session.ties`); neither is a step of the history.
    """

    nodes: Nodes
    current: int = 0
    names: Mapping[int, str] = field(default_factory=frozen_mapping)
    ties: Mapping[int, Ties] = field(default_factory=frozen_mapping)

    def __post_init__(self) -> None:
        if not isinstance(self.nodes, Nodes):
            object.__setattr__(self, "nodes", Nodes.of(self.nodes))

    @staticmethod
    def start(edit: Edit, state: State) -> History:
        """A history of one node."""
        return History(Nodes().added(Node(0, None, edit, state)), 0)

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
                remedy=f"choose one of 0 ... {len(self.nodes) - 1}",
            ) from None

    @property
    def next_id(self) -> int:
        """Identifier of the next node to be added."""
        return len(self.nodes)

    @property
    def can_undo(self) -> bool:
        """Whether the current node has a parent."""
        return self.nodes.parent(self.current) is not None

    @property
    def can_redo(self) -> bool:
        """Whether the current node has a child to go forward to."""
        return self.nodes.forward(self.current) is not None

    def upward(self, node: int | None = None) -> Iterator[Node]:
        """Nodes from ``node`` (default: the current one) to the root, as far as they are asked for."""
        return (self.nodes[k] for k in self.nodes.up(self.current if node is None else self[node].id))

    def path(self, node: int | None = None) -> tuple[Node, ...]:
        """Nodes from the root to ``node`` (default: the current one)."""
        return tuple(reversed(list(self.upward(node))))

    def last(self, kinds: Collection[str]) -> Node:
        """The last step to the current node, it included, that is one of ``kinds``; the first step where none is.

        Quick however long the history is, for kinds that lead to another structure ("open", "set_structure", "decode",
        "build", "supercell", ...)."""
        at = self.nodes.setting(self.current)
        while (parent := self.nodes.parent(at)) is not None and self.nodes[at].kind not in kinds:
            at = self.nodes.setting(parent)
        return self.nodes[at]

    def leaves(self) -> tuple[Node, ...]:
        """Ends of the branches, oldest first."""
        return tuple(n for n in self if self.nodes.childless(n.id))

    def common(self, a: int, b: int) -> int:
        """The last node that the paths to ``a`` and ``b`` share."""
        on_a = set(self.nodes.up(self[a].id))
        return next(k for k in self.nodes.up(self[b].id) if k in on_a)

    def rows(self) -> tuple[tuple[int, int, str, bool], ...]:
        """(node, depth, name, is current) for display, in order of creation."""
        depth: dict[int, int] = {}
        out = []
        for node in self:
            depth[node.id] = 0 if node.parent is None else depth[node.parent] + 1
            out.append((node.id, depth[node.id], node.name, node.id == self.current))
        return tuple(out)

    def added(self, node: Node) -> History:
        """With ``node`` appended to its parent and made current."""
        return replace(self, nodes=self.nodes.added(node), current=node.id)

    def moved(self, node: int) -> History:
        """With ``node`` current; going back along the path remembers the way forward."""
        node = self[node].id
        if self.nodes.parent(self.current) == node or self.nodes.forward(self.current) == node:
            return replace(self, current=node)  # every step above the current one leads to it already
        way = list(self.nodes.up(node))
        forward = dict(zip(way[1:], way[:-1], strict=True))
        return replace(self, nodes=self.nodes.leading(forward), current=node)

    def with_state(self, node: int, state: State) -> History:
        """With the state of ``node`` replaced (a changed selection, a located latent; never another structure)."""
        return replace(self, nodes=self.nodes.holding(self[node].id, state))

    def named(self, node: int, name: str) -> History:
        """With ``node`` called ``name``; an empty name takes it away."""
        names = {**self.names, self[node].id: name}
        return replace(self, names=frozen_mapping({k: v for k, v in names.items() if v}))

    def tied(self, node: int, ties: Ties) -> History:
        """With these locks and ties from ``node`` on."""
        return replace(self, ties=frozen_mapping({**self.ties, self[node].id: ties}))


__all__ = ["Edit", "History", "Node", "Nodes"]
