"""A small drawing of a known structure for cards and tables: atoms and near bonds in one direction, as SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from motifdesk.desk import palette

if TYPE_CHECKING:
    from motifdesk.structures.arrays import AtomArrays

MOST_ATOMS = 120
_TILT = np.radians([16.0, 24.0])  # a little from above and from the right, as a crystal is held


def sketch(arrays: AtomArrays, width: int = 120, height: int = 90) -> str:
    """An SVG of the cell's atoms (those on faces repeated), bonds shorter than 1.15 times the covalent sum, and the
    cell. Holds numbers and colours of our own alone: nothing of a file's text enters it."""
    numbers = np.asarray(arrays.numbers)
    xyz = np.asarray(arrays.positions, dtype=float)
    corners = np.zeros((0, 3))
    if arrays.cell is not None:
        cell = np.asarray(arrays.cell, dtype=float)
        numbers, xyz = _with_faces(numbers, xyz, cell)
        corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) @ cell
    numbers, xyz = numbers[:MOST_ATOMS], xyz[:MOST_ATOMS]
    turn = _rotation(xyz if len(corners) == 0 else corners)
    flat, box = xyz @ turn.T, corners @ turn.T
    everything = np.vstack([flat, box])
    low, high = everything[:, :2].min(axis=0) - 1.0, everything[:, :2].max(axis=0) + 1.0
    scale = float(min(width / (high[0] - low[0]), height / (high[1] - low[1])))
    shift = 0.5 * np.array([width, height]) - 0.5 * scale * (low + high)

    def at(p: np.ndarray) -> tuple[float, float]:
        x, y = scale * p[:2] + shift
        return round(float(x), 1), round(height - float(y), 1)

    parts: list[tuple[float, str]] = []
    for a, b in _box_edges(len(box)):
        (x1, y1), (x2, y2) = at(box[a]), at(box[b])
        depth = float(min(box[a, 2], box[b, 2])) - 1e-3
        parts.append((depth, f'<path d="M{x1} {y1}L{x2} {y2}" stroke="#8a93a0" stroke-width=".7" opacity=".7"/>'))
    for a, b in _bonds(numbers, xyz):
        (x1, y1), (x2, y2) = at(flat[a]), at(flat[b])
        depth = float(flat[[a, b], 2].mean())
        parts.append(
            (depth, f'<path d="M{x1} {y1}L{x2} {y2}" stroke="#7b8490" stroke-width="{max(1.0, 0.14 * scale):.1f}"/>')
        )
    for number, point in zip(numbers, flat, strict=True):
        x, y = at(point)
        r = max(1.6, scale * palette.radius(int(number)) * 1.1)
        fill = palette.colour(int(number))
        rim = 'stroke="#30363d" stroke-opacity=".45" stroke-width=".6"'
        dot = f'<circle cx="{x}" cy="{y}" r="{r:.1f}" fill="{fill}" {rim}/>'
        parts.append((float(point[2]), dot))
    body = "".join(text for _, text in sorted(parts, key=lambda p: p[0]))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return f'{head} fill="none" stroke-linecap="round">{body}</svg>'


def _with_faces(numbers: np.ndarray, xyz: np.ndarray, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    frac = xyz @ np.linalg.inv(cell)
    frac = frac - np.floor(frac + 1e-3)
    z, points = [numbers], [frac]
    for axis in range(3):
        have_z, have = np.concatenate(z), np.vstack(points)
        near = np.abs(have[:, axis]) < 1e-2
        z.append(have_z[near])
        points.append(have[near] + np.eye(3)[axis])
    return np.concatenate(z), np.vstack(points) @ cell


def _rotation(points: np.ndarray) -> np.ndarray:
    """Rows: right, up, towards the eye. The longest extent lies across, the shortest towards the eye, then tilted."""
    centred = points - points.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=True)
    if np.linalg.det(axes) < 0:
        axes[2] *= -1
    (c1, c2), (s1, s2) = np.cos(_TILT), np.sin(_TILT)
    about_x = np.array([[1, 0, 0], [0, c1, -s1], [0, s1, c1]])
    about_y = np.array([[c2, 0, s2], [0, 1, 0], [-s2, 0, c2]])
    return about_x @ about_y @ axes


def _bonds(numbers: np.ndarray, xyz: np.ndarray) -> list[tuple[int, int]]:
    from ase.data import covalent_radii

    reach = covalent_radii[numbers]
    gaps = np.linalg.norm(xyz[:, None] - xyz[None], axis=2)
    near = gaps < 1.15 * (reach[:, None] + reach[None])
    return [(int(a), int(b)) for a, b in np.argwhere(np.triu(near, 1))]


def _box_edges(count: int) -> list[tuple[int, int]]:
    if count != 8:
        return []
    return [(a, a | bit) for a in range(8) for bit in (1, 2, 4) if not a & bit]
