"""Atoms moved by hand: a displacement of chosen sites, alone or with all that symmetry makes alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from motifdesk.session.state import State, moved
from motifdesk.session.workers import Draft, Worker, finite
from motifdesk.structures.arrays import AtomArrays, element_symbols
from motifdesk.structures.errors import SessionError

KEEPS = ("free", "symmetry")
_FAR = 50.0  # Angstrom: no hand moves an atom that far
_SAME = 0.05  # Angstrom: how exactly an operation has to take one site to another
_NAMES = 3


def chosen_sites(sites: Any, count: int, where: str) -> list[int]:
    """Site indices, each once, in order; SessionError for what is none."""
    try:
        many = [sites] if isinstance(sites, int | np.integer | str) else list(sites)
        if any(isinstance(s, bool) for s in many):
            raise TypeError
        found = sorted({int(s) for s in many})
    except (TypeError, ValueError):
        raise SessionError(f"{sites!r} are no sites", where=where, remedy="give site indices") from None
    if not found:
        raise SessionError("no sites given", where=where, remedy="pick atoms, or name site indices")
    for index in found:
        if not 0 <= index < count:
            raise SessionError(f"there is no site {index}", where=where, remedy=f"choose 0 ... {count - 1}")
    return found


class MoveSites(Worker):
    """Displace sites by vectors in Angstrom. A preview changes coordinates alone: motifs and bonds are found anew at
    the end."""

    kind = "move_sites"

    def update(self, sites: Any, shift: Any = None, keep: str = "free") -> Draft:
        """``sites``: one index or several, with one ``shift`` [3] or one for each [n, 3]; or {site: vector}.

        ``keep`` "symmetry": every site moves as the symmetry of the design before the move asks; of the shift of a site
        on a mirror plane only the part within the plane is left, and its equivalents follow.
        """
        arrays = self.origin.arrays
        if keep not in KEEPS:
            raise SessionError(f"unknown keep {keep!r}", where="move_sites", remedy=f"choose one of {', '.join(KEEPS)}")
        if isinstance(sites, Mapping):
            picked = chosen_sites(list(sites), len(arrays), "move_sites")
            by_index = {int(k): v for k, v in sites.items()}
            vectors = finite([by_index[k] for k in picked], "shift", (len(picked), 3))
        else:
            picked = chosen_sites(sites, len(arrays), "move_sites")
            given = finite(shift, "shift")
            if given.shape not in ((3,), (len(picked), 3)):
                raise SessionError(
                    f"shift has shape {given.shape}", where="move_sites", remedy="give [3] or one vector a site"
                )
            vectors = np.broadcast_to(given, (len(picked), 3))
        if np.abs(vectors).max() > _FAR:
            raise SessionError("that is out of reach", where="move_sites", remedy=f"stay within {_FAR:g} Å")
        field = np.zeros((len(arrays), 3))
        field[picked] = vectors
        if keep == "symmetry":
            field = self._symmetric(field, picked)
        made = AtomArrays(arrays.numbers, arrays.positions + field, arrays.cell)
        recipe = {"sites": picked, "shift": np.asarray(vectors).tolist(), "keep": keep}
        return Draft(moved(self.origin, made), _name(self.origin, picked, field[picked]), recipe)

    def _symmetric(self, field: np.ndarray, picked: list[int]) -> np.ndarray:
        """The shifts carried by every operation, averaged where several arrive: invariant, and the wish where it
        can."""
        turns, places = operations_on_sites(self.origin)
        total, count = np.zeros_like(field), np.zeros(len(field))
        for site in picked:
            np.add.at(total, places[:, site], turns @ field[site])
            np.add.at(count, places[:, site], 1)
        return total / np.maximum(count, 1)[:, None]


def operations_on_sites(state: State) -> tuple[np.ndarray, np.ndarray]:
    """Cartesian rotations [G, 3, 3] and site permutations [G, N] of a crystal's space group (within 0.01 A).

    Remembered for the arrays it was asked for last. Sites are matched once for every rotation and every lattice
    translation of the cell; what both do together is the one after the other.
    """
    from motifdesk.structures.symmetry import symmetry_operations

    arrays = state.arrays
    if arrays.cell is None:
        raise SessionError("a molecule has no space group to keep", where="move_sites", remedy='say keep="free"')
    known = state.reference.scratch.get("operations on sites")
    if known is not None and known[0] is arrays:
        return known[1], known[2]
    rotations, translations = (np.asarray(x, dtype=float) for x in symmetry_operations(arrays, 0.01))
    cell = np.asarray(arrays.cell)
    matched = _matcher(arrays)
    same: dict[bytes, list[int]] = {}
    for k, rotation in enumerate(rotations):
        same.setdefault(rotation.tobytes(), []).append(k)
    one = np.eye(3)
    shifts = [(w, p) for w in translations[same[one.tobytes()]] if (p := matched(one, w)) is not None]
    shift_by, shift_to = np.array([w for w, _ in shifts]), np.array([p for _, p in shifts])
    turns, places = [], []
    for these in same.values():
        rotation = rotations[these[0]]
        first, place = next(
            ((k, p) for k in these if (p := matched(rotation, translations[k])) is not None), (these[0], None)
        )
        if place is None:
            continue
        apart = (translations[these] - translations[first])[:, None] - shift_by
        far = np.linalg.norm((apart - np.rint(apart)) @ cell, axis=-1)
        on = far.argmin(axis=1)[far.min(axis=1) < _SAME]
        places.append(shift_to[on][:, place])
        turns.append(np.broadcast_to(cell.T @ rotation @ np.linalg.inv(cell.T), (len(on), 3, 3)))
    found = np.concatenate(turns), np.concatenate(places)
    state.reference.scratch["operations on sites"] = (arrays, *found)
    return found


def _matcher(arrays: AtomArrays) -> Callable[[np.ndarray, np.ndarray], np.ndarray | None]:
    """(rotation, translation), fractional -> int [N] where the operation takes every site; None where it is none."""
    from scipy.spatial import cKDTree

    cell = np.asarray(arrays.cell)
    f = np.linalg.solve(cell.T, arrays.positions.T).T
    f = (f - np.floor(f)) % 1.0  # -1e-17 would round up to 1
    tree = cKDTree(f, boxsize=1.0)

    def matched(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray | None:
        image = f @ rotation.T + translation
        # sites are much farther apart than _SAME: the nearest in fractions is the one, or none is
        place = np.asarray(tree.query((image - np.floor(image)) % 1.0)[1])
        delta = image - f[place]
        far = np.linalg.norm((delta - np.rint(delta)) @ cell, axis=1)
        same = (arrays.numbers[place] == arrays.numbers).all()
        return place if same and far.max() < _SAME and len(np.unique(place)) == len(f) else None

    return matched


def _name(state: State, picked: Iterable[int], vectors: np.ndarray) -> str:
    symbols = element_symbols()
    picked = list(picked)
    names = ", ".join(f"{symbols[state.arrays.numbers[k]]}{k}" for k in picked[:_NAMES])
    more = f" and {len(picked) - _NAMES} more" if len(picked) > _NAMES else ""
    size = float(np.linalg.norm(vectors, axis=1).max())
    return f"Move {names}{more} by {size:.3f} Å"
