"""Structures from a code tree: root and children to motifs, motifs to atoms, ligands merged where motifs share them.

Needs no corpus. Three certificates: the misfit of every motif's code, the disagreement of motifs about the ligands they
share, and, as in every decode, the residual of the root's geometry code after refinement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from motifdesk.codec.children import Children, motif_autoencoder
from motifdesk.codec.clock import now
from motifdesk.codec.lattice import block_to_cell
from motifdesk.codec.threads import one_thread
from motifdesk.structures.arrays import AtomArrays
from motifdesk.structures.errors import CodecError

if TYPE_CHECKING:
    import torch

    from motifdesk.codec.codes import Codes
    from motifdesk.codec.decode import Decoded
    from motifdesk.codec.jacobian import EncoderArrays

_ENOUGH = 1e-9  # residual of the root at which refinement stops, well below the certificate's threshold
_FAR = 0.5  # Angstrom; motifs that disagree by more about a ligand have not met


@dataclass(frozen=True, eq=False)
class Assembled:
    """Atoms put together from motifs, before any refinement.

    Attributes:
        arrays: the atoms (frame of the children), sorted by atomic number; ``None`` when they could not be made.
        disagreement: largest distance (Angstrom) of a proposed ligand from the place where it was merged.
        misfit: float64 [m], mean squared misfit of each motif's code, in units of its spread.
        centres: int64 [m], the atom of each motif's centre. ligands: per motif int64 [k], its ligands' atoms;
        images: per motif int64 [k, 3]. offsets: per motif float64 [k, 3], ligand minus centre as decoded.
        note: what went wrong, "" otherwise.
    """

    arrays: AtomArrays | None
    disagreement: float
    misfit: np.ndarray
    centres: np.ndarray
    ligands: tuple[np.ndarray, ...] = ()
    images: tuple[np.ndarray, ...] = ()
    offsets: tuple[np.ndarray, ...] = ()
    note: str = ""


def motif_shells(
    children: Children, elements: np.ndarray | None = None
) -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
    """Decode the motifs: ``(numbers [k], offsets [k, 3])`` of each (Angstrom, in the frame), and their misfits [m].

    ``elements``: the only ones that come into question.
    """
    import torch

    from motifdesk.networks.errors import NetworkError

    model, version = motif_autoencoder()
    if children.version and children.version != version:
        raise CodecError(
            f"the motif codes were made by weights {children.version}, these are {version}",
            where="children",
            remedy="encode the structure again",
        )
    try:
        with one_thread():
            made = model.decode(torch.from_numpy(children.tensors), elements=elements)
    except NetworkError as error:
        raise CodecError(error.what, where=f"children, {error.where}", remedy=error.remedy) from error
    return made.clusters.split(), made.misfit.numpy()


def assemble(children: Children, counts: np.ndarray, cell: np.ndarray | None) -> Assembled:
    """Atoms of the motifs: ``counts int [94]`` says how many of each element there are, ``cell`` the frame's cell.

    The proposals of one element are joined by average linkage into as many atoms as there must be. Where one of them is
    a centre it has the last word, else the mean counts.
    """
    shells, misfit = motif_shells(children, np.flatnonzero(counts) + 1)
    base = np.asarray(children.centres, dtype=np.float64)
    base = base if cell is None else base @ cell
    owner = np.concatenate([np.arange(len(base)), *[np.full(len(z), k) for k, (z, _) in enumerate(shells)]]).astype(int)
    numbers = np.concatenate([children.numbers, *[z for z, _ in shells]])
    places = np.concatenate([base, *[base[k] + x for k, (_, x) in enumerate(shells)]])
    central = np.arange(len(numbers)) < len(base)
    positions: list[np.ndarray] = []
    species: list[int] = []
    atom = np.full(len(numbers), -1)
    shift = np.zeros((len(numbers), 3), dtype=np.int64)  # image of the merged atom at which the proposal sits
    worst, notes = 0.0, []
    for z in np.flatnonzero(counts) + 1:
        members = np.flatnonzero(numbers == z)
        wanted = int(counts[z - 1])
        if len(members) < wanted:
            notes.append(f"{len(members)} places for {wanted} atoms of atomic number {z}")
            continue
        labels, spread = _merge(places[members], wanted, cell)
        if spread > _FAR:
            notes.append(f"motifs disagree by {spread:.2f} A about atoms of atomic number {z}")
        for label in range(wanted):
            group = members[labels == label]
            firm = group[central[group]]
            reference = places[firm[0] if len(firm) else group[0]]
            delta, images = _nearest(places[group] - reference, cell)
            mean = delta[central[group]].mean(0) if len(firm) else delta.mean(0)
            worst = max(worst, float(np.linalg.norm(delta - mean, axis=1).max()))
            atom[group] = len(positions)
            shift[group] = images
            positions.append(reference + mean)
            species.append(int(z))
    strangers = sorted(set(children.numbers.tolist()) - set((np.flatnonzero(counts) + 1).tolist()))
    if strangers:
        notes.append(f"motifs are centred on atomic numbers {strangers} that the root does not hold")
    arrays = None
    if not notes or len(species) == int(counts.sum()):
        arrays = AtomArrays(np.array(species), np.array(positions), cell)
    m = len(base)
    held = [np.flatnonzero((owner == k) & ~central) for k in range(m)]
    ligands = tuple(atom[mine] for mine in held)
    shifts = tuple(shift[mine] - shift[k] for k, mine in enumerate(held))
    offsets = tuple(x for _, x in shells)
    return Assembled(arrays, worst, misfit, atom[:m], ligands, shifts, offsets, "; ".join(notes))


def _nearest(delta: np.ndarray, cell: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Differences brought to the nearest image, and the image they were in: ``delta = out + images @ cell``."""
    if cell is None:
        return delta, np.zeros(delta.shape, dtype=np.int64)
    images = np.rint(delta @ np.linalg.inv(cell)).astype(np.int64)
    return delta - images @ cell, images


def _merge(places: np.ndarray, wanted: int, cell: np.ndarray | None) -> tuple[np.ndarray, float]:
    """Labels 0..wanted-1 of places that are one atom, and the widest group's diameter (Angstrom)."""
    if len(places) == wanted:
        return np.arange(wanted), 0.0
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    delta, _ = _nearest((places[:, None] - places[None]).reshape(-1, 3), cell)
    distance = np.linalg.norm(delta, axis=1).reshape(len(places), -1)
    distance = (distance + distance.T) / 2.0
    tree = linkage(squareform(distance, checks=False), method="average")
    labels = fcluster(tree, wanted, criterion="maxclust") - 1
    if len(np.unique(labels)) < wanted:  # ties: split the groups at random places of the tree is no answer
        return np.arange(len(places)) % wanted, np.inf
    same = labels[:, None] == labels[None, :]
    return labels, float(distance[same].max())


def decode_tree(
    code: Codes, encoder: EncoderArrays, search: Callable[[], Decoded], *, device: torch.device | str = "cpu"
) -> Decoded:
    """Decode one code from its children; where that does not converge, the better of it and ``search()``."""
    made = decode_children(code, encoder, device=device)
    if made.converged:
        return made
    other = search()
    best = other if other.residual < made.residual else made
    note = f"the motifs alone came to residual {made.residual:.1e} ({made.note})"
    return replace(best, note="; ".join(x for x in (best.note, note) if x and x not in made.note))


def decode_children(
    code: Codes, encoder: EncoderArrays, *, steps: int = 25, device: torch.device | str = "cpu"
) -> Decoded:
    """The structure of a root with its children. ``converged`` is the root's own certificate, as without children."""
    import torch

    from motifdesk.codec.decode import Decoded, goal_of
    from motifdesk.codec.jacobian import GeometryMap
    from motifdesk.codec.refine import CONVERGED, LatticeTarget, refine
    from motifdesk.structures.arrays import from_arrays

    started = now()
    if not code.children:
        raise CodecError("the code has no children", where="decode", remedy="encode with motifs=True")
    children = code.children[0]
    goal = goal_of(code)
    counts = np.rint(code.counts[0]).astype(np.int64)
    block = code.lattice[0].astype(np.float64)
    cell = block_to_cell(block, len(goal.numbers))
    made = assemble(children, counts, cell)
    source = f"{len(children)} motifs"
    if made.arrays is None:
        return Decoded(None, float("inf"), False, source, code, now() - started, 0, note=made.note)
    with one_thread():
        refined = refine(
            GeometryMap(encoder, made.arrays.numbers, dtype=torch.float64, device=device),
            torch.from_numpy(np.array(made.arrays.positions))[None],
            None if cell is None else torch.from_numpy(cell)[None],
            torch.from_numpy(code.geometry[0].astype(np.float64)),
            lattice=None if cell is None else LatticeTarget(block),
            steps=steps,
            tolerance=_ENOUGH,
        )
    residual = float(refined.residual[0])
    positions = refined.positions[0].cpu().numpy()
    final = None if refined.cells is None else refined.cells[0].cpu().numpy()
    arrays = AtomArrays(made.arrays.numbers, positions, final)
    worst = float(made.misfit.max(initial=0.0))
    told = f"shared ligands agree within {made.disagreement:.1e} A"
    told = told if worst < 1e-6 else f"{told}, a motif's code is missed by {worst:.1e}"
    note = "; ".join(x for x in (made.note, told) if x)
    seconds = now() - started
    return Decoded(from_arrays(arrays), residual, residual <= CONVERGED, source, code, seconds, 1, arrays, note=note)
