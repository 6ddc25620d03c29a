"""The design against another structure: its modes and strain from a parent, and the way to it as images."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.session.history import History
from motifdesk.session.state import Reference
from motifdesk.structures.arrays import AtomArrays, from_arrays, to_arrays
from motifdesk.structures.errors import SessionError

if TYPE_CHECKING:
    from motifdesk.motifs import Decomposition, Morph
    from motifdesk.session.state import State

SECONDS = 20.0
"""Time limit of the search that pairs atoms and cells; the best pairing so far is used, with a warning."""
_CLOSE = 0.75  # share of the shortest distance at the ends below which the way is called unlikely
_KEPT = 6


@dataclass(frozen=True, eq=False)
class Other:
    """A structure beside the design. title: for people ("step 0: Open BaTiO3")."""

    title: str
    structure: Any


def other(history: History, which: Any) -> Other:
    """Resolve "start" (the structure this session began with), a history node, or anything ``motifdesk.read`` takes."""
    if isinstance(which, Other):
        return which
    if isinstance(which, str) and which == "start":
        which = 0
    if isinstance(which, (int, np.integer)) and not isinstance(which, bool):
        node = history[int(which)]
        return Other(f"step {node.id}: {node.edit.name}", node.state.structure)
    from motifdesk.structures import read

    if which is None or isinstance(which, bool):
        raise SessionError(
            f"{which!r} is no structure", where="session", remedy='give "start", a history node, a path or a structure'
        )
    found = read(which)
    title = Path(which).name if isinstance(which, (str, Path)) else to_arrays(found).formula
    return Other(title, found)


def decomposed(state: State, parent: Any, *, tolerance: float = 0.01, seconds: float = SECONDS) -> Decomposition:
    """The strain of `state` from a parent structure and the amplitude of each of the parent's modes in it.

    SessionError for molecules; MotifError as :func:`motifdesk.motifs.decompose` (other composition, no common cell).
    """
    if not state.arrays.is_crystal or not to_arrays(parent).is_crystal:
        raise SessionError(
            "a molecule has no symmetry modes of a crystal", where="decomposition", remedy="compare two crystals"
        )
    from motifdesk.motifs import decompose

    return decompose(parent, state.structure, tolerance=tolerance, seconds=seconds)


class Way:
    """A continuous way from the design (t = 0) to another structure (t = 1); wraps a `Morph`.

    same: the images keep the design's cell and atoms, as they do where the design's cell holds whole cells of the path.
    reference: of the images' atoms where they do not (a common supercell), else None.
    """

    def __init__(self, start: AtomArrays, morph: Morph) -> None:
        self.start = start
        self.morph = morph
        self._repeat: np.ndarray | None = None
        self._first = to_arrays(morph.at(0.0))
        self._repeated()
        first = self.arrays(0.0)
        self.same = len(first.numbers) == len(start.numbers) and bool((first.numbers == start.numbers).all())
        self.reference = None if self.same else Reference(first, from_arrays(first))

    def arrays(self, t: float) -> AtomArrays:
        """The atoms at t, in the order and cell of the design where that holds whole cells of the path."""
        image = to_arrays(self.morph.at(t))
        if self._repeat is None or image.cell is None:
            return image
        moved = self._places + (image.fractional - self._first.fractional)[self._rows]
        return AtomArrays(self.start.numbers, moved @ image.cell, self._repeat @ image.cell)

    def _repeated(self) -> None:
        """Where the design is a supercell of the path's cell (it was matched by its primitive cell): the multiple, the
        design's atoms in units of the path's cell, and the atom of the path behind each."""
        start, path = self.start, self._first
        if start.cell is None or path.cell is None or len(start.numbers) <= len(path.numbers):
            return
        times = start.cell @ np.linalg.inv(path.cell)
        whole = np.rint(times)
        if np.abs(times - whole).max() > 1e-3:
            return
        places = start.positions @ np.linalg.inv(path.cell)
        delta = places[:, None] - path.fractional[None]
        distance = np.linalg.norm((delta - np.rint(delta)) @ path.cell, axis=2)
        distance[start.numbers[:, None] != path.numbers[None]] = np.inf
        rows = distance.argmin(axis=1)
        if distance.min(axis=1).max() < 0.1 and len(set(np.bincount(rows, minlength=len(path.numbers)))) == 1:
            self._repeat, self._places, self._rows = times, places, rows

    @cached_property
    def note(self) -> str:
        """A sentence where atoms come unreasonably close on the way, else ""."""
        t, contact = self.morph.closest()
        ends = [_shortest(self.morph.at(end)) for end in (0.0, 1.0)]
        known = [d for d in ends if d is not None]
        if contact is None or not known or contact.distance >= _CLOSE * min(known):
            return ""
        numbers = self.arrays(0.0).numbers
        from motifdesk.structures.arrays import element_symbols

        symbols = element_symbols()
        names = " and ".join(f"{symbols[int(numbers[k])]}{k}" for k in (contact.a, contact.b))
        return f"{names} pass {contact.distance:.2f} Å apart at t = {t:.2f}: the straight way is no likely mechanism"


def _shortest(structure: Any) -> float | None:
    from motifdesk.motifs import shortest_contact

    contact = shortest_contact(structure)
    return None if contact is None else float(contact.distance)


_CACHE: OrderedDict[tuple[bytes, ...], Way] = OrderedDict()
_LOCK = threading.Lock()


def way(start: AtomArrays, target: Any) -> Way:
    """The way from `start` to a structure (remembered: the slider asks at every move).

    MotifError as :func:`motifdesk.motifs.morph`: different compositions, a molecule and a crystal, no common cell.
    """
    end = to_arrays(target)
    key = (*_bytes(start), *_bytes(end))
    with _LOCK:
        found = _CACHE.pop(key, None)
    if found is None:
        from motifdesk.motifs import morph

        # too_close=0: contacts become a note on the state instead of a warning in the log
        found = Way(start, morph(from_arrays(start), from_arrays(end), too_close=0.0, seconds=SECONDS))
    with _LOCK:
        _CACHE[key] = found
        while len(_CACHE) > _KEPT:
            _CACHE.popitem(last=False)
    return found


def known_way(start: AtomArrays, target: Any) -> bool:
    """Whether the way is there already."""
    with _LOCK:
        return (*_bytes(start), *_bytes(to_arrays(target))) in _CACHE


def _bytes(arrays: AtomArrays) -> tuple[bytes, ...]:
    cell = b"" if arrays.cell is None else arrays.cell.tobytes()
    return arrays.numbers.tobytes(), arrays.positions.tobytes(), cell


def images(start: AtomArrays, target: Any, n: int) -> list[Any]:
    """`n` structures, evenly spaced from the design to the target, both ends among them."""
    found = way(start, target)
    if isinstance(n, bool) or int(n) != n or n < 2:
        raise SessionError(f"{n} images", where="images", remedy="give a whole number from 2")
    return [from_arrays(found.arrays(float(t))) for t in np.linspace(0.0, 1.0, int(n))]


def write_images(
    structures: list[Any],
    folder: Any,
    format: str,
    overwrite: bool,
    provenance: Mapping[str, Any],
    each: Sequence[Mapping[str, Any]] | None = None,
) -> list[Path]:
    """Write structures as numbered files into `folder` (made if need be), with ``provenance`` and what is said of each
    one. SessionError names the first file that is in
    the way; nothing is written then."""
    from motifdesk.structures import write

    suffixes = {"cif": ".cif", "poscar": ".vasp", "vasp": ".vasp", "extxyz": ".extxyz", "xyz": ".xyz", "json": ".json"}
    if format not in suffixes:
        raise SessionError(
            f"unknown format {format!r}", where="images", remedy=f"choose one of {', '.join(sorted(suffixes))}"
        )
    place = Path(folder).expanduser()
    digits = max(2, len(str(len(structures) - 1)))
    paths = [place / f"image-{k:0{digits}d}{suffixes[format]}" for k in range(len(structures))]
    there = [p for p in paths if p.exists()]
    if there and not overwrite:
        raise SessionError("the file exists already", where=there[0], remedy="choose another folder, or overwrite=True")
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SessionError(
            f"the folder cannot be made ({error.strerror})",
            where=place,
            remedy="choose a folder that may be written to",
        ) from None
    last = max(1, len(structures) - 1)
    return [
        write(
            made,
            path,
            format=format,
            overwrite=overwrite,
            provenance={**provenance, "t": round(k / last, 6), **(each[k] if each is not None else {})},
        )
        for k, (made, path) in enumerate(zip(structures, paths, strict=True))
    ]
