"""Edit the code of one motif and solve for the structure again, the other motifs' codes kept as targets.

The atoms are those of the decoded tree, and each motif keeps its own atoms, so that the network stays connected however
far the edit goes: a shared ligand belongs to all its motifs, which must agree on its place as well as they can. What
they cannot agree on is told as a residual per motif.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from motifdesk.codec.children import Children, motif_autoencoder
from motifdesk.codec.lattice import block_to_cell
from motifdesk.codec.threads import one_thread
from motifdesk.codec.tree import Assembled, assemble
from motifdesk.structures.arrays import AtomArrays, from_arrays
from motifdesk.structures.errors import CodecError

if TYPE_CHECKING:
    from pymatgen.core import Molecule, Structure

    from motifdesk.codec.codes import Codes

_STAY = 1e-4  # weight of (move / Angstrom)^2 beside mean squared code differences: holds what no motif speaks for
_CAP = 0.15  # Angstrom, longest move of an atom in one step; the strain is capped to a fifth of it
_VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


@dataclass(frozen=True, eq=False)
class Edited:
    """A structure solved for edited motif codes.

    Attributes:
        structure: the atoms in the frame of the children (see :mod:`motifdesk.codec.children`).
        arrays: the same as arrays, sorted by atomic number.
        residual: float64 [m], mean squared difference of each motif's code to its target, in units of the codes'
            spread; 0 for one-atom motifs. before: the same for the structure before the edit.
        moved: float64 [N], Angstrom, how far each atom went beyond following the cell. strain: float64 [3, 3], of the
            cell (``cell @ (1 + strain)``), symmetric; zero for molecules.
        targets: the children asked for. index: the motif that was edited. steps: evaluations made.
    """

    structure: Structure | Molecule
    arrays: AtomArrays
    residual: NDArray[np.float64]
    before: NDArray[np.float64]
    moved: NDArray[np.float64]
    strain: NDArray[np.float64]
    targets: Children
    index: int
    steps: int

    def __repr__(self) -> str:
        others = np.delete(self.residual, self.index)
        rest = f", others at most {others.max():.1e}" if len(others) else ""
        return (
            f"Edited(motif {self.index} of {len(self.residual)}: residual {self.before[self.index]:.1e} -> "
            f"{self.residual[self.index]:.1e}{rest}; atoms moved up to {self.moved.max():.3f} A, "
            f"strain {np.abs(self.strain).max():.4f})"
        )


def edit_motif(
    codes: Codes,
    index: int,
    *,
    ligands: Callable[[np.ndarray, np.ndarray], Any] | Any = None,
    stretch: tuple[Any, float] | None = None,
    blend: tuple[Any, float] | None = None,
    weight: float = 1.0,
    free_cell: bool = True,
    steps: int = 40,
) -> Edited:
    """Change the shell of motif ``index`` of a code tree and solve for the atoms.

    Exactly one of

    - ``ligands``: new offsets float [k, 3] (Angstrom from the centre, frame and order of the decoded shell), or a
      function ``(numbers [k], offsets [k, 3]) -> offsets``;
    - ``stretch``: ``(axis, factor)``, elongates the shell along ``axis``, a vector [3] in the frame or the number of
      the ligand to which it points;
    - ``blend``: ``(code, t)``, the way ``t`` from the motif's code to another of as many neighbours of the same
      elements, a vector [W] (``children.tensors[k]``) in the same frame.

    ``weight``: of the edited motif against 1 for each other one. ``free_cell``: the cell may follow (crystals).
    ``steps``: evaluations at most.

    Raises:
        CodecError: codes of several structures or without children, no such motif, shells of another size, NaN.
    """
    if len(codes) != 1 or not codes.children:
        raise CodecError(
            f"{len(codes)} codes {'with' if codes.children else 'without'} children",
            where="edit_motif",
            remedy="pass one code of Codec.encode(structure, motifs=True)",
        )
    children = codes.children[0]
    if not 0 <= index < len(children):
        raise CodecError(f"there is no motif {index}", where="edit_motif", remedy=f"choose 0 to {len(children) - 1}")
    if sum(x is not None for x in (ligands, stretch, blend)) != 1:
        raise CodecError("one edit at a time", where="edit_motif", remedy="give ligands, stretch or blend")
    block = codes.lattice[0].astype(np.float64)
    cell = block_to_cell(block, int(codes.natoms[0]))
    made = assemble(children, np.rint(codes.counts[0]).astype(np.int64), cell)
    if made.arrays is None:
        raise CodecError(f"the motifs do not make a structure ({made.note})", where="edit_motif")
    target = _target(children, made, index, ligands, stretch, blend)
    tensors = children.tensors.copy()
    tensors[index] = target
    targets = Children(children.numbers, children.centres, tensors, children.frame, children.version)
    with one_thread():
        return _solve(made, targets, index, weight, free_cell and cell is not None, steps)


def _target(
    children: Children, made: Assembled, index: int, ligands: Any, stretch: tuple | None, blend: tuple | None
) -> np.ndarray:
    """The edited motif's code, float32 [W]."""
    import torch

    from motifdesk.networks.clusters import pack
    from motifdesk.networks.errors import NetworkError

    model, _ = motif_autoencoder()
    where = f"motif {index}"
    own = children.tensors[index]
    if blend is not None:
        other, t = np.asarray(blend[0], dtype=np.float32), float(blend[1])
        if other.shape != own.shape or not np.isfinite(other).all() or not np.isfinite(t):
            raise CodecError(f"the other code has shape {other.shape}, expected {own.shape}", where=where)
        exact = [0, *range(model.part_labels.start, model.part_labels.stop)]  # number and labels of the neighbours
        if np.abs(other[exact] - own[exact]).max() > 1e-2:
            raise CodecError(
                "the other code has other neighbours", where=where, remedy="blend motifs of the same formula"
            )
        return own + t * (other - own)
    offsets = made.offsets[index]
    assert made.arrays is not None
    numbers = made.arrays.numbers[made.ligands[index]]
    if not len(offsets):
        raise CodecError("has no ligands to move", where=where, remedy="choose a motif with neighbours")
    if stretch is not None:
        axis, factor = stretch
        if isinstance(axis, (int, np.integer)):
            if not 0 <= axis < len(offsets):
                raise CodecError(f"there is no ligand {axis}", where=where, remedy=f"choose 0 to {len(offsets) - 1}")
            axis = offsets[int(axis)]
        along = np.asarray(axis, dtype=np.float64)
        length = float(np.linalg.norm(along)) if along.shape == (3,) else 0.0
        if not np.isfinite(length) or length < 1e-9 or not np.isfinite(factor) or factor <= 0:
            raise CodecError("the axis is no direction, or the factor not positive", where=where)
        along = along / length
        new = offsets + (factor - 1.0) * np.outer(offsets @ along, along)
    else:
        new = np.asarray(ligands(numbers, offsets.copy()) if callable(ligands) else ligands, dtype=np.float64)
        if new.shape != offsets.shape:
            raise CodecError(f"new ligands have shape {new.shape}, expected {offsets.shape}", where=where)
    try:
        with torch.no_grad():
            return model.encode(pack([(numbers, new)], model.config.largest)).numpy()[0]
    except NetworkError as error:
        raise CodecError(error.what, where=where, remedy=error.remedy) from error


def _solve(made: Assembled, targets: Children, index: int, weight: float, free_cell: bool, steps: int) -> Edited:
    """Levenberg-Marquardt on all atoms (and the cell); each motif's difference weighs its mean square."""
    assert made.arrays is not None
    arrays = made.arrays
    start = np.array(arrays.positions)
    n = len(start)
    weights = np.ones(len(targets))
    weights[index] = weight
    problem = _Problem(made, targets, weights, free_cell)
    # y: positions before the strain, so that "moved" does not count what the cell does
    y, strain, damp = start.copy(), np.zeros((3, 3)), 1e-2
    before, cost, hessian, gradient = problem(y, strain, start)
    residual, taken = before, 1
    while taken < steps:
        diagonal = np.diag(hessian)
        scaled = hessian + np.diag(damp * (diagonal + 1e-3 * diagonal.mean()))
        step = -np.linalg.solve(scaled, gradient)
        longest = float(np.linalg.norm(step[: 3 * n].reshape(-1, 3), axis=1).max()) / _CAP
        step /= max(1.0, longest, 5.0 * float(np.abs(step[3 * n :]).max(initial=0.0)) / _CAP)
        new_y, new_strain = y + step[: 3 * n].reshape(-1, 3), strain.copy()
        for value, (i, j) in zip(step[3 * n :], _VOIGT, strict=False):
            new_strain[i, j] += value
            new_strain[j, i] += value if i != j else 0.0
        trial = problem(new_y, new_strain, start)
        taken += 1
        if trial[1] < cost:
            gain = cost - trial[1]
            y, strain, damp = new_y, new_strain, max(damp * 0.3, 1e-9)
            residual, cost, hessian, gradient = trial
            if gain < 1e-10 * cost + 1e-16:
                break
        else:
            damp *= 6.0
            if damp > 1e8:
                break
    moved = np.linalg.norm(y - start, axis=1)
    stretch = np.eye(3) + strain
    final = AtomArrays(arrays.numbers, y @ stretch, None if arrays.cell is None else arrays.cell @ stretch)
    return Edited(from_arrays(final), final, residual, before, moved, strain, targets, index, taken)


class _Problem:
    """Residual per motif, cost, and its Gauss-Newton terms by the atoms' positions and the strain of the cell."""

    def __init__(self, made: Assembled, targets: Children, weights: np.ndarray, free_cell: bool) -> None:
        import torch

        model, _ = motif_autoencoder()
        arrays = made.arrays
        assert arrays is not None
        self.model, self.weights, self.atoms, self.free_cell = model, weights, len(arrays), free_cell
        self.create = model.creator()
        self.cell = np.zeros((3, 3)) if arrays.cell is None else np.asarray(arrays.cell)
        self.motifs = [k for k in range(len(targets)) if len(made.ligands[k])]
        self.centres, self.ligands, self.images = made.centres, made.ligands, made.images
        self.total = len(targets)
        self.numbers = [torch.from_numpy(arrays.numbers[made.ligands[k]])[None] for k in self.motifs]
        shift = (model.mean / model.spread).double()
        goal = torch.from_numpy(targets.tensors).double() + shift
        self.goals = goal[:, model.head :]
        self.lengths = goal[:, model.part_length]
        self.units = model.spread[model.part_length].double()

    def __call__(
        self, y: np.ndarray, strain: np.ndarray, start: np.ndarray
    ) -> tuple[np.ndarray, float, np.ndarray, np.ndarray]:
        import torch

        from motifdesk.networks.motif_autoencoder import length_numbers

        n, free = self.atoms, 3 * self.atoms + (6 if self.free_cell else 0)
        hessian, gradient = np.zeros((free, free)), np.zeros(free)
        stretch = np.eye(3) + strain
        residual = np.zeros(self.total)
        for k, numbers in zip(self.motifs, self.numbers, strict=True):
            centre, sites = int(self.centres[k]), self.ligands[k]
            plain = y[sites] + self.images[k] @ self.cell - y[centre]
            d = plain @ stretch
            count = len(d)
            length = float(np.sqrt((d**2).sum() / count))
            scaled = torch.from_numpy(d / length)[None]
            code, slope = self.create.codes_and_jacobian(scaled, numbers, torch.ones_like(numbers, dtype=torch.bool))
            by_scaled = slope[0].numpy().reshape(count, 3, -1)
            # y = d / s(d): moving outward along the shell itself changes only the length
            value, growth = length_numbers(torch.tensor(np.log(length), dtype=torch.float64))
            told, along = (value / self.units - self.lengths[k]).numpy(), (growth / self.units).numpy()
            outward = np.einsum("ja,jaf->f", d / length, by_scaled)
            by_length = d / (count * length)
            by_offset = (by_scaled - by_length[:, :, None] * outward) / length
            rows = np.concatenate([by_offset, by_length[:, :, None] * (along / length)], axis=2)
            difference = np.append((code[0] - self.goals[k]).numpy(), told)
            width = len(difference)
            residual[k] = float((difference**2).mean())
            # the centre moves against all its ligands; a site may appear twice, through two images
            by_strain = [
                sum(np.einsum("j,jf->f", plain[:, p], rows[:, q]) for p, q in {(i, j), (j, i)}) for i, j in _VOIGT
            ]
            by_place = np.einsum("ab,jbf->jaf", stretch, rows)
            by_place = np.concatenate([by_place, -by_place.sum(0, keepdims=True)]).reshape(3 * count + 3, width)
            place = (3 * np.append(sites, centre)[:, None] + np.arange(3)).ravel()
            if self.free_cell:
                by_place = np.concatenate([by_place, np.array(by_strain)])
                place = np.append(place, np.arange(3 * n, free))
            scale = self.weights[k] / width
            np.add.at(hessian, (place[:, None], place[None, :]), scale * (by_place @ by_place.T))
            np.add.at(gradient, place, scale * (by_place @ difference))
        move = np.zeros(free)
        move[: 3 * n] = (y - start).ravel()
        if self.free_cell:
            move[3 * n :] = [strain[i, j] for i, j in _VOIGT]
        cost = float((self.weights * residual).sum() + _STAY * (move**2).sum())
        hessian[np.diag_indices(free)] += _STAY
        return residual, cost, hessian, gradient + _STAY * move
