"""Distortion modes of a whole crystal: symmetry-adapted displacements of a supercell, a small ISODISTORT.

Every displacement of the sites of a supercell is a sum of modes, each of one orbit of sites, one wavevector and one
irrep of the parent's space group (Campbell, Stokes, Tanner and Hatch, J. Appl. Cryst. 39, 607 (2006)). Amplitudes are
those of ISODISTORT's "As" normalisation: the root of the summed squares of all displacements in the *supercell*, in
Angstrom, so an amplitude is the projection on a vector of unit norm.

>>> modes = crystal_modes(perovskite, (2, 2, 2), sites="O")
>>> tilt = next(m for m in modes if m.irrep == "R T1g")
>>> modes.subgroup(tilt)
I4/mcm (140) within 0.001 A
"""

from __future__ import annotations

import html
import math
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from motifdesk.structures.arrays import AtomArrays, to_arrays
from motifdesk.structures.errors import MotifError, StructureError
from motifdesk.structures.symmetry import SpaceGroup, space_group
from motifdesk.structures.threads import one_blas_thread

from .crystal_irreps import Species, species, stars
from .crystal_orbits import chosen_orbits, dressed, orbits_of
from .springs import springs
from .supercells import Supercell, supercell_of
from .wavevectors import written

_ROWS = 80  # of the table a notebook shows


@dataclass(frozen=True)
class CrystalMode:
    """One symmetry-adapted displacement of a supercell.

    key: stable name, enough to find the mode again for the same parent and supercell
    ("R[1/2,1/2,1/2]:O3c:T1g:1:3" = wavevector, orbit, irrep, copy, component). label: for people. irrep: wavevector and
    Mulliken symbol in its little co-group ("R T1g"); where the little group has glides or screws, or k and -k differ,
    a number in the list of its irreps ("X #2"). Parities are about the cell's origin where that is an inversion
    centre. dimension: of the whole irrep, all arms of the star. component: from 1. wavevector: float (3,), of this
    component's arm, in the reciprocal basis of the given parent cell. point: letter or None. orbit: element,
    multiplicity and Wyckoff letter ("O 3c"). sites: parent sites of the orbit. copy: counted from 1 where an irrep
    occurs more than once on an orbit (uniform shift first, then softest first). shift: the mode moves the whole orbit
    evenly. polar: turned on alone it gives a polar direction that the parent does not have. vectors: float64
    [N_super, 3], Cartesian, unit norm.
    """

    key: str
    label: str
    irrep: str
    dimension: int
    component: int
    wavevector: tuple[float, float, float]
    point: str | None
    orbit: str
    sites: tuple[int, ...]
    copy: int
    shift: bool
    polar: bool
    vectors: np.ndarray = field(compare=False, repr=False)

    def __str__(self) -> str:
        return self.label


class CrystalModes(Sequence[CrystalMode]):
    """The modes of a supercell in the order of wavevector, orbit, irrep, copy and component.

    parent: the given structure. matrix: int64 [3, 3]. supercell: the undistorted supercell; its site ``s * m + t`` is
    parent site s in the t-th parent cell. source: int64 [N], the parent site of each. group: the parent's space group.
    """

    def __init__(self, parent: Any, cell: Supercell, modes: tuple[CrystalMode, ...]) -> None:
        self.parent = parent
        self.operations = cell
        self.matrix = cell.matrix
        self.source = cell.source
        self.group = cell.group
        self._modes = modes
        self._by_key = {mode.key: mode for mode in modes}
        self._groups: dict[str, SpaceGroup] = {}

    def __len__(self) -> int:
        return len(self._modes)

    def __iter__(self) -> Iterator[CrystalMode]:
        return iter(self._modes)

    def __getitem__(self, index: Any) -> Any:
        """A mode by its place or key, or a slice of them."""
        if isinstance(index, str):
            return self.mode(index)
        return self._modes[index]

    def __repr__(self) -> str:
        points = list(dict.fromkeys(m.point or f"({written(np.array(m.wavevector))})" for m in self._modes))
        told = ", ".join(points[:6]) + (f" and {len(points) - 6} more" if len(points) > 6 else "")
        formula = self.operations.parent.formula
        return (
            f"CrystalModes({formula}, {self.group.symbol}: {len(self)} modes of {len(self.operations)} sites at {told})"
        )

    def _repr_html_(self) -> str:
        """One row for each irrep of each orbit, with the space group its first component leads to."""
        first = [m for m in self._modes if m.component == 1]
        rows = []
        for m in first[:_ROWS]:
            k = f"{m.point or ''} ({written(np.array(m.wavevector))})"
            name = m.irrep.split(" ", 1)[1] + (f", copy {m.copy}" if m.copy > 1 else "")
            what = "uniform shift" if m.shift else ("polar" if m.polar else "")
            cells = (k, name, m.orbit, str(m.dimension), self.subgroup(m).symbol, what)
            rows.append("<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in cells) + "</tr>")
        titles = ("wavevector", "irrep", "sites", "components", "first component alone leads to", "")
        head = "".join(f"<th>{title}</th>" for title in titles)
        more = f"<p>{len(first) - _ROWS} more</p>" if len(first) > _ROWS else ""
        return (
            f"<div><p><code>{html.escape(repr(self))}</code></p><table><thead><tr>{head}</tr></thead>"
            f"<tbody>{''.join(rows)}</tbody></table>{more}</div>"
        )

    def mode(self, mode: CrystalMode | str) -> CrystalMode:
        """The mode a key names. MotifError if there is none."""
        key = str(getattr(mode, "key", mode))
        found = self._by_key.get(key)
        if found is None:
            raise MotifError(
                f"there is no crystal mode {key!r}",
                where=repr(self),
                remedy='keys look like "R[1/2,1/2,1/2]:O3c:T1g:1:1"; list them with [m.key for m in modes]',
            )
        return found

    @cached_property
    def supercell(self) -> Any:
        """The undistorted supercell: a Structure with the parent's species, labels and site properties."""
        return dressed(self.operations, self.parent, self.operations.positions)

    @cached_property
    def basis(self) -> np.ndarray:
        """float64 [modes, 3 N]: the modes' vectors, orthonormal rows."""
        rows = [mode.vectors.ravel() for mode in self._modes]
        return np.array(rows).reshape(len(rows), 3 * len(self.operations))

    @cached_property
    def acoustic(self) -> np.ndarray:
        """float64 [3, N, 3]: the three displacements of the whole crystal, along x, y, z, unit norm."""
        n = len(self.operations)
        return np.einsum("xy,n->xny", np.eye(3), np.full(n, 1 / math.sqrt(n)))

    def amplitudes(self, displacements: Any, *, drift: bool = True) -> dict[str, float]:
        """Mode key -> amplitude (Angstrom) of Cartesian displacements [N, 3] of the supercell's sites.

        ``drift=False`` takes the mean displacement (the acoustic part) away first. MotifError for another shape or
        values that are not finite.
        """
        u = self._displacements(displacements)
        if not drift:
            u = u - u.mean(axis=0)
        return dict(zip(self._by_key, (self.basis @ u.ravel()).tolist(), strict=True))

    def displacements(self, amplitudes: Mapping[Any, float]) -> np.ndarray:
        """float64 [N, 3], Cartesian Angstrom: the sum of the modes with their amplitudes."""
        out = np.zeros((len(self.operations), 3))
        for given, value in amplitudes.items():
            mode = self.mode(given)
            amplitude = float(value)
            if not math.isfinite(amplitude):
                raise MotifError(f"an amplitude of {value}", where=mode.key, remedy="give a finite number of Angstrom")
            out += amplitude * mode.vectors
        return out

    def apply(self, amplitudes: Mapping[Any, float]) -> Any:
        """The supercell with modes turned on, {mode or key: Angstrom}; the cell stays as it is."""
        return dressed(self.operations, self.parent, self.operations.positions + self.displacements(amplitudes))

    def space_group(self, amplitudes: Mapping[Any, float], tolerance: float | None = None) -> SpaceGroup:
        """The space group of the distorted supercell as the symmetry search finds it within `tolerance` Angstrom
        (None: that of the parent's symmetry)."""
        moved = self.operations.positions + self.displacements(amplitudes)
        limit = self.group.tolerance if tolerance is None else tolerance
        return space_group(AtomArrays(self.operations.numbers, moved, self.operations.cell), limit)

    def subgroup(self, mode: CrystalMode | str | Mapping[Any, float]) -> SpaceGroup:
        """The space group that a mode, or a mixture {mode: weight}, leaves of the parent's, any amplitude.

        From the operations that keep the displacement; no structure is searched.
        """
        if isinstance(mode, Mapping):
            return self._left(self.displacements(mode))
        found = self.mode(mode)
        if found.key not in self._groups:
            self._groups[found.key] = self._left(found.vectors)
        return self._groups[found.key]

    def _left(self, displacements: np.ndarray) -> SpaceGroup:
        cell, sites = self.operations.even
        return cell.subgroup(cell.keepers(_at_rest(displacements)[sites]))

    def partners(self, mode: CrystalMode | str) -> tuple[CrystalMode, ...]:
        """Every component of the mode's irrep copy on its orbit: the order parameter it belongs to."""
        stem = self.mode(mode).key.rsplit(":", 1)[0]
        return tuple(m for m in self._modes if m.key.rsplit(":", 1)[0] == stem)

    def primary(self, displacements: Any, *, share: float = 0.02) -> tuple[CrystalMode, ...]:
        """The modes that make the symmetry of a distortion: the fewest irreps, by falling amplitude, whose part of the
        displacements [N, 3] leaves no more of the parent's operations than the whole of them does.

        Components below `share` of the largest amplitude, or of the irrep's own, are not listed. The rest of the
        distortion is secondary: it comes along because symmetry allows it.
        """
        u = self._displacements(displacements)
        u = u - u.mean(axis=0)
        values = self.basis @ u.ravel()
        largest = float(np.abs(values).max(initial=0.0))
        if largest < 1e-9:
            return ()
        values = np.where(np.abs(values) < share * largest, 0.0, values)
        groups: dict[tuple, list[int]] = {}
        for n, mode in enumerate(self._modes):
            groups.setdefault((mode.irrep, mode.key.split(":")[0]), []).append(n)
        sizes = {name: float(np.linalg.norm(values[index])) for name, index in groups.items()}
        goal = self._kept(values)
        chosen: list[int] = []
        now = np.ones_like(goal)
        for name in sorted(sizes, key=lambda name: -sizes[name]):
            if (now == goal).all() or sizes[name] == 0.0:
                break
            alone = np.zeros_like(values)
            alone[groups[name]] = values[groups[name]]
            narrower = now & self._kept(alone)
            if (narrower != now).any():
                chosen += groups[name]
                now = narrower
        out = [n for n in chosen if values[n] != 0.0]
        return tuple(self._modes[n] for n in sorted(out, key=lambda n: -abs(values[n])))

    def _kept(self, values: np.ndarray) -> np.ndarray:
        return self.operations.keepers(_at_rest((values @ self.basis).reshape(-1, 3)), 1e-4)

    def _displacements(self, given: Any) -> np.ndarray:
        u = np.asarray(given, dtype=float)
        if u.shape != (len(self.operations), 3) or not np.isfinite(u).all():
            raise MotifError(
                f"displacements of shape {u.shape}",
                where=repr(self),
                remedy=f"give finite displacements [{len(self.operations)}, 3] in the order of .supercell",
            )
        return u


def _at_rest(displacements: np.ndarray) -> np.ndarray:
    """Displacements without the shift of the whole crystal, which breaks nothing."""
    u = displacements - displacements.mean(axis=0)
    return u if np.abs(u).max() > 1e-9 * max(1.0, float(np.abs(displacements).max())) else np.zeros_like(u)


def crystal_modes(
    structure: Any,
    supercell: Any = (1, 1, 1),
    *,
    sites: Any = None,
    tolerance: float = 1e-3,
) -> CrystalModes:
    """Every displacement mode of a supercell of a parent crystal, by wavevector, orbit and irrep.

    Parameters
    ----------
    structure
        the undistorted parent (Structure, ase.Atoms or AtomArrays), best in its primitive or conventional cell: a cell
        that is itself an uneven supercell keeps fewer operations, and modes are sorted by those.
    supercell
        three whole numbers or an integer matrix [3, 3], rows the supercell's vectors in those of `structure`. Modes are
        sorted by the operations that keep its lattice: all of them for (2, 2, 2), those of the tetragonal subgroup for
        (1, 1, 2) of a cubic crystal.
    sites
        which orbits: None for all, an element ("O"), a Wyckoff letter ("c"), both ("O c", "O 3c"), the number of an
        orbit in the order of the sites, or a list of these.
    tolerance
        of the parent's symmetry, Angstrom.

    Raises
    ------
    StructureError
        a molecule, no supercell, or more than 256 sites in it.
    MotifError
        `sites` names no orbit.
    """
    with one_blas_thread():
        cell, modes = _cached(to_arrays(structure), supercell, tolerance)
    chosen = chosen_orbits(cell, sites)
    return CrystalModes(structure, cell, tuple(m for m in modes if m.sites[0] in chosen))


_CACHE: OrderedDict[tuple, tuple[Supercell, tuple[CrystalMode, ...]]] = OrderedDict()
_KEPT = 8
_LOCK = threading.Lock()


def _cached(arrays: AtomArrays, matrix: Any, tolerance: float) -> tuple[Supercell, tuple[CrystalMode, ...]]:
    if arrays.cell is None:
        supercell_of(arrays, matrix, tolerance)  # raises
    shape = np.asarray(matrix, dtype=object)
    try:
        key = (
            arrays.numbers.tobytes(),
            arrays.positions.tobytes(),
            arrays.cell.tobytes(),  # type: ignore[union-attr]
            shape.shape,
            tuple(float(x) for x in shape.ravel()),
            float(tolerance),
        )
    except (TypeError, ValueError):
        raise StructureError(f"{matrix!r} is no supercell", remedy="give three whole numbers") from None
    with _LOCK:
        found = _CACHE.pop(key, None)
    if found is None:
        cell = supercell_of(arrays, matrix, tolerance)
        found = cell, tuple(_modes(cell))
    with _LOCK:
        _CACHE[key] = found  # last used, last thrown out
        while len(_CACHE) > _KEPT:
            _CACHE.popitem(last=False)
    return found


def _modes(cell: Supercell) -> Iterator[CrystalMode]:
    orbits = orbits_of(cell)
    stiffness = springs(cell)
    for star in stars(cell):
        for tag, members in orbits.items():
            for found in species(cell, star, members, stiffness):
                yield from _named(found, tag, members, len(cell.parent))


def _named(found: Species, tag: str, members: np.ndarray, sites: int) -> Iterator[CrystalMode]:
    star, dimension = found.star, len(found.vectors)
    symbol = found.irrep.split(" ", 1)[1]
    coordinates = written(star.arms[0])
    place = f"{star.point}[{coordinates}]"
    for n in range(dimension):
        vectors = found.vectors[n]
        vectors.setflags(write=False)
        arm = star.arms[found.arm[n]]
        which = f" ({n + 1} of {dimension})" if dimension > 1 else ""
        k = "" if star.at_zero else f"({written(arm)})"
        polar = found.polar[n] and not (found.shift and len(members) == sites)
        what = (", uniform shift" if found.shift else "") + (", polar" if polar else "")
        yield CrystalMode(
            f"{place}:{tag.replace(' ', '')}:{symbol}:{found.copy}:{n + 1}",
            f"{star.point}{k} {symbol}{which}, {tag}{what}" + ("" if found.copy == 1 else f", copy {found.copy}"),
            found.irrep,
            dimension,
            n + 1,
            (float(arm[0]), float(arm[1]), float(arm[2])),
            star.name,
            tag,
            tuple(int(s) for s in members),
            found.copy,
            found.shift,
            polar,
            vectors,
        )
