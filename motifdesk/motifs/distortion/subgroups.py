"""Which symmetry operations of a crystal a distortion keeps, and what is left of a request in a chosen subgroup.

Operations act on fractional columns of the given cell, x' = W x + w; a non-primitive cell's pure translations are among
them. The group of a request holds the operations of the structure that carry the asked displacements into themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from motifdesk.structures.arrays import AtomArrays, to_arrays
from motifdesk.structures.errors import MotifError
from motifdesk.structures.symmetry import symmetry_operations

from ..hierarchy.graph import MotifGraph
from ..symmetry.modes import Mode
from .network import Network

#: How much of an asked displacement an operation may change, relative, tried in turn until what is kept is a group.
_SAME = (0.05, 0.01, 1e-3, 1e-5)


@dataclass(frozen=True, eq=False)
class Operations:
    """Symmetry operations of a crystal, with what they do to its sites.

    rotations: int64 [G, 3, 3], translations: float64 [G, 3], on fractional columns of the given cell. sites: int64
    [G, N], where each site goes; shifts: int64 [G, N, 3], W x_i + w = x_sites[i] + shift. deviation: the farthest any
    site lands from a site, Angstrom.
    """

    rotations: np.ndarray
    translations: np.ndarray
    sites: np.ndarray
    shifts: np.ndarray
    deviation: float

    def __len__(self) -> int:
        return len(self.rotations)

    def __repr__(self) -> str:
        return f"Operations({len(self)} on {self.sites.shape[1]} sites)"

    def select(self, which: np.ndarray) -> Operations:
        """Those of a mask [G] or of indices, in order."""
        return Operations(
            self.rotations[which], self.translations[which], self.sites[which], self.shifts[which], self.deviation
        )

    def cartesian(self, cell: np.ndarray) -> np.ndarray:
        """float64 [G, 3, 3]: rotations of Cartesian columns."""
        turned: np.ndarray = cell.T @ self.rotations @ np.linalg.inv(cell.T)
        return turned

    def is_group(self) -> bool:
        """Whether products stay inside. Operations of one rotation differ by a translation, which is known from where
        it takes a single site."""
        different, which = np.unique(self.rotations.reshape(-1, 9), axis=0, return_inverse=True)
        which = which.ravel()
        number = {row.tobytes(): k for k, row in enumerate(different)}
        square = different.reshape(-1, 3, 3)
        table = [[number.get((a @ b).reshape(9).tobytes(), -1) for b in square] for a in square]
        products = np.array(table, dtype=np.int64)
        if (products < 0).any():
            return False
        known = np.zeros((len(different), self.sites.shape[1]), dtype=bool)
        known[which, self.sites[:, 0]] = True
        return all(
            known[products[r][which], to[self.sites[:, 0]]].all() for r, to in zip(which, self.sites, strict=True)
        )


def operations_of(structure: Any, tolerance: float = 0.01) -> Operations:
    """Every operation of the structure's space group in its given cell.

    Raises StructureError for molecules and when no symmetry search converges.
    """
    arrays = to_arrays(structure)
    return on_sites(arrays, *symmetry_operations(arrays, tolerance), max(5 * tolerance, 0.02))


def on_sites(arrays: AtomArrays, rotations: np.ndarray, translations: np.ndarray, limit: float) -> Operations:
    """What operations do to the sites; those that take a site farther than `limit` Angstrom from a like site are left
    out."""
    from scipy.spatial import cKDTree

    f, cell, count = arrays.fractional, np.asarray(arrays.cell), len(arrays)
    tree = cKDTree(_wrapped(f), boxsize=1.0)

    def landing(g: int) -> np.ndarray:
        found: np.ndarray = tree.query(_wrapped(f @ rotations[g].T + translations[g]))[1]
        return found

    # operations of one rotation differ by translations of the lattice: look up one of them, compose the others
    pure = np.flatnonzero((rotations == np.eye(3, dtype=np.int64)).all(axis=(1, 2)))
    moves = np.array([landing(g) for g in pure]).reshape(len(pure), count)
    _, rotation = np.unique(rotations.reshape(-1, 9), axis=0, return_inverse=True)
    to = tree.query(_wrapped(f[0] @ np.swapaxes(rotations, 1, 2) + translations))[1]  # where the first site goes
    sites = np.empty((len(rotations), count), dtype=np.int64)
    for members in (np.flatnonzero(rotation.ravel() == r) for r in range(int(rotation.max(initial=-1)) + 1)):
        first = landing(members[0])
        for g in members:
            shift = np.flatnonzero(moves[:, first[0]] == to[g])
            sites[g] = moves[shift[0]][first] if len(shift) else landing(g)
    shifts = np.empty((len(rotations), count, 3), dtype=np.int64)
    distance = np.empty(len(rotations))
    for start in range(0, len(rotations), 256):
        part = slice(start, start + 256)
        off = f @ np.swapaxes(rotations[part], 1, 2) + translations[part, None] - f[sites[part]]
        shifts[part] = np.rint(off)
        distance[part] = np.linalg.norm((off - shifts[part]) @ cell, axis=2).max(axis=1)
    bijective = (np.sort(sites, axis=1) == np.arange(count)).all(axis=1)
    keep = (distance <= limit) & (arrays.numbers[sites] == arrays.numbers).all(axis=1) & bijective
    return Operations(rotations, translations, sites, shifts, float(distance[keep].max(initial=0.0))).select(keep)


def _wrapped(f: np.ndarray) -> np.ndarray:
    inside = f - np.floor(f)
    return np.where(inside >= 1.0, 0.0, inside)


class Action:
    """Operations acting on the bonds and motifs of a network; those that do not keep its motifs are left out.

    bonds: int64 [G, B] and motifs: int64 [G, m], where each goes. turns: float64 [G, 3, 3], Cartesian.
    """

    def __init__(self, net: Network, operations: Operations) -> None:
        self.net = net
        order, table, mapped, kept = _bond_table(net, operations)
        self.operations = operations.select(kept)
        place = np.searchsorted(table, mapped[kept])
        self.bonds = order[place]
        motif_at = np.full(net.sites, -1, dtype=np.int64)
        motif_at[net.centres] = np.arange(len(net.centres))
        self.motifs = motif_at[self.operations.sites[:, net.centres]]
        turns = self.operations.cartesian(np.asarray(net.arrays.cell))
        u, _, vt = np.linalg.svd(turns)  # the cell may be off by the tolerance of the symmetry search
        self.turns = u @ vt

    def __len__(self) -> int:
        return len(self.operations)

    def select(self, which: np.ndarray) -> Action:
        out = object.__new__(Action)
        out.net, out.operations = self.net, self.operations.select(which)
        out.bonds, out.motifs, out.turns = self.bonds[which], self.motifs[which], self.turns[which]
        return out

    def keeping(self, fields: Sequence[np.ndarray], tolerances: Sequence[float] = _SAME) -> np.ndarray:
        """bool [G]: the largest group found of operations that carry every field [B, 3] of displacements into itself.

        tolerances: how much an operation may change a field, relative; the first that gives a group is taken.
        """
        changes = np.zeros(len(self))
        for field in fields:
            size = np.sqrt((field * field).sum())
            rows = np.flatnonzero((field * field).sum(axis=1) > 1e-20 * max(size * size, 1e-300))
            if not size or not len(rows):
                continue
            landed = field[self.bonds[:, rows]] - field[rows] @ np.swapaxes(self.turns, 1, 2)
            changes = np.maximum(changes, np.sqrt((landed * landed).sum(axis=(1, 2))) / size)
        for tolerance in tolerances:
            kept = changes <= tolerance
            if len(self) % kept.sum() == 0 and self.operations.select(kept).is_group():
                return kept
        return np.arange(len(self)) == self.identity

    @property
    def identity(self) -> int:
        same = (self.operations.rotations == np.eye(3, dtype=np.int64)).all(axis=(1, 2))
        still = (self.operations.sites == np.arange(self.net.sites)).all(axis=1)
        return int(np.flatnonzero(same & still)[0])

    def project(self, field: np.ndarray) -> np.ndarray:
        """The part of a field [B, 3] that every operation carries into itself."""
        mean: np.ndarray = np.einsum("gbj,gji->bi", field[self.bonds], self.turns) / len(self)
        return mean

    def motif_orbits(self) -> np.ndarray:
        """int64 [m]: for each motif the first that an operation carries it to."""
        return self.motifs.min(axis=0) if len(self.net.sizes) else np.zeros(0, dtype=np.int64)


def _bond_table(net: Network, operations: Operations) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Codes of the bonds sorted, their order, the codes they are mapped to [G, B], and which operations keep them."""
    images = net.images.astype(np.int64) @ np.swapaxes(operations.rotations, 1, 2)
    images = images + operations.shifts[:, net.ligand] - operations.shifts[:, net.centre]
    reach = int(max(np.abs(images).max(initial=0), np.abs(net.images).max(initial=0))) + 1
    base = 2 * reach + 1

    def code(centre: np.ndarray, ligand: np.ndarray, image: np.ndarray) -> np.ndarray:
        out = centre * net.sites + ligand
        for x in range(3):
            out = out * base + image[..., x] + reach
        return out

    own = code(net.centre, net.ligand, net.images.astype(np.int64))
    order = np.argsort(own, kind="stable")
    mapped = code(operations.sites[:, net.centre], operations.sites[:, net.ligand], images)
    place = np.minimum(np.searchsorted(own[order], mapped), max(len(own) - 1, 0))
    kept = (own[order][place] == mapped).all(axis=1)
    return order, own[order], mapped, kept


def field_of(net: Network, targets: Sequence[tuple[int, np.ndarray]]) -> np.ndarray:
    """float64 [B, 3]: the displacements a mode asks of the bonds."""
    field = np.zeros_like(net.start)
    for index, vectors in targets:
        field[net.rows_of(index, len(vectors))] += vectors
    return field


def left_of(action: Action, mode: Mode) -> list[tuple[int, np.ndarray]]:
    """What a subgroup leaves of a mode, as targets: it may act on motifs that the mode itself does not name."""
    net = action.net
    field = action.project(field_of(net, mode.targets))
    lengths = np.bincount(net.motif, (field * field).sum(axis=1), minlength=len(net.sizes))
    ligands = [len(m.ligands) for m in net.graph.motifs]
    return [(int(m), field[net.rows_of(int(m), ligands[m])]) for m in np.flatnonzero(lengths > 1e-12)]


def asked_fields(net: Network, wanted: Sequence[tuple[Mode, float]]) -> list[np.ndarray]:
    """Displacements [B, 3] a request asks for: those of stretch and bend modes, and those of rotations."""
    fields = [np.zeros_like(net.start), np.zeros_like(net.start)]
    for mode, amplitude in wanted:
        fields[mode.block == "rotation"] += amplitude * field_of(net, mode.targets)
    return fields


def lost_share(action: Action, wanted: Sequence[tuple[Mode, float]]) -> float:
    """The share of a request's squared displacements that a subgroup forbids, 0 (nothing) to 1 (all)."""
    fields = asked_fields(action.net, wanted)
    whole = sum(float((f * f).sum()) for f in fields)
    left = sum(float((p * p).sum()) for p in map(action.project, fields))
    return min(max(1.0 - left / whole, 0.0), 1.0) if whole else 0.0


def request_group(
    structure: Any, amplitudes: Mapping[Mode | str, float], *, graph: MotifGraph | None = None
) -> Operations:
    """The operations of the structure's space group that a request keeps.

    Parameters
    ----------
    structure
        a crystal.
    amplitudes
        {mode or its key: Angstrom}; modes of amplitude 0 ask nothing.
    graph
        its motif graph, if it is at hand.

    Returns
    -------
    Operations
        a group; the whole one when nothing is asked. `space_group` of the distorted structure is this group's or a
        supergroup.

    Raises
    ------
    MotifError, StructureError
        unknown modes, amplitudes that are not finite, a molecule.
    """
    from .distorting import Distorter

    distorter = Distorter(structure, graph, keep="request")
    return distorter.request_operations(amplitudes)


def symmetrised(arrays: AtomArrays, operations: Operations) -> AtomArrays:
    """The structure with the operations as exact symmetry: means of positions over each orbit, and of the metric."""
    f, cell = arrays.fractional, np.asarray(arrays.cell)
    back = np.linalg.inv(operations.rotations)
    landed = f[operations.sites] + operations.shifts - operations.translations[:, None]
    f = (landed @ np.swapaxes(back, 1, 2)).mean(axis=0)
    w = operations.rotations
    metric = (np.swapaxes(w, 1, 2) @ (cell @ cell.T) @ w).mean(axis=0)
    inverse = np.linalg.inv(cell)
    squared = inverse @ metric @ inverse.T  # (1 + strain) squared
    values, vectors = np.linalg.eigh((squared + squared.T) / 2)
    cell = cell @ (vectors * np.sqrt(values)) @ vectors.T
    return AtomArrays(arrays.numbers, f @ cell, cell)


def displacement_group(structure: Any, displacements: np.ndarray, *, tolerance: float = 0.01) -> Operations:
    """The operations of the structure's space group that carry displacements float [N, 3] (Angstrom, Cartesian) into
    themselves: the symmetry left when a frozen mode is switched on. `tolerance` finds the structure's own group.

    Raises
    ------
    MotifError, StructureError
        displacements of another shape or that are not finite; a molecule.
    """
    arrays = to_arrays(structure)
    moves = np.asarray(displacements, dtype=float)
    if moves.shape != (len(arrays), 3) or not np.isfinite(moves).all():
        raise MotifError(
            f"displacements {moves.shape} of {len(arrays)} atoms",
            where="displacement_group",
            remedy="give finite numbers, float [N, 3]",
        )
    operations = operations_of(arrays, tolerance)
    size = float(np.linalg.norm(moves))
    if not size:
        return operations
    turned = moves @ np.swapaxes(operations.cartesian(np.asarray(arrays.cell)), 1, 2)
    change = np.linalg.norm(moves[operations.sites] - turned, axis=(1, 2)) / size
    for limit in _SAME:
        kept = operations.select(change <= limit)
        if kept.is_group():
            return kept
    return operations.select((operations.sites == np.arange(len(arrays))).all(axis=1) & (change == 0.0))


def checked(arrays: AtomArrays, keep: Any, tolerance: float) -> Operations:
    """`keep` as operations of the structure. MotifError when it is none, is no group or the structure lacks it."""
    rotations, translations = getattr(keep, "rotations", None), getattr(keep, "translations", None)
    if rotations is None and isinstance(keep, tuple) and len(keep) == 2:
        rotations, translations = keep
    try:
        w = np.rint(np.nan_to_num(np.array(rotations, dtype=float), nan=9.0)).astype(np.int64)
        t = np.array(translations, dtype=float)
    except (TypeError, ValueError):
        w, t = np.zeros(0, dtype=np.int64), np.zeros(0)
    if not np.isfinite(t).all() or w.ndim != 3 or w.shape[1:] != (3, 3) or t.shape != (len(w), 3) or not len(w):
        raise MotifError(
            f"{type(keep).__name__} is no symmetry to keep",
            where="keep",
            remedy='give "request", "break", Operations, or (rotations [G, 3, 3], translations [G, 3])',
        )
    found = on_sites(arrays, w, t, max(5 * tolerance, 0.02))
    if len(found) < len(w):
        raise MotifError(
            f"{len(w) - len(found)} of {len(w)} operations are no symmetry of the structure",
            where="keep",
            remedy="choose among motifs.subgroups.operations_of(structure)",
        )
    if not found.is_group():
        raise MotifError(
            f"{len(w)} operations that are no group", where="keep", remedy="add their products and the identity"
        )
    return found
