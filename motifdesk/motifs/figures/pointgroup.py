"""The point group of a set of vertices and Mulliken names of its irreducible representations, from characters.

No tables: the group is found as every orthogonal map that permutes the vertices, irreps are named by what their
characters do under the principal axis, perpendicular two-fold axes or mirrors, inversion and the horizontal mirror.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

_EPS = 1e-3


@dataclass(frozen=True, eq=False)
class PointGroup:
    """Orthogonal maps of a figure onto itself.

    matrices: float64 [G, 3, 3], column convention x' = g x. permutations: int64 [G, k], vertex j goes to vertex
    permutations[g, j]. linear: the figure lies on a line; the matrices are then a finite subgroup (D4h or C4v) of its
    infinite group and names are those of the infinite one.
    """

    vertices: np.ndarray
    matrices: np.ndarray
    permutations: np.ndarray
    linear: bool = False

    def __len__(self) -> int:
        return len(self.matrices)

    def displacements(self) -> np.ndarray:
        """float64 [G, 3k, 3k]: how each element acts on displacements of the vertices (vertex-major)."""
        k = len(self.vertices)
        out = np.zeros((len(self), k, 3, k, 3))
        for g, (matrix, perm) in enumerate(zip(self.matrices, self.permutations, strict=True)):
            out[g, perm, :, np.arange(k), :] = matrix
        return out.reshape(len(self), 3 * k, 3 * k)

    # geometry of the elements -------------------------------------------------------------------------------------

    @cached_property
    def _det(self) -> np.ndarray:
        return np.rint(np.linalg.det(self.matrices))

    @cached_property
    def _angle(self) -> np.ndarray:
        """Rotation angle of g, or of -g for the orders of proper parts is not used: of g itself where det = 1, of
        sigma_h g where det = -1 (rotary reflection), radians in [0, pi]."""
        trace = np.trace(self.matrices, axis1=1, axis2=2)
        return np.arccos(np.clip((trace - self._det) / 2.0, -1.0, 1.0))

    @cached_property
    def _axis(self) -> np.ndarray:
        """Unit axis of each element (mirror normal for mirrors); zeros for the identity and inversion."""
        out = np.zeros((len(self), 3))
        proper = self.matrices * self._det[:, None, None]
        turned = np.abs(np.abs(np.trace(proper, axis1=1, axis2=2)) - 3.0) > 1e-6
        values, vectors = np.linalg.eig(proper[turned])
        for n, value, vector in zip(np.flatnonzero(turned), values, vectors, strict=True):
            axis = np.real(vector[:, int(np.argmin(np.abs(value - 1.0)))])
            axis /= np.linalg.norm(axis)
            out[n] = axis * (1.0 if axis[int(np.argmax(np.abs(axis) > 1e-6))] > 0 else -1.0)
        return out

    def _find(self, det: int, angle: float, axis: np.ndarray | None = None, across: bool = False) -> np.ndarray:
        found = (self._det == det) & (np.abs(self._angle - angle) < _EPS)
        if axis is not None:
            dot = np.abs(self._axis @ axis)
            found &= (dot < _EPS) if across else (dot > 1 - _EPS)
        return np.flatnonzero(found)

    @cached_property
    def inversion(self) -> int | None:
        found = self._find(-1, math.pi)
        return int(found[0]) if len(found) else None

    @cached_property
    def family(self) -> str:
        """ "icosahedral", "cubic" or "axial"."""
        five, three = self._find(1, 2 * math.pi / 5), self._find(1, 2 * math.pi / 3)
        if _lines(self._axis[five]) > 1:
            return "icosahedral"
        return "cubic" if _lines(self._axis[three]) > 1 else "axial"

    @cached_property
    def frame(self) -> tuple[np.ndarray, np.ndarray, int, int, int | None]:
        """(z, x, order n, element principal to z, two-fold or mirror element that fixes x)."""
        proper = [(2 * math.pi / a, i) for i, a in enumerate(self._angle) if self._det[i] == 1 and a > _EPS]
        if self.family == "axial":
            order = max((round(n) for n, _ in proper), default=1)
        else:
            order = 5 if self.family == "icosahedral" else (4 if len(self._find(1, math.pi / 2)) else 2)
        if order == 1:
            mirror = np.flatnonzero((self._det == -1) & (self._angle < _EPS))
            z = self._axis[mirror[0]] if len(mirror) else np.array([0.0, 0.0, 1.0])
            return z, _perpendicular(z), 1, self._identity, None
        axes = self._axis[self._find(1, 2 * math.pi / order)]
        unit = self.vertices / np.maximum(np.linalg.norm(self.vertices, axis=1, keepdims=True), 1e-12)
        touching = np.abs(np.abs(axes @ unit.T) - 1) < _EPS

        def rank(n: int) -> tuple:
            rotary = order % 2 == 0 and len(self._find(-1, math.pi / order, axes[n])) > 0  # S4 of D2d above its C2'
            return (not rotary, -int(touching[n].sum()), *(-np.round(np.abs(axes[n][[2, 0, 1]]), 3)))

        z = axes[min(range(len(axes)), key=rank)]
        principal = int(self._find(1, 2 * math.pi / order, z)[0])
        rotary = self._find(-1, math.pi / order, z)
        if len(rotary) and order % 2 == 0:
            principal = int(rotary[0])  # S4 of Td and D2d, S8 of D4d
        candidates = [i for i in self._find(1, math.pi, z, across=True)]
        if self.family != "axial" and order != 5:
            candidates = [i for i in candidates if self._is_main(i, order)]
        mirrors = [i for i in np.flatnonzero((self._det == -1) & (self._angle < _EPS)) if abs(self._axis[i] @ z) < _EPS]

        def through(i: int) -> tuple:
            direction = self._axis[i] if self._det[i] == 1 else np.cross(z, self._axis[i])
            return (
                -int((np.abs(unit @ direction) > 1 - _EPS).sum()),
                -round(float(np.abs(unit @ direction).max()), 3),
                -round(abs(float(direction[0])), 3),
                i,
            )

        if candidates:
            second = min(candidates, key=through)
            return z, self._axis[second], order, principal, int(second)
        if mirrors:
            second = min(mirrors, key=through)
            return z, np.cross(self._axis[second], z), order, principal, int(second)
        return z, _perpendicular(z), order, principal, None

    def _is_main(self, element: int, order: int) -> bool:
        """Whether a two-fold axis of a cubic group is one of its main (four-fold, S4 or T's two-fold) axes."""
        axis = self._axis[element]
        if order == 4:
            return bool(len(self._find(1, math.pi / 2, axis)))
        return bool(len(self._find(-1, math.pi / 2, axis)) or not len(self._find(-1, math.pi / 2)))

    @cached_property
    def _identity(self) -> int:
        return int(np.argmin(np.abs(self.matrices - np.eye(3)).max(axis=(1, 2))))

    # names --------------------------------------------------------------------------------------------------------

    def name(self, characters: np.ndarray) -> str:
        """Mulliken symbol of an irrep from its characters float [G]; pairs of complex conjugate irreps are one "E"."""
        dimension = int(round(float(characters[self._identity])))
        z, _, order, principal, second = self.frame
        tail = ""
        if self.inversion is not None:
            tail = "g" if characters[self.inversion] > 0 else "u"
        elif order % 2:
            horizontal = self._find(-1, 0.0, z)
            if len(horizontal):
                tail = "'" if characters[horizontal[0]] > 0 else "''"
        if self.linear:
            stem = {1: "Sigma", 2: "Pi"}.get(dimension, "?")
            return f"{stem}_{tail}" if tail else stem
        if self.family == "icosahedral":
            letter = {1: "A", 3: "T", 4: "G", 5: "H"}.get(dimension, f"{dimension}-")
            five = float(characters[self._find(1, 2 * math.pi / 5)[0]])
            return letter + (("1" if five > 0 else "2") if dimension == 3 else "") + tail
        if self.family == "cubic":
            letter = {1: "A", 2: "E", 3: "T"}.get(dimension, f"{dimension}-")
            test = np.concatenate([self._find(1, math.pi / 2), self._find(-1, math.pi / 2)])
            mark = "" if dimension == 2 or not len(test) else ("1" if characters[test[0]] > 0 else "2")
            return letter + mark + tail
        if dimension == 2:
            turn = float(self._angle[principal])
            count = round(2 * math.pi / turn) if turn > _EPS else 1
            if count <= 4:
                return "E" + tail
            m = round(math.acos(max(-1.0, min(1.0, float(characters[principal]) / 2))) / turn)
            return f"E{m}{tail}"
        twofold = self._find(1, math.pi)
        if order == 2 and len(twofold) == 3 and self._det[principal] == 1:  # D2, D2h: no unique axis
            if all(characters[i] > 0 for i in twofold):
                return "A" + tail
            axes = self.frame[0], np.cross(*self.frame[:2]), self.frame[1]
            for number, axis in enumerate(axes, start=1):
                if characters[self._find(1, math.pi, axis)[0]] > 0:
                    return f"B{number}{tail}"
        letter = "A" if characters[principal] > 0 else "B"
        mark = "" if second is None else ("1" if characters[second] > 0 else "2")
        return letter + mark + tail


def _lines(axes: np.ndarray) -> int:
    kept: list[np.ndarray] = []
    for axis in axes:
        if all(abs(axis @ other) < 1 - _EPS for other in kept):
            kept.append(axis)
    return len(kept)


def _perpendicular(z: np.ndarray) -> np.ndarray:
    trial = np.eye(3)[int(np.argmin(np.abs(z)))]
    x = trial - (trial @ z) * z
    return x / np.linalg.norm(x)


def point_group(vertices: np.ndarray, tolerance: float = 0.01) -> PointGroup:
    """The point group about the origin of `vertices` float [k, 3], k >= 1.

    `tolerance` is a share of the mean vertex distance by which a mapped vertex may miss.
    """
    points = np.asarray(vertices, dtype=float)
    k = len(points)
    limit = tolerance * np.linalg.norm(points, axis=1).mean()
    _, spread, axes = np.linalg.svd(points, full_matrices=True)
    if k < 2 or spread[1] < limit:
        return _linear(points, axes[0], limit)
    lengths = np.linalg.norm(points, axis=1)
    gram = points @ points.T
    a = int(np.argmax(lengths))
    b = int(np.argmax(np.linalg.norm(np.cross(points[a], points), axis=1)))
    frame = np.column_stack([points[a], points[b], np.cross(points[a], points[b])])
    inverse = np.linalg.inv(frame)
    scale = max(lengths) ** 2
    found: list[np.ndarray] = []
    for i in range(k):
        for j in range(k):
            if i == j or abs(lengths[i] - lengths[a]) > 2 * limit or abs(lengths[j] - lengths[b]) > 2 * limit:
                continue
            if abs(gram[i, j] - gram[a, b]) > 4 * tolerance * scale:
                continue
            third = np.cross(points[i], points[j])
            for sign in (1.0, -1.0):
                g = np.column_stack([points[i], points[j], sign * third]) @ inverse
                u, _, vt = np.linalg.svd(g)
                found.append(u @ vt)
    flat = bool(np.linalg.matrix_rank(points, tol=limit) < 3)
    kept: list[np.ndarray] = []
    permutations = []
    for g in found:
        distance = np.linalg.norm((points @ g.T)[:, None] - points[None], axis=2)
        perm = distance.argmin(axis=1)
        if distance.min(axis=1).max() > 3 * limit or len(set(perm)) < k:
            continue
        exact = best_map(points, perm, g, flat)
        if all(np.abs(exact - other).max() > 0.05 for other in kept):
            kept.append(exact)
            permutations.append(perm)
    return PointGroup(points, np.array(kept), np.array(permutations))


def best_map(points: np.ndarray, permutation: np.ndarray, near: np.ndarray, flat: bool) -> np.ndarray:
    """The best orthogonal map [3, 3] for a permutation of the points, so that elements multiply to elements; of the two
    there are for a `flat` figure the one as proper as `near`."""
    u, _, vt = np.linalg.svd(points[permutation].T @ points)
    exact: np.ndarray = u @ vt
    if flat and np.linalg.det(exact) * np.linalg.det(near) < 0:
        exact = u @ np.diag([1.0, 1.0, -1.0]) @ vt
    return exact


def _linear(points: np.ndarray, axis: np.ndarray, limit: float) -> PointGroup:
    x = _perpendicular(axis)
    basis = np.column_stack([x, np.cross(axis, x), axis])
    quarter = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    kept, permutations = [], []
    for n in range(4):
        for mirror in (np.eye(3), np.diag([-1.0, 1, 1])):
            for flip in (np.eye(3), np.diag([1.0, 1, -1])):
                g = basis @ np.linalg.matrix_power(quarter, n) @ mirror @ flip @ basis.T
                distance = np.linalg.norm((points @ g.T)[:, None] - points[None], axis=2)
                perm = distance.argmin(axis=1)
                if distance.min(axis=1).max() <= 3 * limit and len(set(perm)) == len(points):
                    kept.append(g)
                    permutations.append(perm)
    return PointGroup(points, np.array(kept), np.array(permutations), linear=True)
