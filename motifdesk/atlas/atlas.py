"""`Atlas`: project codes onto the map, lift points of the map to codes, find neighbours."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from motifdesk.codec.blueprint import blueprint_block
from motifdesk.codec.codes import COUNTS, GEOMETRY, LATTICE, ROOT_WIDTH, SYMMETRY, Codes
from motifdesk.data import path as data_path
from motifdesk.structures import AtomArrays, corpora, corpus, read, to_arrays
from motifdesk.structures.errors import AtlasError

from .file import AtlasData

if TYPE_CHECKING:
    from pymatgen.core import Molecule, Structure

    from motifdesk.codec import Codec

EXAMPLES = "examples"  # source of the points that come from motifdesk/data/examples
_REMEMBERED = 16_384  # roots kept in memory, 2 kB each
_PLACES = 3  # of earlier questions are remembered, 0.4 MB each with 100,000 points
_MOVED = 3.0  # latent distance up to which an earlier question helps
_REACH = 6.0  # standard deviations; what lies beyond has a weight of 1e-8


@dataclass(frozen=True)
class Neighbour:
    """A known structure near a code: its place in the atlas, id, source, formula, and the latent distance to it.

    `distance` is Euclidean over the standardised geometry (about sqrt(2 x 384) between unrelated structures).
    """

    index: int
    id: str
    source: str
    formula: str
    distance: float


def load_atlas(path: str | os.PathLike[str] | None = None, *, codec: Codec | None = None) -> Atlas:
    """The bundled map, or the one at `path`.

    `codec` is used by `Atlas.lift`; by default the bundled codec is loaded on the first lift.

    Raises
    ------
    AtlasError
        the file is missing or damaged, or was fitted with other weights than `codec`'s.
    """
    return Atlas(AtlasData.load(data_path("atlas", "atlas.npz") if path is None else path), codec=codec)


class Atlas:
    """The map of M known structures.

    Attributes
    ----------
    xy : float32 [M, 2], map coordinates
    columns : dict of arrays [M]: source, index (in its corpus), id, formula, anonymous, natoms, spacegroup (0 where
        there is none), formation_energy (eV/atom), band_gap (eV), energy_above_hull (eV/atom); NaN where unknown
    version : the weights that the map was fitted with
    info : facts of the fit (seed, counts, explained variance, time, ...)
    """

    def __init__(self, data: AtlasData, codec: Codec | None = None) -> None:
        self.xy = data.xy
        self.columns = data.columns
        self.info = data.info
        self.version = str(data.info.get("weights", ""))
        self._latent = data.latent
        self._squares = np.einsum("md,md->m", data.latent, data.latent)
        # (geometry - mean) / scale @ components.T as one affine map
        self._matrix = (data.components / data.scale).T.astype(np.float32)
        self._offset = (data.mean / data.scale) @ data.components.T
        self._back = np.linalg.pinv(self._matrix).astype(np.float32)  # latent differences -> geometry differences
        self._width = float(np.ptp(np.percentile(self.xy, [1, 99], axis=0), axis=0).max()) / 30.0 or 1.0
        self._codec = codec
        self._roots: OrderedDict[int, np.ndarray] = OrderedDict()
        self._means: OrderedDict[tuple[float, float], np.ndarray] = OrderedDict()
        self._asked: tuple[tuple[np.ndarray, np.ndarray], ...] = ()
        self._places = np.ascontiguousarray(self.xy.T)  # [2, M]
        self._lock = threading.RLock()
        if codec is not None:
            self._check_version(codec.version, "codec")

    def __len__(self) -> int:
        return len(self.xy)

    def __repr__(self) -> str:
        sources, counts = np.unique(self.columns["source"], return_counts=True)
        parts = ", ".join(f"{s} {n}" for s, n in zip(sources, counts, strict=True))
        return f"Atlas({len(self)} structures: {parts}; weights {self.version or 'unknown'})"

    # ------------------------------------------------------------------------------------------ codes -> map

    def project(self, codes: Codes | np.ndarray, k: int = 8) -> np.ndarray:
        """Where codes lie on the map: float32 [B, 2].

        The weighted mean of the places of the `k` nearest known structures in the latent space, with weights that fall
        continuously to zero at the distance of the next one. A structure of the corpus lands on its own point.
        """
        indices, distances = self._nearest_latent(self._geometry(codes), k + 1)
        weights = shepard_weights(distances)
        return np.einsum("bk,bkc->bc", weights, self.xy[indices[:, : weights.shape[1]]]).astype(np.float32)

    def neighbours(self, codes: Codes | np.ndarray, k: int = 5) -> list[list[Neighbour]]:
        """For each code the `k` nearest known structures, nearest first."""
        indices, distances = self._nearest_latent(self._geometry(codes), k)
        c = self.columns
        return [
            [
                Neighbour(int(i), str(c["id"][i]), str(c["source"][i]), str(c["formula"][i]), float(d))
                for i, d in zip(row, lengths, strict=True)
            ]
            for row, lengths in zip(indices, distances, strict=True)
        ]

    def distances(self, codes: Codes | np.ndarray, indices: np.ndarray) -> np.ndarray:
        """float64 [B, K]: latent distance of each code to the points ``indices`` [K], as in `neighbours`."""
        points = self._geometry(codes) @ self._matrix - self._offset
        chosen = self._latent[np.asarray(indices, dtype=int)]
        return np.linalg.norm(chosen[None].astype(float) - points[:, None], axis=2)

    def embed(self, codes: Codes | np.ndarray) -> np.ndarray:
        """float32 [B, D]: the latent coordinates behind the map (standardised principal components)."""
        return self._geometry(codes) @ self._matrix - self._offset

    def _geometry(self, codes: Codes | np.ndarray) -> np.ndarray:
        if not isinstance(codes, Codes):
            codes = Codes(np.asarray(codes))  # raises CodecError on a wrong width or NaN
        self._check_version(codes.version, "codes")
        return codes.geometry

    def _nearest_latent(self, geometry: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """int [B, k], float [B, k]: indices and distances, nearest first.

        Brute force, 2 ms for 25,000 points of 128 numbers, 8 ms for 100,000; but a code that moved by d since an
        earlier question can only have neighbours among the points that were within (distance of the k-th) + 2 d of it
        then: while a pointer moves, some hundred points are looked at."""
        points = geometry @ self._matrix - self._offset
        count = min(k, len(self))
        indices = np.empty((len(points), count), dtype=np.int64)
        distances = np.empty(indices.shape)
        for b, point in enumerate(points):
            near, exact = self._candidates(point, count)
            order = np.lexsort((near, exact))[:count]
            indices[b], distances[b] = near[order], exact[order]
        return indices, distances

    def _candidates(self, point: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """At least ``count`` points with the nearest ones among them, and their distances."""
        for place, away in self._asked:
            moved = float(np.linalg.norm(point - place))
            limit = float(np.partition(away, count - 1)[count - 1]) if moved < _MOVED else np.inf
            # the margin is that of the single precision in which the distances are remembered
            near = np.flatnonzero(away <= limit + 2.0 * moved + 0.1) if np.isfinite(limit) else np.empty(0)
            if count <= len(near) < len(self) // 8:
                return near, np.linalg.norm(self._latent[near] - point, axis=1)
        squares = self._squares - 2 * (self._latent @ point) + point @ point
        away = np.sqrt(np.maximum(squares, 0.0)).astype(np.float32)
        self._asked = ((point.copy(), away), *self._asked[: _PLACES - 1])  # replaced whole: other threads read it
        near = np.argpartition(squares, count - 1)[:count]
        # the expanded square loses digits for near points: the chosen ones are computed anew
        return near, np.linalg.norm(self._latent[near] - point, axis=1)

    def _check_version(self, version: str, what: str) -> None:
        if version and self.version and version != self.version:
            raise AtlasError(
                f"the map was fitted with weights {self.version}, not with those of the {what}, {version}",
                where="atlas",
                remedy="fit the map again (motifdesk atlas-fit), or use the weights it was fitted with",
            )

    # ------------------------------------------------------------------------------------------ map -> codes

    def lift(self, xy: Sequence[float] | np.ndarray, k: int = 8) -> Codes:
        """A code for a point of the map, [2], or codes for several, [B, 2].

        The *geometry* is the mean of the exact codes of the `k` nearest points on the map, with inverse-distance
        weights that fall continuously to zero at the distance of the next point (Franke and Little's modification of
        Shepard's): on a known structure it is that structure's own, and it changes continuously while a pointer moves.
        *Counts* are the nearest structure's, because half an atom cannot be decoded. The *lattice* block has the
        nearest structure's kind and the weighted mean of the neighbours of that kind. The *symmetry* is unknown, except
        on a known structure.

        Raises
        ------
        AtlasError
            `xy` is not finite or has another shape, or the codec's weights are not the map's.
        """
        points = np.atleast_2d(np.asarray(xy, dtype=float))
        if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
            raise AtlasError(f"{np.asarray(xy).tolist()} is no point of the map", where="lift", remedy="give (x, y)")
        roots = np.empty((len(points), ROOT_WIDTH), dtype=np.float32)
        for b, point in enumerate(points):
            near, weights = self._around(point, k)
            roots[b] = _mix(self._roots_of(near), weights)
            if (self.xy[near] == self.xy[near[0]]).all():  # on a known structure, or on twins of one place
                roots[b, SYMMETRY] = self._exact(int(near[0]))[SYMMETRY]
        return Codes(roots, (), self.version)

    def _around(self, point: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The at most `k` points of the map around `point` that have a weight, nearest first, and the weights."""
        x, y = self._places
        distances = np.sqrt(np.square(x - point[0]) + np.square(y - point[1]))
        count = min(k + 1, len(self))
        near = np.argpartition(distances, count - 1)[:count]
        near = near[np.lexsort((near, distances[near]))]
        weights = shepard_weights(distances[near][None])[0]
        near = near[: len(weights)]
        return near[weights > 0], weights[weights > 0]

    def carry(self, code: Codes, start: Sequence[float], xy: Sequence[float], k: int = 8) -> Codes:
        """The code of a structure that lies at `start`, carried to `xy` with its species kept.

        A `lift` there is the code of other species, and atoms that must follow it are torn: radii do not fit. What the
        map says about *these* atoms is the change of the geometry from one place to the other, so the local mean of the
        known geometries (Gaussian, 1/30 of the map wide: smooth while a pointer moves) is taken at both places and its
        difference is added. Where structures of the same composition are among the `k` neighbours of `xy`, they take
        over by their share of the lift's weights: on one of them the result is its own code.
        """
        root = code.root[0].copy()
        near, weights = self._around(np.asarray(xy, dtype=float), k)
        fractions = root[COUNTS] / root[COUNTS].sum()
        crystal = bool(root[LATTICE.start] > 0.5)
        same = np.array([self._alike(int(i), fractions, crystal) for i in near])
        change = (self._mean_latent(xy) - self._mean_latent(start)) @ self._back
        root[GEOMETRY] += change.astype(np.float32)
        share = float(weights[same].sum())
        if share > 0.0:
            known = self._roots_of(near[same])  # the others' codes are not asked for: encoding them takes ten frames
            for block in (GEOMETRY, LATTICE):
                root[block] = (1.0 - share) * root[block] + weights[same] @ known[:, block]
        # between known structures nobody knows the symmetry
        root[SYMMETRY] = self._exact(int(near[0]))[SYMMETRY] if len(near) == 1 and same[0] else 0.0
        return Codes(root[None], (), self.version)

    def _alike(self, index: int, fractions: np.ndarray, crystal: bool) -> bool:
        """Whether a known structure is made of these fractions [94] of the elements, and is a crystal or not."""
        arrays = self.arrays(index)
        counts = np.bincount(arrays.numbers, minlength=len(fractions) + 1)[1 : len(fractions) + 1] / len(arrays.numbers)
        return (arrays.cell is not None) == crystal and bool(np.abs(counts - fractions).sum() < 1e-3)

    def _mean_latent(self, xy: Sequence[float]) -> np.ndarray:
        """float [D]: the Gaussian mean of the latents around a point of the map."""
        place = (float(xy[0]), float(xy[1]))
        with self._lock:
            if place in self._means:  # where a drag began is asked for in every frame
                return self._means[place]
        x, y = self._places
        squares = np.square(x - np.float32(place[0])) + np.square(y - np.float32(place[1]))
        squares -= squares.min()
        near = np.flatnonzero(squares < (_REACH * self._width) ** 2)
        weights = np.exp(-squares[near] / (2.0 * self._width**2))
        mean = (weights @ self._latent[near]) / weights.sum()
        with self._lock:
            self._means[place] = mean
            while len(self._means) > 64:
                self._means.popitem(last=False)
        return mean

    def code(self, index: int) -> Codes:
        """The exact code of point `index`."""
        return Codes(self._exact(self._index(index))[None], (), self.version)

    def warm(self, xy: Sequence[float] | np.ndarray, k: int = 64) -> None:
        """Encode the `k` points nearest to `xy` ahead of lifts there, for instance when a probe is picked up."""
        distances = np.hypot(*(self.xy - np.asarray(xy, dtype=np.float32)).T)
        self._roots_of(np.argpartition(distances, min(k, len(self)) - 1)[:k])

    def _roots_of(self, indices: np.ndarray) -> np.ndarray:
        """float32 [n, 544], encoded with the codec where they are not remembered; their symmetry is left unknown."""
        with self._lock:
            missing = [int(i) for i in indices if int(i) not in self._roots]
            if missing:
                found = self.codec.encode([self.arrays(i) for i in missing], symmetry=False)
                for i, root in zip(missing, found.root, strict=True):
                    self._roots[i] = root
            roots = np.stack([self._roots[int(i)] for i in indices])
            for i in indices:
                self._roots.move_to_end(int(i))
            while len(self._roots) > _REMEMBERED:
                self._roots.popitem(last=False)
        return roots

    def _exact(self, index: int) -> np.ndarray:
        """float32 [544], the whole root of a point. Neighbours that are only mixed need no symmetry."""
        root = self._roots_of(np.array([index]))[0].copy()
        a = self.arrays(index)
        root[SYMMETRY] = blueprint_block(a.numbers, a.positions, a.cell)
        return root

    @property
    def codec(self) -> Codec:
        """The codec behind `lift`; loaded on first use."""
        with self._lock:
            if self._codec is None:
                from motifdesk.codec import load_codec

                codec = load_codec()
                self._check_version(codec.version, "codec")
                self._codec = codec
            return self._codec

    # ------------------------------------------------------------------------------------------ the structures

    def arrays(self, index: int) -> AtomArrays:
        """The atoms of point `index`, exactly as they were encoded."""
        index = self._index(index)
        return known_arrays(
            str(self.columns["source"][index]), int(self.columns["index"][index]), str(self.columns["id"][index])
        )

    def structure(self, index: int) -> Structure | Molecule:
        """The known structure behind point `index`; ``properties["motifdesk"]["source"]`` names it."""
        index = self._index(index)
        source, identifier = str(self.columns["source"][index]), str(self.columns["id"][index])
        if source == EXAMPLES:
            return read(data_path("examples", identifier), cell="primitive")
        return corpus(source).structure(int(self.columns["index"][index]))

    def _index(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise AtlasError(f"there is no point {index}", where=repr(self), remedy=f"use 0 to {len(self) - 1}")
        return int(index) % len(self)


def known_arrays(source: str, index: int, identifier: str) -> AtomArrays:
    """Atoms of structure `index` of the corpus `source`; examples are found by their file name `identifier`."""
    if source == EXAMPLES:
        return to_arrays(read(data_path("examples", identifier), cell="primitive"))
    if source not in corpora():
        raise AtlasError(f"the map names the corpus {source!r}", remedy=f"known are {', '.join(corpora())}")
    found = corpus(source)
    if not 0 <= index < len(found) or str(found.ids[index]) != identifier:
        raise AtlasError(
            f"structure {index} of {source} is not {identifier}", remedy="the corpora changed: fit the map again"
        )
    return found[index]


def shepard_weights(distances: np.ndarray) -> np.ndarray:
    """[B, k] weights, each row summing to 1, of the first k of k + 1 sorted distances [B, k + 1].

    ``((R - d) / d)^2`` with R the last distance: infinite at d = 0, zero with zero slope at d = R, so that the mean
    stays continuous while the set of neighbours changes.
    """
    if distances.shape[1] == 1:
        return np.ones_like(distances)
    radius = np.maximum(distances[:, -1:], 1e-12)
    relative = distances[:, :-1] / radius
    exact = relative <= 1e-7
    weights = np.square((1 - relative).clip(min=0) / np.maximum(relative, 1e-7))
    weights = np.where(exact.any(axis=1, keepdims=True), exact.astype(float), weights)
    empty = weights.sum(axis=1) <= 0  # all neighbours at one distance
    weights[empty] = 1.0
    return weights / weights.sum(axis=1, keepdims=True)


def _mix(roots: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """One root float32 [544] from the neighbours' roots [n, 544], the nearest first; see `Atlas.lift`."""
    weights = weights / weights.sum()
    mixed = roots[0].copy()
    mixed[GEOMETRY] = weights @ roots[:, GEOMETRY]
    mixed[COUNTS] = roots[0, COUNTS]
    alike = roots[:, LATTICE.start] == roots[0, LATTICE.start]
    mixed[SYMMETRY] = 0.0
    mixed[LATTICE] = (weights[alike] / weights[alike].sum()) @ roots[alike][:, LATTICE]
    return mixed
