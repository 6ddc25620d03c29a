"""Small pictures of families: polyhedra in parallel projection, shaded by light and depth, as plain SVG.

The bundled ones (``motifdesk/data/thumbnails``) are made by ``scripts/make_thumbnails.py``; a family without one is
drawn when it is asked for.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.data import path as data_path
from motifdesk.desk import palette, scene

if TYPE_CHECKING:
    from pymatgen.core import Structure

WIDTH, HEIGHT = 144, 104
_SPAN = 15.5  # Angstrom shown from left to right, unless _VIEWS says otherwise
_DEPTH = 5.5  # Angstrom in front of and behind the middle
_LIGHT = np.array([-0.42, 0.62, 0.66]) / np.linalg.norm([-0.42, 0.62, 0.66])
_ATOM = 1.0  # of the radius on the stage
# family: (index of the cell vector that is looked along, or None for a view from the side with the third one upright;
# Angstrom from left to right). Channels and rings show only to an eye that looks through them.
_VIEWS: dict[str, tuple[int | None, float]] = {
    "tunnel": (0, 19.0),
    "ring-silicate": (2, 21.0),
    "chalcogenolate": (None, 23.0),
    "layered-perovskite": (None, 20.0),
    "biopyribole": (2, 20.0),
    "olivine": (None, 15.5),
}


@cache
def picture(family: str) -> str:
    """The SVG of a family's default member: the bundled one, or drawn now."""
    file = data_path("thumbnails", f"{family}.svg")
    if file.is_file():
        return file.read_text(encoding="utf-8")
    return drawn(family)


def drawn(family: str) -> str:
    """The SVG of a family's default member, drawn now."""
    from motifdesk.topologies import member

    return draw(member(family, neutral=False).structure, family)


def draw(structure: Structure, title: str) -> str:
    """An SVG of ``WIDTH`` x ``HEIGHT``: what of the crystal lies in a block of some 15 Angstrom, without background."""
    import html

    from motifdesk.motifs import find_motifs
    from motifdesk.structures.arrays import to_arrays

    arrays = to_arrays(structure)
    graph = find_motifs(structure)
    kinds = scene.default_kinds(arrays, graph)
    cell = np.asarray(arrays.cell)
    along, span = _VIEWS.get(title, (None, _SPAN))
    axes = _view(cell, along)
    half = np.array([span / 2, span / 2 * HEIGHT / WIDTH, _DEPTH])
    middle = _middle(arrays, graph, kinds) if along is None else 0.5 * cell[along]
    shapes: list[tuple[float, int, str]] = []
    scale = (WIDTH - 8) / span
    shifts = _shifts(cell, float(np.linalg.norm(half)) + 2.0)
    drawn_atoms: dict[tuple[int, ...], None] = {}
    covered: set[tuple[int, ...]] = set()

    def project(points: np.ndarray) -> np.ndarray:
        return (points - middle) @ axes.T

    for motif in graph.motifs:
        if motif.formula not in kinds:
            continue
        around = np.array([arrays.positions[x.site] + np.asarray(x.image) @ cell for x in motif.ligands])
        centre = arrays.positions[motif.centre]
        faces = _faces(around)
        colour = palette.colour(int(arrays.numbers[motif.centre]))
        for shift in shifts:
            if not _inside(project(centre + shift @ cell), half):
                continue
            flat = project(around + shift @ cell)
            covered.add((motif.centre, *map(int, shift)))
            for x in motif.ligands:
                key = (x.site, *(int(i) for i in np.asarray(x.image) + shift))
                covered.add(key)
            shapes += _polyhedron(flat, faces, colour, scale)
    for site in range(len(arrays.numbers)):
        for shift in shifts:
            key = (site, *map(int, shift))
            if key not in covered and _inside(project(arrays.positions[site] + shift @ cell), half):
                drawn_atoms[key] = None
    _drop_fragments(arrays, drawn_atoms)
    lonely = not shapes
    for key in drawn_atoms:
        site, shift = key[0], np.array(key[1:])
        at = project(arrays.positions[site] + shift @ cell)
        number = int(arrays.numbers[site])
        if not lonely and _is_ligand(graph, site, kinds):
            continue  # a vertex of a polyhedron that is not drawn
        shapes.append(_atom(at, number, scale))
    shapes += _sticks(graph, arrays, drawn_atoms, project, scale)
    body = "".join(text for _, _, text in sorted(shapes, key=lambda s: (round(s[0], 2), s[1], s[2])))
    style = 'stroke="#fff" stroke-opacity=".38" stroke-linejoin="round" stroke-width=".5"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}">'
        f"<title>{html.escape(title)}</title><g {style}>{body}</g></svg>\n"
    )


def _view(cell: np.ndarray, through: int | None) -> np.ndarray:
    """Rows right, up and towards the eye: the third cell vector upright, seen a little from the side and from above.

    Stackings repeat along the third vector, so that their word is read from the bottom to the top.
    """
    if through is not None:
        eye = cell[through] / np.linalg.norm(cell[through])
        beside = cell[(through + 1) % 3]
        right = beside - (beside @ eye) * eye
        right /= np.linalg.norm(right)
        up = np.cross(eye, right)
        turn, tilt = np.radians(4.0), np.radians(5.0)  # not quite straight: the walls show their depth
        eye = np.cos(tilt) * (np.cos(turn) * eye + np.sin(turn) * right) + np.sin(tilt) * up
        right = np.cross(up, eye)
        right /= np.linalg.norm(right)
        return np.array([right, np.cross(eye, right), eye])
    up = np.cross(cell[0], cell[1])
    up /= np.linalg.norm(up)
    if up @ cell[2] < 0:
        up = -up
    along = cell[0] - (cell[0] @ up) * up
    along /= np.linalg.norm(along)
    side = np.cross(up, along)
    turn, tilt = np.radians(17.0), np.radians(11.0)
    right = np.cos(turn) * along + np.sin(turn) * side
    level = np.cross(right, up)
    eye = np.cos(tilt) * level + np.sin(tilt) * up
    return np.array([right, np.cross(eye, right), eye])


def _middle(arrays: Any, graph: Any, kinds: Any) -> np.ndarray:
    centres = [arrays.positions[m.centre] for m in graph.motifs if m.formula in kinds]
    return np.mean(centres if centres else arrays.positions, axis=0)


def _shifts(cell: np.ndarray, reach: float) -> np.ndarray:
    """Lattice translations int [n, 3] that may bring something within `reach` (Angstrom) of the middle."""
    heights = 1.0 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    n = np.ceil(reach / heights).astype(int) + 1
    grid = np.stack(np.meshgrid(*[np.arange(-k, k + 1) for k in n], indexing="ij"), axis=-1).reshape(-1, 3)
    return grid


def _inside(point: np.ndarray, half: np.ndarray) -> bool:
    """A rounded block: an ellipse on the page, a slab in depth."""
    inset = half - np.array([1.7, 1.7, 0.0])
    x, y, z = point / inset
    return bool(abs(z) <= 1.0 and x**4 + y**4 <= 1.0)


def _faces(points: np.ndarray) -> list[list[int]]:
    """The faces of a convex polyhedron, coplanar triangles merged, each in order around its outer normal."""
    from scipy.spatial import ConvexHull, QhullError

    if len(points) < 4:
        return []
    try:
        hull = ConvexHull(points)
    except QhullError:
        return []  # flat
    planes: dict[tuple[float, ...], set[int]] = {}
    for equation, simplex in zip(hull.equations, hull.simplices, strict=True):
        near = next((k for k in planes if np.abs(np.array(k) - equation).max() < 0.12), None)
        planes.setdefault(near or tuple(equation), set()).update(int(i) for i in simplex)
    out = []
    for plane, members in planes.items():
        normal = np.array(plane[:3])
        rows = sorted(members)
        middle = points[rows].mean(axis=0)
        first = points[rows[0]] - middle
        second = np.cross(normal, first)
        out.append(
            sorted(rows, key=lambda i: float(np.arctan2((points[i] - middle) @ second, (points[i] - middle) @ first)))
        )
    return out


def _polyhedron(flat: np.ndarray, faces: list[list[int]], colour: str, scale: float) -> list[tuple[float, int, str]]:
    """Front faces as (depth, order, SVG), nearest last."""
    out = []
    depth = float(flat[:, 2].mean())
    for face in faces:
        corners = flat[face]
        normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
        normal /= np.linalg.norm(normal) + 1e-12
        if normal @ (corners.mean(axis=0) - flat.mean(axis=0)) < 0:
            normal = -normal
        if normal[2] <= 0.02:
            continue
        light = 0.62 + 0.42 * float(normal @ _LIGHT)
        fill = _shade(colour, light, depth)
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in _page(corners, scale))
        out.append((depth, 0, f'<path d="M{path}Z" fill="{fill}"/>'))
    return out


def _page(points: np.ndarray, scale: float) -> np.ndarray:
    return np.stack([WIDTH / 2 + scale * points[:, 0], HEIGHT / 2 - scale * points[:, 1]], axis=1)


def _atom(at: np.ndarray, number: int, scale: float) -> tuple[float, int, str]:
    x, y = _page(at[None], scale)[0]
    r = scale * palette.radius(number) * _ATOM
    fill, rim = _shade(palette.colour(number), 1.0, at[2]), _shade(palette.colour(number), 0.68, at[2])
    return (
        float(at[2]),
        1,
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{r:.1f}" fill="{fill}" stroke="{rim}" stroke-opacity="1"/>',
    )


def _is_ligand(graph: Any, site: int, kinds: Any) -> bool:
    return any(x.site == site for m in graph.motifs if m.formula in kinds for x in m.ligands)


def _sticks(graph: Any, arrays: Any, drawn_atoms: Any, project: Any, scale: float) -> list[tuple[float, int, str]]:
    """Bonds between the light atoms that are drawn by themselves (a phenyl is a ring, not a cloud of dots)."""
    cell = np.asarray(arrays.cell)
    keys = [k for k in drawn_atoms if int(arrays.numbers[k[0]]) in (1, 6, 7)]
    if not keys:
        return []
    at = np.array([arrays.positions[k[0]] + np.array(k[1:]) @ cell for k in keys])
    gaps = np.linalg.norm(at[:, None] - at[None], axis=-1)
    out = []
    for a, b in zip(*np.nonzero(np.triu(gaps < 1.65, 1)), strict=True):
        if {int(arrays.numbers[keys[a][0]]), int(arrays.numbers[keys[b][0]])} == {1}:
            continue
        ends = project(at[[a, b]])
        (x, y), (u, v) = _page(ends, scale)
        tint = _shade(palette.colour(6), 1.0, float(ends[:, 2].mean()))
        line = f'<path d="M{x:.1f} {y:.1f}L{u:.1f} {v:.1f}" stroke="{tint}" stroke-opacity="1" stroke-width="1.8"/>'
        out.append((float(ends[:, 2].mean()) - 0.3, 0, line))
    return out


def _drop_fragments(arrays: Any, drawn_atoms: dict[tuple[int, ...], None]) -> None:
    """Organic groups are drawn whole or not at all."""
    cell = np.asarray(arrays.cell)
    keys = [k for k in drawn_atoms if int(arrays.numbers[k[0]]) in (1, 6, 7)]
    if not keys:
        return
    at = np.array([arrays.positions[k[0]] + np.array(k[1:]) @ cell for k in keys])
    group = np.arange(len(keys))
    for a, b in np.argwhere(np.triu(np.linalg.norm(at[:, None] - at[None], axis=-1) < 1.65, 1)):
        group[group == group[b]] = group[a]
    sizes = {g: int((group == g).sum()) for g in set(group.tolist())}
    for key, g in zip(keys, group.tolist(), strict=True):
        if sizes[g] < max(sizes.values()):
            del drawn_atoms[key]


def _shade(colour: str, light: float, depth: float) -> str:
    """`colour` brightened or darkened by `light`, and paler the farther behind (Angstrom) it lies."""
    rgb = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)], dtype=float)
    rgb = rgb * light if light <= 1.0 else 255.0 - (255.0 - rgb) / light
    haze = 0.42 * float(np.clip((_DEPTH - depth) / (2 * _DEPTH), 0.0, 1.0))
    rgb = rgb + (np.array([214.0, 220.0, 228.0]) - rgb) * haze
    return "#" + "".join(f"{int(round(c)):02x}" for c in np.clip(rgb, 0, 255))
