"""The tree behind a history: nodes 0, 1, 2, ... with their links, immutable, cheap to grow and to keep.

Pages of 64 nodes; a new tree shares all but the pages that changed with the one before. What the nodes hold lies on a
:class:`motifdesk.session.shelf.Shelf`.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from motifdesk.session.shelf import Shelf, Slot
from motifdesk.session.state import State
from motifdesk.session.step import Edit

_PAGE = 64
_TOGETHER = 256
_WIDTH = 5  # numbers per node; -1 stands for none
_PARENT, _FORWARD, _CHILD, _BEFORE, _SETTING = range(_WIDTH)  # the last child; the sibling before; see Nodes.setting
# these move atoms or the cell of the structure there is; all others lead to another one
_KEEP = frozenset(("distort", "strain", "move_sites", "symmetrize", "drag", "along", "morph", "relax"))


class Node:
    """A committed state in the tree. ``forward`` is the child that redo goes to (the one left last by undo).

    ``name`` and ``kind`` (of the edit) and ``xy`` (place on the map, or None) cost nothing; ``edit`` and ``state`` may
    have to be read from the shelf.
    """

    __slots__ = ("_links", "_made", "_nodes", "id")

    def __init__(
        self,
        id: int,
        parent: int | None,
        edit: Edit,
        state: State,
        children: tuple[int, ...] = (),
        forward: int | None = None,
    ) -> None:
        self.id = id
        self._made: tuple[Edit, State] | None = (edit, state)
        self._links = (parent, children, forward)
        self._nodes: Nodes | None = None

    @classmethod
    def of(cls, nodes: Nodes, number: int) -> Node:
        """Node ``number`` of a tree."""
        node = cls.__new__(cls)
        node.id, node._nodes, node._made = number, nodes, None
        return node

    @property
    def parent(self) -> int | None:
        """The node it was made from; None for the first."""
        return self._links[0] if self._nodes is None else self._nodes.parent(self.id)

    @property
    def children(self) -> tuple[int, ...]:
        """What was made from it, oldest first."""
        return self._links[1] if self._nodes is None else self._nodes.children(self.id)

    @property
    def forward(self) -> int | None:
        """Where redo goes."""
        return self._links[2] if self._nodes is None else self._nodes.forward(self.id)

    @property
    def edit(self) -> Edit:
        """What was done."""
        return self._content()[0]

    @property
    def state(self) -> State:
        """What came of it."""
        return self._content()[1]

    @property
    def name(self) -> str:
        """Of the edit."""
        return self._made[0].name if self._nodes is None and self._made else self._slot().name

    @property
    def kind(self) -> str:
        """Of the edit."""
        return self._made[0].kind if self._nodes is None and self._made else self._slot().kind

    @property
    def xy(self) -> tuple[float, float] | None:
        """Where the state lies, or last lay, on the map."""
        return self._made[1].latent.xy if self._nodes is None and self._made else self._slot().xy

    def _slot(self) -> Slot:
        assert self._nodes is not None
        return self._nodes.slot(self.id)

    def _content(self) -> tuple[Edit, State]:
        if self._made is not None:
            return self._made
        assert self._nodes is not None
        return self._nodes.content(self.id)

    def __repr__(self) -> str:
        return f"Node({self.id}, {self.name!r}, parent {self.parent})"


class Nodes(Mapping[int, Node]):
    """Node number -> :class:`Node`, in the order of creation."""

    __slots__ = ("_count", "_links", "_slots", "shelf")

    def __init__(self, shelf: Shelf | None = None) -> None:
        self.shelf = Shelf() if shelf is None else shelf
        self._count = 0
        self._slots: tuple[tuple[Slot, ...], ...] = ()
        self._links: tuple[array[int], ...] = ()

    @staticmethod
    def of(nodes: Mapping[int, Node]) -> Nodes:
        """A tree of these nodes, which are numbered 0, 1, 2, ..."""
        made = Nodes()
        for number in sorted(nodes):
            made = made.added(nodes[number])
        return made.leading({number: node.forward for number, node in nodes.items()})

    # ------------------------------------------------------------------------------------------------ reading

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        return iter(range(self._count))

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and 0 <= number < self._count

    def __getitem__(self, number: int) -> Node:
        if number not in self:
            raise KeyError(number)
        return Node.of(self, int(number))

    def slot(self, number: int) -> Slot:
        """Where a node's content lies."""
        return self._slots[number // _PAGE][number % _PAGE]

    def content(self, number: int) -> tuple[Edit, State]:
        """Edit and state of a node."""
        return self.shelf.content(self.slot(number), number, self.parent(number), lambda k: self.content(k)[1])

    def texts(self) -> Iterator[Iterable[tuple[int, bytes]]]:
        """Every node with its JSON without its place in the tree, a few hundred at a time."""
        for first in range(0, self._count, _TOGETHER):
            numbers = range(first, min(first + _TOGETHER, self._count))
            yield zip(numbers, self.shelf.texts([self.slot(k) for k in numbers]), strict=True)

    def _link(self, number: int, which: int) -> int | None:
        found = self._links[number // _PAGE][number % _PAGE * _WIDTH + which]
        return None if found < 0 else found

    def parent(self, number: int) -> int | None:
        """The node that ``number`` was made from."""
        return self._link(number, _PARENT)

    def forward(self, number: int) -> int | None:
        """Where redo goes from ``number``."""
        return self._link(number, _FORWARD)

    def setting(self, number: int) -> int:
        """The nearest node from ``number`` up that led to another structure rather than to another shape of the same
        one."""
        found = self._link(number, _SETTING)
        assert found is not None
        return found

    def children(self, number: int) -> tuple[int, ...]:
        """What was made from ``number``, oldest first."""
        found, child = [], self._link(number, _CHILD)
        while child is not None:
            found.append(child)
            child = self._link(child, _BEFORE)
        return tuple(reversed(found))

    def childless(self, number: int) -> bool:
        """Whether nothing was made from ``number``."""
        return self._link(number, _CHILD) is None

    def up(self, number: int | None) -> Iterator[int]:
        """``number`` and what it came from, up to the first node."""
        while number is not None:
            yield number
            number = self.parent(number)

    # ------------------------------------------------------------------------------------------------ growing

    def added(self, node: Node) -> Nodes:
        """With ``node`` as the last one; its parent leads to it."""
        number, parent = node.id, node.parent
        if number != self._count or (parent is not None and parent not in self):
            raise ValueError(f"node {number} is out of order")
        edit, state = node.edit, node.state
        new = self._copy()
        new._count = number + 1
        slot = self.shelf.put(edit, state, first=parent is None)
        page = (*self._slots[-1], slot) if number % _PAGE else (slot,)
        new._slots = (*(self._slots[:-1] if number % _PAGE else self._slots), page)
        setting = number if parent is None or edit.kind not in _KEEP else self.setting(parent)
        before = None if parent is None else self._link(parent, _CHILD)
        row = [-1 if k is None else k for k in (parent, None, None, before, setting)]
        if number % _PAGE:
            new._set({number: dict(enumerate(row))}, grow=True)
        else:
            new._links = (*self._links, array("i", row))
        if parent is not None:
            new._set({parent: {_FORWARD: number, _CHILD: number}})
        return new

    def leading(self, forward: Mapping[int, int | None]) -> Nodes:
        """With other ways forward: node -> child or None."""
        new = self._copy()
        changed = {k: {_FORWARD: -1 if to is None else int(to)} for k, to in forward.items() if to != self.forward(k)}
        for number, to in forward.items():
            if to is not None and (to not in self or self.parent(to) != number):
                raise ValueError(f"node {number} leads to {to!r}")
        new._set(changed)
        return new

    def holding(self, number: int, state: State) -> Nodes:
        """With the state of a node replaced."""
        new = self._copy()
        old = self.slot(number)
        slot = self.shelf.put(self.content(number)[0], state, first=number == 0)
        old.superseded = True
        at = number // _PAGE
        page = self._slots[at]
        page = (*page[: number % _PAGE], slot, *page[number % _PAGE + 1 :])
        new._slots = (*self._slots[:at], page, *self._slots[at + 1 :])
        return new

    def linked_as(self, other: Nodes) -> Nodes:
        """With the links of a tree of as many nodes."""
        new = self._copy()
        new._links = other._links
        return new

    def _copy(self) -> Nodes:
        new = Nodes(self.shelf)
        new._count, new._slots, new._links = self._count, self._slots, self._links
        return new

    def _set(self, values: Mapping[int, Mapping[int, int]], grow: bool = False) -> None:
        """Write links of this tree, which nobody else has yet; pages are copied, not changed."""
        pages: dict[int, Any] = {}
        for number, row in values.items():
            at = number // _PAGE
            if at not in pages:
                pages[at] = array("i", self._links[at])
                if grow:
                    pages[at].extend([-1] * _WIDTH)
            for which, value in row.items():
                pages[at][number % _PAGE * _WIDTH + which] = value
        if pages:
            links = list(self._links)
            for at, page in pages.items():
                links[at] = page
            self._links = tuple(links)
