"""Where the steps of a long history lie: the last ones used in memory, the others in a file that ends with the kernel.

A designer makes thousands of steps and looks back at few. A step that has not been used for a while is written, once
and at full precision, to a temporary file without a name, and read again when somebody asks for it: the same state bit
for bit, on the same base structure. What is written is the JSON of the session file, so that saving copies it. A step
that cannot be written (no room on the disk, a value JSON does not know) stays in memory.
"""

from __future__ import annotations

import json
import os
import struct
import tempfile
import threading
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from motifdesk.session.member import Built
from motifdesk.session.services import base_versions
from motifdesk.session.state import Reference, State, frozen_mapping
from motifdesk.session.step import (
    Edit,
    arrays_from_json,
    arrays_to_json,
    edit_from_json,
    latent_from_json,
    state_from_json,
    step_to_json,
)
from motifdesk.structures.arrays import AtomArrays

MOST_HOT = 128
"""Steps held in memory besides the first."""
MOST_ATOMS = 50_000
"""... fewer of large structures: this many atoms together, but never fewer than 8 steps."""
_LEAST_HOT = 8
_AT_ONCE = 16  # steps written together: every write lets other threads take the interpreter
_MOST_AT_ONCE = 32_000_000  # bytes
_SIZES = struct.Struct("<4Q")  # bytes of the step, of what is not saved, of its code, of the code asked for


class Slot:
    """One step. ``name``, ``kind`` and ``xy`` (its place on the map) are known at any time; edit and state may be on
    the shelf."""

    __slots__ = ("content", "kind", "name", "offset", "superseded", "used", "xy")

    def __init__(self, edit: Edit, state: State, offset: int = -1) -> None:
        self.content: tuple[Edit, State] | None = (edit, state)
        self.name = edit.name
        self.kind = edit.kind
        self.xy = state.latent.xy
        self.offset = offset  # in the file; -1: not written
        self.used = False
        self.superseded = False  # by a slot with another pick or place: nobody will ask for it


class Shelf:
    """The steps of one history. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._hot: deque[Slot] = deque()
        self._file: Any = None
        self._end = 0
        self._maker = os.getpid()
        self._states: weakref.WeakValueDictionary[int, State] = weakref.WeakValueDictionary()
        self._references: weakref.WeakValueDictionary[int, Reference] = weakref.WeakValueDictionary()
        self._templates = _Shared(self, _template_to_json, _template_from_json)
        self._members = _Shared(self, _member_to_json, _member_from_json)
        self._versions: dict[Any, Mapping[str, str]] = {}
        self.restored: Callable[[Reference], None] | None = None
        """Told of a base structure that was read again."""

    def put(self, edit: Edit, state: State, first: bool = False) -> Slot:
        """A place for a step; the ``first`` of a history never leaves memory."""
        slot = Slot(edit, state)
        with self._lock:
            self._references[state.reference.key] = state.reference
            if not first:
                self._hot.append(slot)
                self._make_room(len(state.arrays))
        return slot

    def content(self, slot: Slot, number: int, parent: int | None, base: Callable[[int], State]) -> tuple[Edit, State]:
        """Edit and state of ``slot``, which is node ``number``; ``base`` gives the state of another node."""
        slot.used = True
        found = slot.content
        if found is None:
            with self._lock:
                found = slot.content
                if found is None:
                    found = slot.content = self._read(slot.offset, number, parent, base)
                    self._hot.append(slot)
                    self._make_room(len(found[1].arrays))
        return found

    def texts(self, slots: Sequence[Slot]) -> list[bytes]:
        """The JSON of steps without their places in the tree; ValueError and TypeError where there is none."""
        with self._lock:
            self._write([slot for slot in slots if slot.offset < 0])
            places = [slot.offset for slot in slots if slot.offset >= 0]
            if not places:
                return [_worded(slot) for slot in slots]
            # steps lie side by side as a rule: one read for all of them
            low, high = min(places), max(places)
            span = high - low + _SIZES.size
            near = b"" if span > _MOST_AT_ONCE else self._bytes(low, span + self._length(high))

            def piece(slot: Slot) -> bytes:
                if slot.offset < 0:  # no room for a copy, but perhaps where it is wanted
                    return _worded(slot)
                if not near:
                    return self.pieces(slot.offset)[0]
                begin = slot.offset - low
                size = _SIZES.unpack_from(near, begin)[0]
                return near[begin + _SIZES.size : begin + _SIZES.size + size]

            return [piece(slot) for slot in slots]

    # ------------------------------------------------------------------------------------------------ inner workings

    def _make_room(self, atoms: int) -> None:
        most = max(_LEAST_HOT, min(MOST_HOT, MOST_ATOMS // max(atoms, 1)))
        if len(self._hot) < most + min(_AT_ONCE, most):
            return
        leaving: list[Slot] = []
        while len(self._hot) > most:
            slot = self._hot.popleft()
            if slot.superseded or slot.content is None:
                continue
            if slot.used:  # since it came by last
                slot.used = False
                self._hot.append(slot)
            else:
                leaving.append(slot)
        self._write(leaving)
        for slot in leaving:
            if slot.offset >= 0 and slot.content is not None:
                self._states[slot.offset] = slot.content[1]
                slot.content = None

    def _write(self, slots: list[Slot]) -> None:
        """Write those that are not written yet; those that cannot be stay where they are."""
        new: list[tuple[Slot, list[bytes]]] = []
        for slot in slots:
            if slot.offset < 0:
                try:
                    new.append((slot, self._pieces_of(slot)))
                except (OSError, TypeError, ValueError):
                    continue
        try:
            places = self.append(*(pieces for _, pieces in new))
        except OSError:
            return
        for (slot, _), place in zip(new, places, strict=True):
            slot.offset = place

    def _pieces_of(self, slot: Slot) -> list[bytes]:
        assert slot.content is not None
        edit, state = slot.content
        latent = state.latent
        root, target = (b"" if c is None else _code(c) for c in (latent.root, latent.target_root))
        own = state.base == state.node
        beside = {
            "reference": state.reference.key,
            "template": self._templates.place(state.reference.template) if own else None,
            "member": None if state.built is None else self._members.place(state.built),
        }
        return [_dumped(step_to_json(edit, state)), _dumped(beside), root, target]

    def append(self, *records: list[bytes]) -> list[int]:
        """Write records of up to four pieces each; where they are. OSError when there is no room."""
        with self._lock:
            if os.getpid() != self._maker:
                raise OSError("the file belongs to another process")
            if not records:
                return []
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="motifdesk-", buffering=0)  # noqa: SIM115 - ends with us
            places, parts, end = [], [], self._end
            for pieces in records:
                sizes = [len(p) for p in pieces] + [0] * (4 - len(pieces))
                places.append(end)
                parts += [_SIZES.pack(*sizes), *pieces]
                end += _SIZES.size + sum(sizes)
            whole = memoryview(b"".join(parts))
            self._file.seek(self._end)
            written = 0
            while written < len(whole):
                took = self._file.write(whole[written:])
                if not took:
                    raise OSError("no room on the disk")
                written += took
            self._end = end
            return places

    def pieces(self, place: int) -> list[bytes]:
        """What was written at ``place``."""
        with self._lock:
            sizes = _SIZES.unpack(self._bytes(place, _SIZES.size))
            whole = self._bytes(place + _SIZES.size, sum(sizes))
            ends = np.cumsum(sizes).tolist()
            return [whole[end - size : end] for size, end in zip(sizes, ends, strict=True)]

    def _length(self, place: int) -> int:
        return sum(_SIZES.unpack(self._bytes(place, _SIZES.size)))

    def _bytes(self, place: int, size: int) -> bytes:
        self._file.seek(place)
        parts, left = [], size
        while left:
            part = self._file.read(left)
            if not part:
                raise OSError("the shelf of the history was cut off")
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def _read(self, place: int, number: int, parent: int | None, base: Callable[[int], State]) -> tuple[Edit, State]:
        body, about, root, target = self.pieces(place)
        data, beside = json.loads(body), json.loads(about)
        edit = edit_from_json(data["edit"], parent)
        edit = Edit(edit.name, edit.kind, edit.parameters, parent, edit.seed, self._known_versions(edit.versions))
        state = self._states.get(place)
        if state is not None:  # somebody holds it
            return edit, state
        arrays = arrays_from_json(data["arrays"])
        reference = self._references.get(beside["reference"])
        if reference is None:
            if int(data["base"]) == number:
                reference = Reference(arrays, self._templates.get(beside["template"]), key=beside["reference"])
                self._references[reference.key] = reference
                if self.restored is not None:
                    self.restored(reference)
            else:
                reference = base(int(data["base"])).reference
        arrays = _sharing(arrays, reference.arrays)
        latent = latent_from_json(data["latent"], _as_code(root), _as_code(target))
        built = None if beside["member"] is None else self._members.get(beside["member"])
        return edit, state_from_json(data, number, edit, arrays, reference, latent, built)

    def _known_versions(self, versions: Mapping[str, str]) -> Mapping[str, str]:
        if versions == base_versions():
            return base_versions()
        return self._versions.setdefault(tuple(sorted(versions.items())), versions)


class _Shared:
    """Objects that many steps refer to, each written once and read again when nobody holds it any more. One that would
    not come back the same is held."""

    def __init__(self, shelf: Shelf, encode: Callable[[Any], Any], decode: Callable[[Any], Any]) -> None:
        self._shelf = shelf
        self._encode, self._decode = encode, decode
        self._places: list[Any] = []  # where it is written, or the object itself
        self._alive: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        self._numbers: dict[int, int] = {}  # id of an object that lives -> its number

    def place(self, thing: Any) -> int:
        """Its number."""
        number = self._numbers.get(id(thing))
        if number is not None and self._alive.get(number) is thing:
            return number
        number = len(self._places)
        try:
            self._places += self._shelf.append([_dumped(self._encode(thing))])
        except (TypeError, ValueError):
            self._places.append(thing)
        self._known(number, thing)
        return number

    def get(self, number: int) -> Any:
        """The object of a number."""
        thing = self._alive.get(number)
        if thing is None:
            place = self._places[number]
            thing = self._decode(json.loads(self._shelf.pieces(place)[0])) if isinstance(place, int) else place
            self._known(number, thing)
        return thing

    def _known(self, number: int, thing: Any) -> None:
        self._alive[number] = thing
        key = id(thing)
        self._numbers[key] = number
        weakref.finalize(thing, self._forget, key, number).atexit = False

    def _forget(self, key: int, number: int) -> None:
        if self._numbers.get(key) == number:
            del self._numbers[key]


def _worded(slot: Slot) -> bytes:
    assert slot.content is not None
    return _dumped(step_to_json(*slot.content))


def _dumped(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, allow_nan=False, ensure_ascii=False).encode("utf-8")


def _template_to_json(template: Any) -> dict[str, Any]:
    return template.as_dict()  # numpy arrays in it are no JSON: then the object is held


def _template_from_json(data: Mapping[str, Any]) -> Any:
    from pymatgen.core import Molecule, Structure

    return (Structure if "lattice" in data else Molecule).from_dict(dict(data))


def _member_to_json(built: Built) -> dict[str, Any]:
    return {
        "family": built.family,
        "parameters": dict(built.parameters),
        "neutral": built.neutral,
        "arrays": arrays_to_json(built.arrays),
    }


def _member_from_json(data: Mapping[str, Any]) -> Built:
    arrays = arrays_from_json(data["arrays"])
    return Built(str(data["family"]), frozen_mapping(data["parameters"]), arrays, bool(data["neutral"]))


def _code(code: Any) -> bytes:
    values = np.asarray(code)
    if values.ndim != 1 or values.dtype != np.float32:
        raise TypeError("not a code")
    return values.tobytes()


def _as_code(raw: bytes) -> np.ndarray | None:
    return np.frombuffer(raw, dtype=np.float32) if raw else None


def _sharing(arrays: AtomArrays, base: AtomArrays) -> AtomArrays:
    """``arrays`` with what is equal in ``base`` taken from there."""
    same = base.numbers.shape == arrays.numbers.shape and bool((base.numbers == arrays.numbers).all())
    cell = arrays.cell
    if cell is not None and base.cell is not None and cell.tobytes() == base.cell.tobytes():
        cell = base.cell
    return AtomArrays(base.numbers if same else arrays.numbers, arrays.positions, cell)
