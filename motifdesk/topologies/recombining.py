"""Take a motif, change the rule: which nets come out?

Two motifs joined at a port are related by the inversion through the port's middle (vertex and edge ports) or the mirror
in its plane (faces). A set of ports joined by inversion makes a crystal with two motifs in the cell, whose lattice is
spanned by twice the differences of the ports' middles: four tetrahedral corners give the net of cristobalite, three
orthogonal edges of an octahedron the honeycomb layer. `recombine` runs through the sets of ports that the motif's point
group tells apart, keeps what closes without clashes, and says what each is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np

from motifdesk.structures.errors import TopologyError

from .assembly import Assembly, Placement
from .embedding import Embedded, embed
from .templates import KINDS, Template

_LARGEST = 20_000  # sets of ports that are looked at
_CLASH = 0.7  # of the shortest distance between the template's own vertices


@dataclass(frozen=True, eq=False)
class Recombined:
    """A crystal of joined motifs.

    ports: the ports joined by inversion. sharing: kind -> joins of a motif, those that came about by themselves
    included. assembly: motifs and cell.
    """

    ports: tuple[tuple[int, ...], ...]
    sharing: dict[str, int]
    assembly: Assembly = field(repr=False)

    @property
    def structure(self) -> Any:
        """pymatgen Structure of centres and merged ligands."""
        return self.assembly.structure()

    @property
    def net(self) -> Any:
        """`motifdesk.motifs.Net` of the motifs joined in the way asked for: its RCSR name where it has one."""
        return self.assembly.net(("corner",) if len(self.ports[0]) == 1 else ("edge",))


def recombine(template: Template, kind: str = "vertex", count: int = 4, *, limit: int = 50) -> Iterator[Recombined]:
    """Frameworks in which every motif is joined to `count` others by ports of one kind.

    Parameters
    ----------
    template
        `Template.ideal(...)` or `Template.of(structure, motif)`.
    kind
        "vertex" (corner sharing) or "edge".
    count
        ports joined; at least four with middles that span space.
    limit
        yield at most so many, the most symmetric sets of ports first. No two of them are the same structure.

    Raises
    ------
    TopologyError
        faces (they join by a mirror, not by inversion), fewer ports than asked for, too many sets to look at.
    """
    if kind not in KINDS or kind == "face":
        raise TopologyError(
            f"ports of kind {kind!r} are not joined by inversion", where="recombine", remedy="choose vertex or edge"
        )
    ports = template.ports[kind]
    if not 4 <= count <= len(ports):
        raise TopologyError(
            f"{count} of {len(ports)} {kind} ports",
            where=template.name,
            remedy=f"choose from 4 (three do not span space) to {len(ports)}",
        )
    from pymatgen.analysis.structure_matcher import StructureMatcher

    chosen = _classes(template, ports, count)
    matcher = StructureMatcher(ltol=0.02, stol=0.05, angle_tol=1.0, scale=False)
    kept: list[Any] = []
    for selection in chosen:
        assembly = _paired(template, selection)
        if assembly is None:
            continue
        try:
            sharing = dict(assembly.sharing(0))
        except TopologyError:
            continue  # a motif would bite its own tail
        if _clashes(assembly, template):
            continue
        structure = assembly.structure()
        if any(matcher.fit(structure, other) for other in kept):
            continue
        kept.append(structure)
        yield Recombined(selection, sharing, assembly)
        if len(kept) >= limit:
            return


def exchange(assembly: Assembly, old: str, new: Template) -> Embedded:
    """Put another motif with the same number of vertices in the place of every motif called `old` (a template's name
    or centre), joined as before; poses and cell are solved anew. TopologyError where no such motif is, or its ports do
    not fit."""
    hit = [m for m, p in enumerate(assembly.placements) if old in (p.template.name, p.template.centre)]
    if not hit:
        names = ", ".join(sorted({p.template.name for p in assembly.placements}))
        raise TopologyError(f"there is no motif {old!r}", where="exchange", remedy=f"choose one of {names}")
    fitted: dict[int, tuple[Template, np.ndarray]] = {}
    sizes = []
    for m in hit:
        was = assembly.placements[m].template
        if len(was.vertices) != len(new.vertices):
            raise TopologyError(
                f"{new.name} has {len(new.vertices)} vertices, {was.name} {len(was.vertices)}",
                where="exchange",
                remedy="choose a motif with the same ports",
            )
        if id(was) not in fitted:
            order, turn = laid(was.vertices, new.vertices)
            ligands = tuple(new.ligands[i] for i in order)
            fitted[id(was)] = replace(new, vertices=new.vertices[order], ligands=ligands), turn
        sizes.append(np.linalg.norm(new.vertices, axis=1).mean() / np.linalg.norm(was.vertices, axis=1).mean())
    joins = assembly.joins
    size = float(np.mean(sizes))
    # where every motif is exchanged the whole scales with it; else the solver finds the room
    factor = size if len(hit) == len(assembly.placements) else 1.0
    placements = []
    for m, p in enumerate(assembly.placements):
        shape, turn = fitted[id(p.template)] if m in hit else (p.template, np.eye(3))
        placements.append(Placement(shape, p.position * factor, p.rotation @ turn))
    atoms = tuple((s, tuple(float(factor * v) for v in x)) for s, x in assembly.atoms)
    return embed(Assembly(assembly.cell * factor, tuple(placements), atoms), joins)  # type: ignore[arg-type]


def _classes(template: Template, ports: tuple[tuple[int, ...], ...], count: int) -> list[tuple[tuple[int, ...], ...]]:
    """Sets of ports that no element of the point group turns into each other, those with the largest group first."""
    from math import comb

    if comb(len(ports), count) > _LARGEST:
        raise TopologyError(
            f"{comb(len(ports), count)} sets of {count} ports are too many", where=template.name, remedy="take fewer"
        )
    place = {port: n for n, port in enumerate(ports)}
    moves = np.array(
        [
            [place[tuple(sorted(int(permutation[v]) for v in port))] for port in ports]
            for permutation in template.group.permutations
        ]
    )
    seen: set[frozenset[int]] = set()
    out = []
    for selection in combinations(range(len(ports)), count):
        if frozenset(selection) in seen:
            continue
        images = {frozenset(row) for row in moves[:, list(selection)].tolist()}
        seen |= images
        out.append((len(images), selection))
    return [tuple(ports[k] for k in selection) for _, selection in sorted(out)]


def _paired(template: Template, selection: tuple[tuple[int, ...], ...]) -> Assembly | None:
    """The motif and its image through the first port's middle; None where the middles do not span space, or differ by
    vectors that are no lattice (then the joins contradict each other)."""
    middles = np.array([template.vertices[list(port)].mean(axis=0) for port in selection])
    cell = lattice(2.0 * (middles[1:] - middles[0]))
    if cell is None:
        return None
    first = Placement(template, np.zeros(3))
    second = Placement(template, 2.0 * middles[0], -np.eye(3))
    gap = second.position @ np.linalg.inv(cell)
    if np.linalg.norm((gap - np.rint(gap)) @ cell) > 1e-3:
        return Assembly(cell, (first, second))
    # the partner is the motif itself in another cell: that goes where the motif has an inversion centre
    same = np.linalg.norm(template.vertices[:, None] + template.vertices[None], axis=2).min(axis=1).max() < 1e-3
    return Assembly(cell, (first,)) if same else None


def lattice(vectors: np.ndarray, tolerance: float = 1e-3) -> np.ndarray | None:
    """A short basis float [3, 3] of the lattice that vectors [n, 3] span; None where they lie in a plane or span no
    lattice with vectors longer than 1 Angstrom."""
    from motifdesk.motifs.detection.neighbours import reduce_cell

    basis: np.ndarray | None = None
    for chosen in combinations(range(len(vectors)), 3):
        if abs(np.linalg.det(vectors[list(chosen)])) > 1e-2:
            basis = vectors[list(chosen)]
            break
    if basis is None:
        return None
    for _ in range(20):
        basis, _ = reduce_cell(basis)
        rest = vectors - np.rint(vectors @ np.linalg.inv(basis)) @ basis
        worst = int(np.argmax(np.linalg.norm(rest, axis=1)))
        if np.linalg.norm(rest[worst]) < tolerance:
            break
        # a finer lattice holds the remainder too: replace the vector that leaves the smallest cell
        trials = [np.vstack([np.delete(basis, k, axis=0), rest[worst]]) for k in range(3)]
        volumes = [abs(np.linalg.det(t)) for t in trials]
        volumes = [v if v > 1e-3 else np.inf for v in volumes]
        if not np.isfinite(min(volumes)):
            return None
        basis = trials[int(np.argmin(volumes))]
    else:
        return None
    basis, _ = reduce_cell(basis)
    if np.linalg.norm(basis, axis=1).min() < 1.0:
        return None
    return basis if np.linalg.det(basis) > 0 else -basis


def _clashes(assembly: Assembly, template: Template) -> bool:
    """Whether atoms that are not shared come nearer than the motif's own ligands, or a centre than its bonds."""
    from motifdesk.motifs.figures.measure import shortest_contact

    v = template.vertices
    own = np.linalg.norm(v[:, None] - v[None], axis=2)
    limit = _CLASH * min(float(own[own > 0].min()), float(np.linalg.norm(v, axis=1).min()))
    contact = shortest_contact(assembly.structure())
    return contact is not None and contact.distance < limit


def laid(old: np.ndarray, new: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Order of the new vertices and a rotation that lays them on the old ones as well as possible."""
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.transform import Rotation

    best: tuple[float, np.ndarray, np.ndarray] | None = None
    starts = [Rotation.identity(), *Rotation.random(60, random_state=0)]
    scale = np.linalg.norm(old, axis=1).mean() / np.linalg.norm(new, axis=1).mean()
    for start in starts:
        turn = start.as_matrix()
        order = np.arange(len(old))
        for _ in range(4):
            cost = np.linalg.norm(old[:, None] - scale * (new @ turn.T)[None], axis=2) ** 2
            _, order = linear_sum_assignment(cost)
            u, _, vt = np.linalg.svd(old.T @ new[order])
            turn = u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))]) @ vt
        off = float(((old - scale * new[order] @ turn.T) ** 2).sum())
        if best is None or off < best[0] - 1e-9:
            best = off, order, turn
    assert best is not None
    return best[1], best[2]
