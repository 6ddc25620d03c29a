"""A distorted crystal as its parent plus symmetry modes and strain: what ISODISTORT and AMPLIMODES do.

>>> found = decompose(cubic, tetragonal)
>>> found                    # a table: which mode, where in reciprocal space, how much, which subgroup it leads to
>>> found.recompose()        # parent + modes + strain: the child again

Normalisations (Campbell, Stokes, Tanner and Hatch, J. Appl. Cryst. 39, 607 (2006)): ``As`` is the root of the summed
squares of the displacements in the child's primitive cell, Angstrom; ``Ap = As sqrt(Vp / Vs)`` is the same per
primitive cell of the parent, and does not depend on the supercell. Displacements are taken in the parent's unstrained
metric, their mean (the shift of the whole crystal) removed.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from motifdesk.structures.arrays import to_arrays
from motifdesk.structures.errors import MotifError
from motifdesk.structures.symmetry import SpaceGroup, space_group

from ..symmetry.crystal_modes import CrystalModes, crystal_modes
from ..symmetry.strain_modes import StrainMode, strain_modes
from ..symmetry.supercells import LARGEST
from .lattice_maps import integer_lattice, reduced
from .matching import StructureMatch, match_structures

#: Ap below which a mode is not listed, Angstrom.
SHOWN = 1e-3


@dataclass(frozen=True)
class ModeAmplitude:
    """One order parameter: an irrep on an orbit of sites, all its components together.

    label: for people. irrep: wavevector and symbol ("R T1g"). wavevector: of its largest component, reciprocal basis
    of the parent. orbit: "O 3c". copy: where the irrep occurs more than once on the orbit. As, Ap: Angstrom, never
    negative. components: (key of a `CrystalMode`, its amplitude As), all that are not zero. subgroup: the space group
    this order parameter alone leads to. polar: it leads to a polar direction that the parent has not.
    """

    label: str
    irrep: str
    wavevector: tuple[float, float, float]
    orbit: str
    copy: int
    As: float
    Ap: float
    components: tuple[tuple[str, float], ...] = field(repr=False)
    subgroup: SpaceGroup
    polar: bool


@dataclass(frozen=True)
class IrrepTotal:
    """All modes of one irrep: As and Ap (Angstrom), and the space group they lead to together."""

    irrep: str
    As: float
    Ap: float
    subgroup: SpaceGroup


class Decomposition:
    """What `decompose` found. N sites of the supercell in the order of ``modes.supercell``.

    match: the `StructureMatch`, in the supercell of the modes. modes: the parent's `CrystalModes`. displacements:
    float64 [N, 3], Cartesian, Angstrom, parent's metric. amplitudes: key -> amplitude in the supercell of `modes`
    (Angstrom); their squares add up to that of `displacements`. strain: the `StrainMode` components of Biot's strain.
    cells: primitive cells of the parent in the child's primitive cell (As = Ap sqrt(cells)).
    """

    def __init__(
        self, match: StructureMatch, modes: CrystalModes, order: np.ndarray, cells: int, tolerance: float
    ) -> None:
        self.match = match
        self.modes = modes
        self.order = order
        self.cells = cells
        self.tolerance = tolerance
        self.displacements = match.displacements[order]
        self.amplitudes: dict[Any, float] = {**modes.amplitudes(self.displacements)}
        self.strain: tuple[StrainMode, ...] = strain_modes(match.strain, modes.operations.turns)

    # sums ---------------------------------------------------------------------------------------------------------

    @property
    def Ap(self) -> float:  # noqa: N802
        """Total displacement per primitive cell of the parent, Angstrom."""
        return float(np.linalg.norm(self.displacements) / math.sqrt(self.match.index))

    @property
    def As(self) -> float:  # noqa: N802
        """Total displacement in the child's primitive cell, Angstrom."""
        return self.Ap * math.sqrt(self.cells)

    @property
    def completeness(self) -> float:
        """Sum of squared amplitudes over squared total displacement: 1 when nothing is left out."""
        whole = float((self.displacements**2).sum())
        return sum(a * a for a in self.amplitudes.values()) / whole if whole > 1e-16 else 1.0

    @cached_property
    def residual(self) -> float:
        """Largest distance between an atom of the child and of `recompose`, Angstrom."""
        made = self.recompose()
        away = self.match.distorted.frac_coords[self.order] - made.frac_coords
        away -= np.rint(away)
        cell = np.abs(made.lattice.matrix - self.match.strained_cell).max()
        return float(max(np.linalg.norm(away @ self.match.strained_cell, axis=1).max(), cell))

    # tables -------------------------------------------------------------------------------------------------------

    @cached_property
    def rows(self) -> tuple[ModeAmplitude, ...]:
        """Every order parameter with Ap above 0.001 A, the largest first."""
        groups: dict[str, list[str]] = {}
        for mode in self.modes:
            groups.setdefault(mode.key.rsplit(":", 1)[0], []).append(mode.key)
        scale = 1.0 / math.sqrt(self.match.index)
        out = []
        for keys in groups.values():
            size = float(np.linalg.norm([self.amplitudes[k] for k in keys])) * scale
            if size <= SHOWN:
                continue
            largest = max(keys, key=lambda k: abs(self.amplitudes[k]))
            parts: dict[Any, float] = {
                k: self.amplitudes[k] for k in keys if abs(self.amplitudes[k]) > 1e-3 * abs(self.amplitudes[largest])
            }
            mode = self.modes.mode(largest)
            copy = f", copy {mode.copy}" if mode.copy > 1 else ""
            out.append(
                ModeAmplitude(
                    f"{mode.irrep}, {mode.orbit}{copy}",
                    mode.irrep,
                    mode.wavevector,
                    mode.orbit,
                    mode.copy,
                    size * math.sqrt(self.cells),
                    size,
                    tuple((k, a * scale * math.sqrt(self.cells)) for k, a in parts.items()),
                    self.modes.subgroup(parts),
                    any(self.modes.mode(k).polar for k in parts),
                )
            )
        return tuple(sorted(out, key=lambda row: (-round(row.Ap, 9), row.label)))

    @cached_property
    def irreps(self) -> tuple[IrrepTotal, ...]:
        """Totals of every irrep (at its star of wavevectors) above 0.001 A, the largest first."""
        groups: dict[tuple[str, str], dict[str, float]] = {}
        for mode in self.modes:
            groups.setdefault((mode.irrep, mode.key.split(":", 1)[0]), {})[mode.key] = self.amplitudes[mode.key]
        scale = 1.0 / math.sqrt(self.match.index)
        out = []
        for (irrep, _), parts in groups.items():
            size = float(np.linalg.norm(list(parts.values()))) * scale
            if size > SHOWN:
                kept: dict[Any, float] = {k: a for k, a in parts.items() if abs(a) > 1e-3 * size / scale}
                out.append(IrrepTotal(irrep, size * math.sqrt(self.cells), size, self.modes.subgroup(kept)))
        return tuple(sorted(out, key=lambda total: (-round(total.Ap, 9), total.irrep)))

    @cached_property
    def group(self) -> SpaceGroup:
        """The child's space group."""
        return space_group(self.match.child, self.tolerance)

    @cached_property
    def primary(self) -> tuple[str, ...]:
        """The irreps that make the child's symmetry; all others come along because that symmetry allows them."""
        return tuple(dict.fromkeys(mode.irrep for mode in self.modes.primary(self.displacements)))

    def __repr__(self) -> str:
        lines = [
            f"Decomposition({self.match.child.composition.reduced_formula}, {self.modes.group.symbol} -> "
            f"{self.group.symbol}, {self.cells} parent cell{'s' * (self.cells > 1)}, Ap {self.Ap:.4f} A, "
            f"As {self.As:.4f} A)",
            f"{'mode':<34}{'k':<18}{'Ap (A)':>9}{'As (A)':>9}  leads to",
        ]
        for row in self.rows[:12]:
            lines.append(
                f"{row.label:<34}{_vector(row.wavevector):<18}{row.Ap:>9.4f}{row.As:>9.4f}  "
                f"{row.subgroup.symbol} ({row.subgroup.number})"
            )
        if len(self.rows) > 12:
            lines.append(f"and {len(self.rows) - 12} smaller ones")
        lines += [f"{s.label:<52}{100 * s.value:>+9.3f} %" for s in self.strain if abs(s.value) > 5e-6]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in cells) + "</tr>"
            for cells in (
                (
                    row.label,
                    _vector(row.wavevector),
                    f"{row.Ap:.4f}",
                    f"{row.As:.4f}",
                    f"{row.subgroup.symbol} ({row.subgroup.number})",
                )
                for row in self.rows
            )
        )
        strain = "".join(
            f"<tr><td>{html.escape(s.label)}</td><td>{100 * s.value:+.3f} %</td></tr>"
            for s in self.strain
            if abs(s.value) > 5e-6
        )
        head = "".join(f"<th>{title}</th>" for title in ("mode", "wavevector", "Ap (A)", "As (A)", "leads to"))
        return (
            f"<div><p><code>{html.escape(repr(self).splitlines()[0])}</code></p><table><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table><table><thead><tr><th>strain</th><th>amplitude</th></tr></thead>"
            f"<tbody>{strain}</tbody></table></div>"
        )

    # back ---------------------------------------------------------------------------------------------------------

    def recompose(self, amplitudes: Mapping[Any, float] | None = None, *, strain: float = 1.0) -> Any:
        """Structure: the parent's supercell with modes and strain turned on, in the order of ``modes.supercell``.

        amplitudes: key -> amplitude in this supercell (as `self.amplitudes`); default all as found. strain: share of
        the strain, 1 for all of it.
        """
        from pymatgen.core import Lattice

        out = self.modes.apply({**self.amplitudes} if amplitudes is None else amplitudes)
        stretch = np.eye(3) + float(strain) * sum(s.value * s.tensor for s in self.strain)
        fractional = out.frac_coords
        return type(out)(
            Lattice(self.match.cell @ stretch),
            out.species,
            fractional,
            site_properties=out.site_properties,
            labels=out.labels,
        )


def decompose(
    parent: Any,
    child: Any,
    *,
    supercell: Any = None,
    tolerance: float = 0.01,
    max_strain: float = 0.7,
    mirror: bool = False,
    seconds: float = 60.0,
) -> Decomposition:
    """The amplitude of every symmetry mode of `parent` in `child`, and the strain.

    Parameters
    ----------
    parent, child
        ordered crystals of one composition, any cells, origins and atom orders.
    supercell
        the supercell whose modes are used, in the vectors of the parent's primitive cell. Default: the smallest that
        holds the child's primitive cell and keeps the parent's point group, so that every irrep is one of the parent's
        own; where that has more than 256 sites, the child's primitive cell.
    tolerance
        Angstrom, for the parent's symmetry.
    max_strain, mirror, seconds
        as in `match_structures`.

    Raises
    ------
    MotifError
        as `match_structures`. StructureError: more than 256 sites in the supercell.
    """
    small = _primitive(child)
    match = match_structures(parent, small, max_strain=max_strain, mirror=mirror, tolerance=tolerance, seconds=seconds)
    cells = match.index
    if supercell is None:
        supercell = _keeping_the_point_group(match, tolerance)
    match = match.repeated(supercell)
    modes = crystal_modes(match.parent, match.matrix, tolerance=tolerance)
    return Decomposition(match, modes, _order(modes, match), cells, tolerance)


def _primitive(child: Any) -> Any:
    """The child in its primitive cell where that is one to 1e-4 A, else as it is."""
    arrays = to_arrays(child)
    if arrays.cell is None:
        return child  # match_structures says what is wrong
    cell = reduced(arrays, 1e-4)
    if len(cell) == len(arrays) or not hasattr(child, "lattice"):
        return child
    from pymatgen.core import Lattice, Structure

    return Structure(Lattice(cell.cell), [child[int(k)].species for k in cell.sites], cell.fractional)


def _keeping_the_point_group(match: StructureMatch, tolerance: float) -> np.ndarray:
    """int64 [3, 3]: the smallest supercell of `match.parent` that contains the common cell and that every rotation of
    the parent leaves as it is; the common cell itself where that is too large."""
    parent = reduced(to_arrays(match.parent), tolerance)
    back = np.linalg.inv(parent.basis)
    rows = match.matrix @ back  # in the reduced basis the rotations are given in
    # the common part of lattices is the dual of the sum of their duals; index * dual is whole
    size = match.index
    duals = np.concatenate([np.linalg.inv(rows @ r).T for r in parent.rotations])
    sum_of_duals = integer_lattice(np.rint(duals * size).astype(np.int64)) / size
    common = np.rint(np.linalg.inv(sum_of_duals).T).astype(np.int64)
    count = abs(round(float(np.linalg.det(common)))) * len(match.parent)
    if count > LARGEST:
        return match.matrix
    wanted = np.rint(common @ parent.basis).astype(np.int64)
    wanted = integer_lattice(wanted)
    wanted[[k for k in range(3) if wanted[k, k] < 0]] *= -1
    # short rows, and the same ones for the same lattice
    return _upright(wanted)


def _upright(rows: np.ndarray) -> np.ndarray:
    """Hermite's form with the parts above the diagonal reduced to the nearest to zero."""
    out = rows.copy()
    for column in (1, 2):
        for row in range(column):
            out[row] -= round(out[row, column] / out[column, column] - 1e-9) * out[column]
    return out


def _order(modes: CrystalModes, match: StructureMatch) -> np.ndarray:
    """int64 [N]: the atom of the match at each site of the modes' supercell."""
    own = modes.supercell.frac_coords
    source = np.asarray(modes.source)
    out = np.empty(len(own), dtype=np.int64)
    for site in np.unique(source):
        rows, columns = np.flatnonzero(source == site), np.flatnonzero(match.sites == site)
        delta = own[rows][:, None] - match.positions[columns][None]
        distance = np.linalg.norm((delta - np.rint(delta)) @ match.cell, axis=2)
        nearest = distance.argmin(axis=1)
        if len(rows) != len(columns) or distance.min(axis=1).max() > 1e-3 or len(set(nearest)) != len(rows):
            raise MotifError(
                "the supercells of the match and of the modes differ",
                where=repr(match),
                remedy="report this as a defect",
            )
        out[rows] = columns[nearest]
    return out


def _vector(k: tuple[float, float, float]) -> str:
    from ..symmetry.wavevectors import written

    return f"({written(np.array(k))})"
