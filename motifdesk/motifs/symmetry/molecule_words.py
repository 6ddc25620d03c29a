"""What a mode of a molecule does, in words, and which way is up."""

from __future__ import annotations

import numpy as np

from ..figures.pointgroup import PointGroup


def _frame(group: PointGroup) -> np.ndarray:
    z, x = group.frame[:2]
    return np.stack([x, np.cross(z, x), z])


def signed(vectors: np.ndarray, group: PointGroup, members: np.ndarray) -> np.ndarray:
    """The atom that moves most, the first of several, moves outwards; else along z, x or y of the group's frame."""
    sizes = np.linalg.norm(vectors, axis=1)
    first = int(np.argmax(sizes > sizes.max() - 1e-6))
    place = group.vertices[members[first]]
    outwards = float(vectors[first] @ place) / max(float(np.linalg.norm(place)), 1e-9)
    tests = [outwards, *(_frame(group)[[2, 0, 1]] @ vectors[first])]
    value = next((t for t in tests if abs(t) > 1e-4 * sizes.max()), 1.0)
    return vectors if value > 0 else -vectors


def words_of(
    group: PointGroup,
    members: np.ndarray,
    vectors: np.ndarray,
    kind: str,
    carrier: np.ndarray,
    bonds: np.ndarray,
) -> str:
    """ "breathing", "bonds alternate", "out of plane, alternating", "in plane", "twist about z"; "" for none."""
    points, k = group.vertices, len(members)
    if kind == "stretch":
        along = points[members] - points[carrier[members]]
        sizes = (vectors * along).sum(axis=1) / np.linalg.norm(along, axis=1)
        return "all alike" if k > 1 and np.ptp(sizes) < 1e-6 else ""
    length = np.maximum(np.linalg.norm(points[members], axis=1), 1e-9)
    radial = (vectors * points[members]).sum(axis=1) / length
    if kind == "frame" and k > 1 and np.ptp(radial) < 1e-6 and radial @ radial > 0.99:
        return "breathing"
    place = {int(atom): n for n, atom in enumerate(members)}
    own = [(place[a], place[b]) for a, b in bonds.tolist() if a in place and b in place]
    normal = _normal(points)
    if normal is not None:
        heights = vectors @ normal
        if np.abs(heights).max() > 1e-6:
            if np.abs(vectors - np.outer(heights, normal)).max() > 1e-6:
                return ""
            turns = own and all(heights[a] * heights[b] < -1e-6 for a, b in own)
            return "out of plane, alternating" if turns else "out of plane"
        rates = _rates(points, members, vectors, own)
        evenly = len(rates) > 2 and np.ptp(np.abs(rates)) < 1e-6 and abs(float(rates.sum())) < 1e-6 < abs(rates[0])
        return "bonds alternate" if evenly else "in plane"
    for name, axis in zip("zxy", _frame(group)[[2, 0, 1]], strict=True):
        around = np.cross(axis, points[members])
        circle, heights = np.linalg.norm(around, axis=1), points[members] @ axis
        if k > 1 and min(circle.min(), np.abs(heights).min()) > 1e-6:
            turned = (around * vectors).sum(axis=1) / circle * np.sign(heights)
            if abs(float(turned.sum())) > 0.999 * np.sqrt(k):  # above one way, below the other, nothing else
                return f"twist about {name}"
    moving = np.abs(vectors @ _frame(group).T).max(axis=0)
    return f"along {'xyz'[int(np.argmax(moving))]}" if (moving < 1e-3 * moving.max()).sum() == 2 else ""


def _normal(points: np.ndarray) -> np.ndarray | None:
    """The normal of a flat molecule; None of others and of lines."""
    spread = np.linalg.svd(points, full_matrices=False)
    flat = len(points) > 2 and spread[1][1] > 1e-6 and spread[1][2] < 1e-6 * spread[1][0]
    return spread[2][2] if flat else None


def _rates(points: np.ndarray, members: np.ndarray, vectors: np.ndarray, own: list[tuple[int, int]]) -> np.ndarray:
    """How fast each bond inside an orbit grows."""
    out = []
    for a, b in own:
        along = points[members[b]] - points[members[a]]
        out.append(float((vectors[b] - vectors[a]) @ along) / float(np.linalg.norm(along)))
    return np.array(out)
