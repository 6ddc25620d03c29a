"""Embed a quotient graph: rigid poses and a cell in which shared vertices coincide.

Unknowns are a rotation and a position for every motif and the cell; each join asks that its vertices fall together,
``p_b + R_b v_b + image . cell = p_a + R_a v_a``. Gauss-Newton with the exact Jacobian; the cell enters as a symmetric
strain that carries the centres along, so that neither the choice of the home cell nor a turn of the whole matters. What
the joins leave open (translations, free tilts) is decided by the shortest step, in which turning a motif by a radian
counts as much as moving it by `_TURNING` Angstrom: an embedding keeps the tilts it began with. Where the motifs cannot
meet, the remaining gaps are the residual, and `strained` says in the language of each motif's modes what it would have
to give.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from motifdesk.structures.errors import TopologyError
from motifdesk.structures.threads import one_blas_thread

from .assembly import Assembly, Join, Placement
from .templates import Template

_STEPS = 60
_DONE = 1e-10  # Angstrom
_TURNING = 3000.0
_STRAINS = np.zeros((6, 3, 3))
for _n, (_i, _j) in enumerate(((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))):
    _STRAINS[_n, _i, _j] = _STRAINS[_n, _j, _i] = 1.0 if _i == _j else 2.0**-0.5


@dataclass(frozen=True, eq=False)
class Embedded:
    """assembly: the motifs where they came to rest. gap: the largest distance between joined vertices, Angstrom.
    steps: Gauss-Newton steps taken. converged: no step moved anything any more."""

    assembly: Assembly
    gap: float
    steps: int
    converged: bool


def embed(
    assembly: Assembly,
    joins: Sequence[Join] | None = None,
    *,
    fixed_cell: bool = False,
    fixed_turns: bool = False,
    progress: Callable[[int, float], object] | None = None,
) -> Embedded:
    """Solve poses and cell so that the joins' vertices coincide, from where the assembly stands.

    Parameters
    ----------
    joins
        the quotient graph; the assembly's own coincidences by default.
    fixed_cell
        keep the cell: then only poses are solved.
    fixed_turns
        keep every motif's rotation: then corners may stay apart, and the gaps are shared out evenly.

    Raises
    ------
    TopologyError
        no joins, or a join that names vertices a template does not have.
    """
    joins = assembly.joins if joins is None else tuple(joins)
    if not joins:
        raise TopologyError(
            "no two motifs are joined", where="embed", remedy="name the joins, or lay the motifs down so that they meet"
        )
    for join in joins:
        for m, port in ((join.a, join.of_a), (join.b, join.of_b)):
            if not 0 <= m < len(assembly.placements):
                raise TopologyError(f"there is no motif {m}", where=str(join))
            if max(port) >= len(assembly.placements[m].template.vertices):
                raise TopologyError(f"motif {m} has no vertex {max(port)}", where=str(join))
        if len(join.of_a) != len(join.of_b):
            raise TopologyError("a join of ports of different size", where=str(join))
    a = np.repeat([j.a for j in joins], [len(j.of_a) for j in joins])
    b = np.repeat([j.b for j in joins], [len(j.of_a) for j in joins])
    image = np.repeat(np.array([j.image for j in joins], dtype=float), [len(j.of_a) for j in joins], axis=0)
    templates = [p.template.vertices for p in assembly.placements]
    va = np.concatenate([templates[j.a][list(j.of_a)] for j in joins])
    vb = np.concatenate([templates[j.b][list(j.of_b)] for j in joins])
    position = np.array([p.position for p in assembly.placements])
    rotation = np.array([p.rotation for p in assembly.placements])
    cell = np.array(assembly.cell, dtype=float)
    count, rows = len(position), len(a)
    size = 6 * count + (0 if fixed_cell else 6)
    scale = np.ones(size)
    scale[: 6 * count].reshape(count, 6)[:, 3:] = 0.0 if fixed_turns else 1.0 / _TURNING
    scale[6 * count :] = float(np.cbrt(abs(np.linalg.det(cell))))
    steps, moved, gap = 0, np.inf, np.inf
    held: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float, float] | None = None
    with one_blas_thread():
        for steps in range(1, _STEPS + 1):
            ra, rb = np.einsum("nij,nj->ni", rotation[a], va), np.einsum("nij,nj->ni", rotation[b], vb)
            off = position[b] + rb + image @ cell - position[a] - ra
            gap = float(np.linalg.norm(off, axis=1).max())
            cost = float((off**2).sum())
            if progress is not None:
                progress(steps, gap)
            if held is not None and cost > held[4] * (1 + 1e-9) + 1e-16:
                # where motifs cannot meet the linear picture overshoots: the same way, a quarter as far
                position, rotation, cell, step, _, part = held
                moved = 0.25 * part * float(np.abs(step).max())
                held = (*held[:5], 0.25 * part)
                position, rotation, cell = _moved(position, rotation, cell, step, 0.25 * part, count)
                if moved < 1e-7:
                    break
                continue
            if held is not None and cost > held[4] * (1 - 1e-7):
                moved = 0.0  # the gaps that are left do not close
                break
            if gap < _DONE or moved < _DONE:
                break
            jacobian = np.zeros((rows, 3, size))
            n = np.arange(rows)[:, None]
            x = np.arange(3)[None]
            jacobian[n, x, 6 * b[:, None] + x] += 1.0
            jacobian[n, x, 6 * a[:, None] + x] -= 1.0
            # a turn w moves v to v + w x v: derivative -[v]_x
            for sign, owner, arm in ((1.0, b, rb), (-1.0, a, ra)):
                block = -sign * _cross(arm)
                for k in range(3):
                    jacobian[np.arange(rows), :, 6 * owner + 3 + k] += block[:, :, k]
            if not fixed_cell:
                apart = position[b] + image @ cell - position[a]
                jacobian[:, :, 6 * count :] = np.einsum("sij,nj->nis", _STRAINS, apart)
            step = scale * _solve(jacobian.reshape(3 * rows, size) * scale, -off.ravel())
            pose, strain = _parts(step, count)
            # half a radian or a tenth of the cell at once: so far the linear picture holds
            largest = max(float(np.abs(pose[:, 3:]).max(initial=0.0)) / 0.5, float(np.abs(strain).max()) / 0.1)
            part = min(1.0, 1.0 / largest) if largest > 0 else 1.0
            held = (position, rotation, cell, step, cost, part)
            position, rotation, cell = _moved(position, rotation, cell, step, part, count)
            moved = part * float(np.abs(step).max())
    if abs(np.linalg.det(cell)) < 1e-3 * abs(np.linalg.det(assembly.cell)):
        raise TopologyError("the joins leave no room: the cell collapsed", where="embed", remedy="use other ports")
    placed_now = tuple(
        replace(p, position=x, rotation=r) for p, x, r in zip(assembly.placements, position, rotation, strict=True)
    )
    atoms = tuple(
        (s, tuple(float(v) for v in np.linalg.solve(assembly.cell.T, np.array(x)) @ cell)) for s, x in assembly.atoms
    )
    # where gaps remain, the last step is short but not zero only if Gauss-Newton has not settled
    return Embedded(Assembly(cell, placed_now, atoms), gap, steps, moved < 1e-6 or gap < 1e-8)  # type: ignore[arg-type]


def strained(embedded: Embedded) -> tuple[tuple[int, tuple[tuple[str, float], ...]], ...]:
    """What each motif gives when its vertices go where the shared atoms are: (motif, ((irrep, Angstrom), ...)), the
    largest amplitudes first; motifs that give nothing (< 1e-6 Angstrom) are left out."""
    from motifdesk.motifs.symmetry.irreps import figure_of

    out = []
    for m, (placement, moved) in enumerate(zip(embedded.assembly.placements, pulled(embedded.assembly), strict=True)):
        off = (moved - placement.vertices) @ placement.rotation
        if np.abs(off).max(initial=0.0) < 1e-6:
            continue
        figure = figure_of(placement.template.vertices)
        totals: dict[str, float] = {}
        for c in figure.coordinates:
            name = f"{c.irrep} {c.block}"
            totals[name] = totals.get(name, 0.0) + float((c.vectors * off).sum()) ** 2
        found = sorted(((k, float(np.sqrt(v))) for k, v in totals.items() if v > 1e-12), key=lambda kv: -kv[1])
        out.append((m, tuple(found)))
    return tuple(out)


def pulled(assembly: Assembly) -> list[np.ndarray]:
    """For each placement float64 [k, 3]: where its vertices' merged atoms are, next to the vertices."""
    inverse = np.linalg.inv(assembly.cell)
    atoms = assembly.merged.positions
    out = []
    for placement in assembly.placements:
        delta = (placement.vertices[:, None] - atoms[None]) @ inverse
        delta = (delta - np.rint(delta)) @ assembly.cell
        nearest = np.argmin(np.linalg.norm(delta, axis=2), axis=1)
        out.append(placement.vertices - delta[np.arange(len(nearest)), nearest])
    return out


def joined(placement: Placement, onto: np.ndarray, template: Template, of: tuple[int, ...]) -> Placement:
    """A placement of `template` whose vertices `of` lie as well as they can on the points `onto` [n, 3] (a port of
    `placement`), with its centre on the far side: the way to grow a network motif by motif."""
    v = template.vertices[list(of)]
    middle, target = v.mean(axis=0), onto.mean(axis=0)
    away = target - placement.position
    source = [middle, *(v - middle)]
    # the port's middle seen from the new centre points back at the old one
    aim = [-away / np.linalg.norm(away) * np.linalg.norm(middle), *(onto - target)]
    u, _, wt = np.linalg.svd(np.array(aim).T @ np.array(source))
    rotation = u @ np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ wt))]) @ wt
    return Placement(template, target - rotation @ middle, rotation)


def _solve(jacobian: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The shortest least-squares step."""
    from scipy.linalg import lstsq

    return lstsq(jacobian, right, cond=1e-9, lapack_driver="gelsd", check_finite=False)[0]


def _parts(step: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Poses [count, 6] and strain [3, 3] of a step; a step without the strain's six numbers leaves the cell."""
    strain = step[6 * count :]
    return step[: 6 * count].reshape(count, 6), np.einsum("s,sij->ij", strain, _STRAINS[: len(strain)])


def _moved(
    position: np.ndarray, rotation: np.ndarray, cell: np.ndarray, step: np.ndarray, part: float, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions, rotations and cell after a part of a step."""
    pose, strain = _parts(step, count)
    deformed = np.eye(3) + part * strain
    return (position + part * pose[:, :3]) @ deformed, _turns(part * pose[:, 3:]) @ rotation, cell @ deformed


def _cross(v: np.ndarray) -> np.ndarray:
    out = np.zeros((len(v), 3, 3))
    x, y, z = v.T
    out[:, 0, 1], out[:, 0, 2] = -z, y
    out[:, 1, 0], out[:, 1, 2] = z, -x
    out[:, 2, 0], out[:, 2, 1] = -y, x
    return out


def _turns(w: np.ndarray) -> np.ndarray:
    from scipy.spatial.transform import Rotation

    return Rotation.from_rotvec(w).as_matrix()
