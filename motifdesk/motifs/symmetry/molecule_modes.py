"""Distortion modes of a whole molecule: symmetry coordinates by point group, orbit of atoms and irrep.

Every change of shape of a molecule is a sum of 3N - 6 coordinates (3N - 5 on a line; E. B. Wilson, J. C. Decius, P. C.
Cross, Molecular Vibrations, McGraw-Hill 1955, ch. 6). An atom bonded to one other atom rides: it follows that atom,
and its own coordinates stretch and bend its bond. The others are the frame. What moves or turns the molecule as a
whole is left out of the first orbit that would show it.

>>> modes = molecule_modes(benzene)
>>> chair = next(m for m in modes if m.words == "out of plane, alternating")
>>> modes.subgroup({chair.key: 0.1}).symbol
'D3d'
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from motifdesk.structures.arrays import AtomArrays, element_symbols, to_arrays
from motifdesk.structures.errors import MotifError
from motifdesk.structures.threads import one_blas_thread

from ..detection.molecules import bonded_pairs
from ..figures.molecular_group import TOLERANCE, MolecularGroup, molecular_group, named
from ..figures.pointgroup import PointGroup
from .irreps import irreps_of, spokes
from .molecule_words import signed, words_of

KINDS = ("frame", "stretch", "bend")


@dataclass(frozen=True)
class MoleculeMode:
    """One symmetry coordinate of a molecule.

    key: stable name ("6C0:frame:E2g:1:2" = orbit with its first atom, kind, irrep, copy, component). irrep: Mulliken
    symbol in the molecule's point group. kind: "frame", or "stretch" and "bend" of the bonds of atoms that ride.
    component, dimension, copy: from 1; copies softest first under springs between the atoms. orbit: number of atoms and
    element ("6 C"), or the atom ("C3"). atoms: of the orbit. words: what it does. vectors: float64 [N, 3], Cartesian;
    of unit norm over the orbit's atoms, riding atoms besides, so an amplitude is the root of the summed squares of the
    orbit's displacements.
    """

    key: str
    irrep: str
    kind: str
    component: int
    dimension: int
    copy: int
    orbit: str
    atoms: tuple[int, ...]
    words: str
    vectors: np.ndarray = field(compare=False, repr=False)

    @property
    def label(self) -> str:
        """ "E2g (1 of 2), 6 C frame, in plane"."""
        which = f" ({self.component} of {self.dimension})" if self.dimension > 1 else ""
        words = f", {self.words}" if self.words else ""
        return f"{self.irrep}{which}, {self.orbit} {self.kind}{words}" + (
            f", copy {self.copy}" if self.copy > 1 else ""
        )

    def __str__(self) -> str:
        return self.label


class MoleculeModes(Sequence[MoleculeMode]):
    """The modes of a molecule: frame first, then stretches and bends. `group`: its `MolecularGroup`."""

    def __init__(
        self, arrays: AtomArrays, group: PointGroup, tolerance: float, modes: tuple[MoleculeMode, ...]
    ) -> None:
        self.arrays = arrays
        self.group = named(group, tolerance)
        self._tolerance = tolerance
        self._group = group
        self._modes = modes
        self._by_key = {m.key: m for m in modes}

    def __len__(self) -> int:
        return len(self._modes)

    def __iter__(self) -> Iterator[MoleculeMode]:
        return iter(self._modes)

    def __getitem__(self, index: Any) -> Any:
        """A mode by its place or key, or a slice of them."""
        return self.mode(index) if isinstance(index, str) else self._modes[index]

    def __repr__(self) -> str:
        return f"MoleculeModes({self.arrays.formula}, {self.group.symbol}: {len(self)} modes)"

    def _repr_html_(self) -> str:
        """One row for each irrep of each orbit and kind, with the point group its first component leads to."""
        rows = []
        for m in (m for m in self._modes if m.component == 1):
            name = m.irrep + (f", copy {m.copy}" if m.copy > 1 else "")
            cells = (m.kind, m.orbit, name, str(m.dimension), self.subgroup({m.key: 1.0}).symbol, m.words)
            rows.append("<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in cells) + "</tr>")
        titles = ("", "atoms", "irrep", "components", "first component leads to", "")
        head = "".join(f"<th>{title}</th>" for title in titles)
        return (
            f"<div><p><code>{html.escape(repr(self))}</code></p><table><thead><tr>{head}</tr></thead>"
            f"<tbody>{''.join(rows)}</tbody></table></div>"
        )

    def mode(self, mode: MoleculeMode | str) -> MoleculeMode:
        """The mode a key names. MotifError if there is none."""
        key = str(getattr(mode, "key", mode))
        if key not in self._by_key:
            raise MotifError(
                f"there is no mode {key!r}", where=repr(self), remedy="list them with [m.key for m in modes]"
            )
        return self._by_key[key]

    def displacements(self, amplitudes: Mapping[Any, float]) -> np.ndarray:
        """float64 [N, 3], Cartesian Angstrom: the sum of the modes with their amplitudes."""
        out = np.zeros((len(self.arrays), 3))
        for given, value in amplitudes.items():
            out += float(value) * self.mode(given).vectors
        return out

    def subgroup(self, amplitudes: Mapping[Any, float]) -> MolecularGroup:
        """The point group that a mixture of modes leaves of the molecule's, at any amplitude."""
        u = self.displacements(amplitudes)
        rigid = _rigid(self._group.vertices)
        u = u - (rigid @ (rigid.T @ u.ravel())).reshape(-1, 3)
        scale = max(float(np.abs(u).max(initial=0.0)), 1e-12)
        keep = []
        for matrix, permutation in zip(self._group.matrices, self._group.permutations, strict=True):
            carried = np.zeros_like(u)
            carried[permutation] = u @ matrix.T
            keep.append(bool(np.abs(carried - u).max() < 1e-6 * scale))
        whole, kept = self._group, np.array(keep)
        line = whole.linear and bool(np.abs(np.cross(u, _axis(whole.vertices))).max() < 1e-6 * scale)
        left = PointGroup(whole.vertices, whole.matrices[kept], whole.permutations[kept], line)
        return named(left, self._tolerance)


def molecule_modes(structure: Any, tolerance: float = TOLERANCE) -> MoleculeModes:
    """Every symmetry coordinate of a molecule, by orbit, kind and irrep.

    Parameters
    ----------
    structure
        a molecule (pymatgen Molecule, ase.Atoms without a cell, AtomArrays) of 2 to 200 atoms.
    tolerance
        Angstrom by which atoms may be off the places their point group gives them.

    Raises
    ------
    StructureError
        a crystal, a single atom, or a molecule that is too large.
    """
    arrays = to_arrays(structure)
    group = molecular_group(arrays, tolerance)
    with one_blas_thread():
        return MoleculeModes(arrays, group, tolerance, tuple(_modes(arrays, group)))


def _modes(arrays: AtomArrays, group: PointGroup) -> Iterator[MoleculeMode]:
    symbols = [element_symbols()[int(z)] for z in arrays.numbers]
    distance = np.linalg.norm(arrays.positions[None] - arrays.positions[:, None], axis=2)
    bonds = bonded_pairs(distance, symbols)
    carrier = _carriers(bonds, len(arrays))
    orbits = _orbits(symbols, group, carrier)
    stiffness = _springs(group.vertices)
    rigid = _relative(_rigid(group.vertices), carrier)
    out: list[MoleculeMode] = []
    for orbit, members in orbits:
        tag = f"{len(members)}{symbols[members[0]]}{members[0]}"
        embedding = _embedding(members, carrier, len(arrays))
        action = _action(group, members)
        space = np.eye(3 * len(members))
        rows = (3 * members[:, None] + np.arange(3)).ravel()
        seen, values, right = np.linalg.svd(rigid[rows])
        rank = int((values > 1e-6).sum())
        space = seen[:, rank:] if rank else space
        rigid = rigid @ right[rank:].T
        for kind, part in _blocks(group, members, carrier, space):
            if not part.shape[1]:
                continue
            springs = part.T @ embedding.T @ stiffness @ embedding @ part
            for irrep, copy, partners in irreps_of(group, action, part, springs):
                for n, flat in enumerate(partners):
                    own = signed(flat.reshape(-1, 3), group, members)
                    vectors = (embedding @ own.ravel()).reshape(-1, 3)
                    vectors[np.abs(vectors) < 1e-12] = 0.0
                    vectors.setflags(write=False)
                    key = f"{tag}:{kind}:{irrep}:{copy}:{n + 1}"
                    words = words_of(group, members, own, kind, carrier, bonds)
                    atoms = tuple(int(a) for a in members)
                    out.append(MoleculeMode(key, irrep, kind, n + 1, len(partners), copy, orbit, atoms, words, vectors))
    yield from sorted(out, key=lambda m: KINDS.index(m.kind))


# atoms ----------------------------------------------------------------------------------------------------------------


def _carriers(bonds: np.ndarray, atoms: int) -> np.ndarray:
    """int64 [N]: the atom that each one rides on, itself where it rides on none."""
    count = np.bincount(bonds.ravel(), minlength=atoms)
    out = np.arange(atoms)
    for pair in bonds.tolist():
        for atom, neighbour in (pair, pair[::-1]):
            if count[atom] == 1 and count[neighbour] > 1:
                out[atom] = neighbour
    return out


def _orbits(symbols: Sequence[str], group: PointGroup, carrier: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """(name, atoms) of each orbit: the frame's first, the largest first, then those that ride."""
    found: dict[int, np.ndarray] = {}
    for atom in range(len(symbols)):
        members = np.unique(group.permutations[:, atom])
        found.setdefault(int(members[0]), members)
    rides = {first: bool(carrier[first] != first) for first in found}
    order = sorted(found, key=lambda first: (rides[first], -len(found[first]), first))
    names = []
    for first in order:
        symbol, count = symbols[first], len(found[first])
        names.append(f"{symbol}{first}" if count == 1 else f"{count} {symbol}")
    return [
        (name if names.count(name) == 1 else f"{name} ({first}, ...)", found[first])
        for name, first in zip(names, order, strict=True)
    ]


def _embedding(members: np.ndarray, carrier: np.ndarray, count: int) -> np.ndarray:
    """float64 [3N, 3k]: displacements of an orbit, what rides on it taken along, as displacements of the molecule."""
    out = np.zeros((count, 3, len(members), 3))
    for n, atom in enumerate(members):
        along = np.flatnonzero(carrier == atom) if carrier[atom] == atom else [atom]
        for rider in along:
            out[rider, :, n, :] = np.eye(3)
    return out.reshape(3 * count, 3 * len(members))


def _relative(rigid: np.ndarray, carrier: np.ndarray) -> np.ndarray:
    """The same displacements [3N, m] with those of riding atoms counted from the atom they ride on."""
    out = rigid.reshape(len(carrier), 3, -1).copy()
    rides = carrier != np.arange(len(carrier))
    out[rides] -= rigid.reshape(len(carrier), 3, -1)[carrier[rides]]
    return out.reshape(rigid.shape)


def _rigid(points: np.ndarray) -> np.ndarray:
    """float64 [3N, 6 or 5]: orthonormal displacements that move or turn the whole molecule."""
    moves = np.tile(np.eye(3), (len(points), 1))
    turns = np.stack([np.cross(np.eye(3)[x], points).ravel() for x in range(3)], axis=1)
    u, s, _ = np.linalg.svd(np.concatenate([moves, turns], axis=1), full_matrices=False)
    return u[:, s > 1e-6 * s[0]]


def _axis(points: np.ndarray) -> np.ndarray:
    return np.linalg.svd(points, full_matrices=False)[2][0]


# symmetry -------------------------------------------------------------------------------------------------------------


def _action(group: PointGroup, members: np.ndarray) -> np.ndarray:
    """float64 [G, 3k, 3k]: the elements on displacements of one orbit."""
    place = {int(atom): n for n, atom in enumerate(members)}
    k = len(members)
    out = np.zeros((len(group), k, 3, k, 3))
    for g, (matrix, permutation) in enumerate(zip(group.matrices, group.permutations, strict=True)):
        out[g, [place[int(a)] for a in permutation[members]], :, np.arange(k), :] = matrix
    return out.reshape(len(group), 3 * k, 3 * k)


def _blocks(
    group: PointGroup, members: np.ndarray, carrier: np.ndarray, space: np.ndarray
) -> Iterator[tuple[str, np.ndarray]]:
    """(kind, basis [3k, b]) of an orbit's displacements `space`: of riding atoms those along the bond, and the rest."""
    if carrier[members[0]] == members[0]:
        yield "frame", space
        return
    bonds = group.vertices[members] - group.vertices[carrier[members]]
    unit = bonds / np.linalg.norm(bonds, axis=1, keepdims=True)
    along = spokes(unit)
    # a turn of the molecule moves no riding atom along its bond: stretches are all there
    yield "stretch", along
    u, s, _ = np.linalg.svd(space - along @ (along.T @ space), full_matrices=False)
    yield "bend", u[:, s > 1e-6]


def _springs(points: np.ndarray) -> np.ndarray:
    """float64 [3N, 3N]: springs along the line between any two atoms, weaker with distance, and a hundredth of that
    across it, or nothing would tell apart what leaves the plane of a flat molecule."""
    n = len(points)
    delta = points[:, None] - points[None]
    distance = np.linalg.norm(delta, axis=2) + np.eye(n)
    unit = delta / distance[:, :, None]
    strength = np.exp(-((distance / 1.5) ** 2)) * (1 - np.eye(n))
    pair = strength[:, :, None, None] * (0.99 * unit[:, :, :, None] * unit[:, :, None, :] + 0.01 * np.eye(3))
    out = -pair.transpose(0, 2, 1, 3)
    out[np.arange(n), :, np.arange(n), :] += pair.sum(axis=1)
    return out.reshape(3 * n, 3 * n)
