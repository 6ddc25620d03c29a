"""Two crystals of one composition laid on each other: which supercell, which origin, which atom is which.

The child (distorted, any cell and atom order) is described as a supercell of the parent that is strained, and whose
atoms are displaced. Of all such descriptions the one with the least

    <|u|^2> + max |u|^2 / 4 + l^2 |ln U|^2,     l = (volume per atom)^(1/3)

is taken: displacements u, none of them far, and the strain as the displacement it means from one atom to the next.
Descriptions that a symmetry of the parent turns into each other (domains) cost the same; the one whose axes are most
nearly the parent's is taken, so the answer is always the same one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from motifdesk.structures.arrays import AtomArrays, from_arrays, to_arrays
from motifdesk.structures.checks import SAME_SITE, close_pairs
from motifdesk.structures.errors import MotifError

from .lattice_maps import Deadline, Reduced, lattice_points, reduce_basis, reduced, stretch
from .map_search import Found, common, domain, filled, search
from .pairing import kinds_of, settle

_MOST_ATOMS = 2000


@dataclass(frozen=True, eq=False)
class StructureMatch:
    """A child crystal described as a distorted supercell of a parent. N atoms, in the child's order.

    parent: the primitive crystal that `matrix` refers to: the one given if that was primitive, else its reduced
    primitive cell, not turned. child: as given. matrix: int64 [3, 3], rows are the common cell's vectors in the
    parent's. child_matrix: int64 [3, 3], the same in the child's (identity unless the child's cell is too small).
    origin: float64 [3], the child's origin in the parent's fractional coordinates. sites: int64 [N], site of `parent`
    that each atom comes from; given_sites: site of the parent as given; child_sites: site of the child. stretch:
    float64 [3, 3], U, symmetric, and rotation: float64 [3, 3], R, so that ``child_matrix @ cell_child = matrix @
    cell_parent @ U @ R`` (rows are vectors). fractional: float64 [N, 3], displacements in fractions of the common cell,
    mean zero (no translation as a whole). positions: float64 [N, 3], undisplaced, fractions of the common cell. score:
    the cost above, A^2. complete: False when the time limit stopped the search. mirrored: `parent` is the mirror image
    of the one given.
    """

    parent: Any
    child: Any
    matrix: np.ndarray
    child_matrix: np.ndarray
    origin: np.ndarray
    sites: np.ndarray
    given_sites: np.ndarray
    child_sites: np.ndarray
    stretch: np.ndarray
    rotation: np.ndarray
    fractional: np.ndarray
    positions: np.ndarray
    score: float
    complete: bool
    mirrored: bool = False

    def __len__(self) -> int:
        return len(self.sites)

    def __repr__(self) -> str:
        strain = np.linalg.eigvalsh(self.strain)
        return (
            f"StructureMatch({self.child.composition.reduced_formula}, {len(self)} atoms on "
            f"{self.index} cells of the parent; largest displacement {self.largest:.4f} A, "
            f"principal strains {', '.join(f'{100 * s:+.2f} %' for s in strain)})"
        )

    @property
    def index(self) -> int:
        """Number of parent cells in the common cell."""
        return round(abs(float(np.linalg.det(self.matrix))))

    @cached_property
    def cell(self) -> np.ndarray:
        """float64 [3, 3]: the undistorted common cell, parent's frame, Angstrom."""
        return self.matrix @ self.parent.lattice.matrix

    @property
    def strained_cell(self) -> np.ndarray:
        """float64 [3, 3]: the child's common cell turned into the parent's frame."""
        return self.cell @ self.stretch

    @cached_property
    def displacements(self) -> np.ndarray:
        """float64 [N, 3], Cartesian, Angstrom, the parent's frame and metric (no strain): what modes add up to."""
        return self.fractional @ self.cell

    @cached_property
    def child_displacements(self) -> np.ndarray:
        """float64 [N, 3], the same in the child's metric (after the strain), parent's frame."""
        return self.fractional @ self.strained_cell

    @property
    def largest(self) -> float:
        """Largest displacement in the child's metric, Angstrom: the "maximum distortion" that the Bilbao server's
        STRUCTURE RELATIONS and the tables made with it print."""
        return float(np.linalg.norm(self.child_displacements, axis=1).max())

    @property
    def total(self) -> float:
        """Root of the summed squared `displacements` per primitive cell of the parent, Angstrom (ISODISTORT's Ap)."""
        return float(np.linalg.norm(self.displacements) / math.sqrt(self.index))

    @property
    def strain(self) -> np.ndarray:
        """float64 [3, 3]: Biot's strain U - 1, symmetric, parent's frame."""
        return self.stretch - np.eye(3)

    @property
    def green_lagrange(self) -> np.ndarray:
        """float64 [3, 3]: (U^2 - 1) / 2."""
        return (self.stretch @ self.stretch - np.eye(3)) / 2.0

    @cached_property
    def log_strain(self) -> np.ndarray:
        """float64 [3, 3]: Hencky's strain ln U."""
        values, vectors = np.linalg.eigh(self.stretch)
        return (vectors * np.log(values)) @ vectors.T

    @property
    def reference(self) -> Any:
        """Structure: the undistorted supercell of the parent, atoms in the child's order, parent's frame."""
        return self._dress(self.cell, self.positions, self.parent, self.sites)

    @property
    def distorted(self) -> Any:
        """Structure: the child in the common cell and the parent's frame, each atom beside that of `reference`."""
        return self._dress(self.strained_cell, self.positions + self.fractional, self.child, self.child_sites)

    def repeated(self, supercell: Any) -> StructureMatch:
        """The same match in a larger common cell: three integers or int [3, 3], rows in the vectors of `parent`.

        MotifError if that does not contain the present one.
        """
        wanted = whole_matrix(supercell)
        times = wanted @ np.linalg.inv(self.matrix)
        if not np.allclose(times, np.rint(times), atol=1e-6):
            raise MotifError(
                f"the supercell {wanted.tolist()} does not contain the child's cell, which is {self.matrix.tolist()} "
                "in the parent's vectors",
                where="supercell",
                remedy="leave supercell out, or give a multiple of the child's cell",
            )
        times = np.rint(times).astype(np.int64)
        steps = lattice_points(times)
        smaller = np.linalg.inv(times)

        def tiled(rows: np.ndarray) -> np.ndarray:
            return np.tile(rows, (len(steps),) + (1,) * (rows.ndim - 1))

        return replace(
            self,
            matrix=wanted,
            child_matrix=times @ self.child_matrix,
            sites=tiled(self.sites),
            given_sites=tiled(self.given_sites),
            child_sites=tiled(self.child_sites),
            fractional=tiled(self.fractional) @ smaller,
            positions=(steps[:, None] + self.positions[None]).reshape(-1, 3) @ smaller,
        )

    def _dress(self, cell: np.ndarray, fractional: np.ndarray, like: Any, sites: np.ndarray) -> Any:
        from pymatgen.core import Lattice, Structure

        return Structure(Lattice(cell), [like[int(k)].species for k in sites], fractional)


def match_structures(
    parent: Any,
    child: Any,
    *,
    supercell: Any = None,
    max_strain: float = 0.7,
    max_displacement: float | None = None,
    mirror: bool = False,
    tolerance: float = 0.01,
    seconds: float = 60.0,
) -> StructureMatch:
    """Describe `child` as a strained, displaced supercell of `parent`, whatever their cells, origins and atom orders.

    Parameters
    ----------
    parent, child
        ordered crystals of one composition; oxidation states are ignored.
    supercell
        the common cell wanted, in the vectors of the parent's primitive cell (three integers or int [3, 3], rows); it
        must contain the child's cell. Default: the child's cell, or the smallest multiple that the parent's fits into.
    max_strain
        largest principal logarithmic strain allowed.
    max_displacement
        Angstrom; a best mapping that moves an atom further is refused. Default: any.
    mirror
        try the mirror image of a chiral parent too. Default: hands are kept.
    tolerance
        Angstrom, for the symmetry of both.
    seconds
        time limit of the search. When it runs out the best mapping so far is returned with a `MotifDeskWarning`.

    Raises
    ------
    MotifError
        a molecule, different compositions, no common cell within `max_strain`, a displacement above `max_displacement`,
        or no time: the sentence says which, and the nearest that was found. StructureError: partial occupancy.
    """
    ours, theirs = _crystal(parent, "the parent"), _crystal(child, "the child")
    same_composition(ours, theirs)
    if not (math.isfinite(max_strain) and max_strain > 0 and math.isfinite(seconds) and seconds > 0):
        raise MotifError(f"max_strain {max_strain} and seconds {seconds} must be positive numbers", where="matching")
    deadline = Deadline(seconds)
    p, c = reduced(ours, tolerance), reduced(theirs, tolerance)
    multiples = math.lcm(len(p), len(c)) // len(c)
    if multiples * len(c) > _MOST_ATOMS:
        raise MotifError(
            f"a common cell of {len(p)} and {len(c)} atoms holds {multiples * len(c)} (at most {_MOST_ATOMS})",
            where=ours.formula,
            remedy="give the primitive cells, or structures whose sizes divide each other",
        )
    found = search(p, c, multiples, max_strain, deadline)
    if mirror and (p.signs > 0).all() and (c.signs > 0).all():
        other = replace(p, fractional=-p.fractional)
        turned = search(other, c, multiples, max_strain, deadline)
        if turned.score < found.score - 1e-6:
            p, found = other, replace(turned, mirrored=True)
    if found.x is None:
        raise MotifError(_no_map(p, c, multiples, max_strain, deadline), where=ours.formula, remedy=_REMEDY)
    out = _describe(parent, child, ours, theirs, p, c, found, deadline)
    if supercell is not None:
        out = out.repeated(supercell)
    if max_displacement is not None and out.largest > max_displacement:
        raise MotifError(
            f"the best mapping moves an atom by {out.largest:.3f} A, more than {max_displacement:g} A",
            where=ours.formula,
            remedy="raise max_displacement, or choose a parent nearer to the child",
        )
    if not out.complete:
        _warn_unfinished(ours, seconds)
    return out


_REMEDY = "raise max_strain, or check that both are cells of one structure type"


def _warn_unfinished(arrays: AtomArrays, seconds: float) -> None:
    import warnings

    from motifdesk.structures.errors import MotifDeskWarning

    warnings.warn(
        f"{arrays.formula}: the search for a mapping stopped after {seconds:g} s; the best one so far is given",
        MotifDeskWarning,
        stacklevel=3,
    )


def _crystal(structure: Any, name: str) -> AtomArrays:
    arrays = to_arrays(structure)
    if arrays.cell is None:
        raise MotifError(
            f"{name} is a molecule", where=arrays.formula, remedy="match two crystals; morph() also takes two molecules"
        )
    pairs, distances = close_pairs(arrays.positions, arrays.cell, SAME_SITE)
    if len(pairs):
        i, j = pairs[int(np.argmin(distances))]
        raise MotifError(
            f"atoms {i} and {j} lie on one site, {distances.min():.3f} A apart",
            where=f"{name}, {arrays.formula}",
            remedy="remove the duplicates",
        )
    if len(arrays) > _MOST_ATOMS:
        raise MotifError(f"{len(arrays)} atoms are more than {_MOST_ATOMS}", where=name, remedy="give a smaller cell")
    return arrays


def same_composition(a: AtomArrays, b: AtomArrays) -> None:
    """MotifError unless two crystals hold the same elements in the same ratio."""
    if a.formula != b.formula:
        raise MotifError(
            f"different compositions: {a.formula} ({len(a)} atoms) and {b.formula} ({len(b)} atoms)",
            where="matching",
            remedy="give two structures of the same elements in the same ratio",
        )


def _no_map(p: Reduced, c: Reduced, multiples: int, limit: float, deadline: Deadline) -> str:
    ratio = np.linalg.det(c.cell) / len(c) / (np.linalg.det(p.cell) / len(p))
    size = f"{multiples * len(c)} atoms, {multiples * len(c) // len(p)} parent cells; volume ratio {ratio:.3f} per atom"
    if deadline.over():
        return f"no common cell ({size}) was found within {deadline.seconds:g} s"
    return f"no common cell ({size}) has principal strains up to {limit:g}"


def _describe(
    parent: Any, child: Any, ours: AtomArrays, theirs: AtomArrays, p: Reduced, c: Reduced, found: Found, deadline: Any
) -> StructureMatch:
    """The answer in the cells given: the domain chosen, the origin wrapped, every atom of the child's cell paired."""
    assert found.x is not None and found.shift is not None
    primitive = len(p) == len(ours)
    frame = p.basis if primitive else np.eye(3)  # rows: the reduced basis in the vectors of the parent reported
    given = np.linalg.inv(c.basis)  # rows: the child's given cell in its reduced basis
    x, shift = domain(p, c, found.x, found.shift, given, frame, deadline)
    child_matrix = common(given @ x)
    matrix = np.rint(child_matrix @ given @ x).astype(np.int64)  # in the reduced parent
    cell = matrix @ p.cell
    # a reduced basis of the common cell for minimum images; displacements are turned back at the end
    change = reduce_basis(child_matrix @ np.asarray(theirs.cell))
    targets, numbers, _ = filled(p, change @ matrix)
    points = lattice_points(child_matrix)
    sources = (theirs.fractional[None] + points[:, None]).reshape(-1, 3) @ np.linalg.inv(change @ child_matrix)
    pairs = kinds_of(np.tile(theirs.numbers, len(points)), numbers)
    start = shift @ c.basis @ np.linalg.inv(change @ child_matrix)
    u, r = stretch(cell, child_matrix @ np.asarray(theirs.cell))
    metric = change @ child_matrix @ np.asarray(theirs.cell)
    permutation, delta, start = settle(targets, sources, pairs, metric, start)
    origin = -start @ change @ matrix  # of the child, in the reduced parent's coordinates
    whole = np.rint(origin - 1e-9)
    reference = (sources - start - delta) @ change  # in the common cell; equals a target modulo its lattice
    reference -= whole @ np.linalg.inv(matrix)  # another cell of the parent is as good: the origin nearest to zero
    return StructureMatch(
        parent=_primitive(parent, ours, p, found.mirrored),
        child=child if hasattr(child, "lattice") else from_arrays(theirs),
        matrix=np.rint(matrix @ frame).astype(np.int64),
        child_matrix=child_matrix,
        origin=(origin - whole) @ frame,
        sites=(p.sites if primitive else np.arange(len(p)))[permutation % len(p)],
        given_sites=p.sites[permutation % len(p)],
        child_sites=np.tile(np.arange(len(theirs)), len(points)),
        stretch=u,
        rotation=r,
        fractional=delta @ change,
        positions=reference,
        score=found.score,
        complete=found.complete,
        mirrored=found.mirrored,
    )


def _primitive(given: Any, arrays: AtomArrays, cell: Reduced, mirrored: bool) -> Any:
    """The parent as a Structure: as given where that is primitive, else its reduced cell."""
    from pymatgen.core import Lattice, Structure

    dressed: Any = given if hasattr(given, "lattice") else from_arrays(arrays)
    if len(cell) < len(arrays):
        return Structure(Lattice(cell.cell), [dressed[int(k)].species for k in cell.sites], cell.fractional)
    if mirrored:
        return Structure(dressed.lattice, [site.species for site in dressed], -dressed.frac_coords)
    return dressed


def whole_matrix(supercell: Any) -> np.ndarray:
    """int64 [3, 3] of three integers or an integer matrix with a volume; MotifError for anything else."""
    try:
        wanted = np.array(supercell, dtype=float)
    except (TypeError, ValueError):
        wanted = np.zeros(0)
    wanted = np.diag(wanted) if wanted.shape == (3,) else wanted
    if wanted.shape != (3, 3) or not np.allclose(wanted, np.rint(wanted)) or abs(np.linalg.det(wanted)) < 0.5:
        raise MotifError(
            f"no supercell: {supercell!r}", where="supercell", remedy="give three integers or a 3 x 3 integer matrix"
        )
    return np.rint(wanted).astype(np.int64)
