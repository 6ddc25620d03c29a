"""Turn distortion modes on without tearing the network.

Unknowns are the site displacements u, a symmetric strain eta of the cell and one rotation per motif. Every motif wants
to keep its shape up to a rotation (the targets: their shape with the asked mode added); shared ligands are single
sites, so corners cannot tear. The weighted least-squares problem is solved by Gauss-Newton from the undistorted
structure, with a weak penalty on u and eta that decides what the network leaves open (and keeps the cell from
collapsing); the last steps are proximal, so a distortion that the network allows costs nothing. The same amplitudes
always give the same structure; there is no memory of the path.

Amplitudes: stretch and bend modes are measured in the frame that turns with the motif, rotation modes in the frame of
the laboratory; both are projections of ligand displacements relative to the centre, in Angstrom.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from motifdesk.structures.arrays import AtomArrays, from_arrays, to_arrays
from motifdesk.structures.errors import MotifError

from .finding import find_motifs
from .graph import MotifGraph
from .modes import Mode, mode_by_key
from .network import Coordinate, Network, Part, _cross_sum, one_thread

# weights of the asked coordinates against one bond of a stiff motif, tried in turn until the answer is sane: a request
# that contradicts the network must bend, not the network
_STIFF = (300.0, 10.0, 1.0)
#: What is sane: principal strains; how far a motif may be from its wanted shape, Angstrom, plus half the amplitude.
_SANE_STRAIN, _SANE_COST = 0.2, 0.25
_EVEN = 0.003  # weight of each motif's own turn when the mean turn of many is asked for
_SITE = 0.01  # weight of a site's displacement
_STRAIN = 1e-3  # penalty on strain as a share of the network's own stiffness against it
_STEPS, _PROXIMAL = 3, 2
_LARGEST_TURN = math.sin(math.radians(60.0))
#: A motif has lost a ligand when a bond is longer than this multiple of what the asked shape has.
_LOST = 1.35


@dataclass(frozen=True, eq=False)
class Distorted:
    """What a distortion gives.

    positions float64 [N, 3] and cell float64 [3, 3] (None for molecules), Angstrom, in the site order of the structure.
    achieved: mode key -> amplitude reached, mean over the targets. cost: float64 [m], for each motif of the graph the
    root mean square distance (Angstrom) of its ligands from the shape it should have, after the best rotation.
    converged: the last step moved nothing by more than 1e-3 Angstrom, no ligand left its motif and the cell is sane.
    """

    positions: np.ndarray
    cell: np.ndarray | None
    achieved: dict[str, float]
    cost: np.ndarray
    converged: bool


class Distorter:
    """Distortions of one structure, with everything that does not depend on the amplitudes computed once.

    Not changed by `solve`, so it may be shared between threads.
    """

    def __init__(self, structure: Any, graph: MotifGraph | None = None) -> None:
        self.graph = graph if graph is not None else find_motifs(structure)
        self.arrays: AtomArrays = to_arrays(structure)
        if len(self.arrays) != len(self.graph.structure):
            raise MotifError(
                f"a structure of {len(self.arrays)} atoms and a motif graph of {len(self.graph.structure)}",
                where="Distorter",
                remedy="find the motifs of this structure first",
            )
        self.network = Network(self.arrays, self.graph, site_weight=_SITE, strain_share=_STRAIN)
        self._modes: dict[str, Mode] = {}

    def mode(self, mode: Mode | str) -> Mode:
        """The mode itself, or the one a key names (derived once, then remembered)."""
        if isinstance(mode, Mode):
            self.graph.index_of(mode.motif)
            return mode
        if mode not in self._modes:
            self._modes[mode] = mode_by_key(self.graph, mode)
        return self._modes[mode]

    def solve(self, amplitudes: Mapping[Mode | str, float]) -> Distorted:
        """The structure with the given amplitudes (Angstrom, absolute, relative to the undistorted structure).

        All zero gives the input back exactly. Raises MotifError for unknown modes and amplitudes that are not finite.
        """
        wanted: dict[str, tuple[Mode, float]] = {}
        for given, value in amplitudes.items():
            mode = self.mode(given)
            amplitude = float(value)
            if not math.isfinite(amplitude):
                raise MotifError(f"an amplitude of {value}", where=mode.key, remedy="give a finite number of Angstrom")
            wanted[mode.key] = (mode, amplitude)
        cell = self.arrays.cell
        if not any(q for _, q in wanted.values()):
            achieved = {key: 0.0 for key in wanted}
            return Distorted(
                self.arrays.positions.copy(),
                None if cell is None else cell.copy(),
                achieved,
                np.zeros(len(self.graph.motifs)),
                True,
            )
        with one_thread():
            return self._solve(list(wanted.values()))

    def _solve(self, active: list[tuple[Mode, float]]) -> Distorted:
        net = self.network
        shape, weights = net.start.copy(), net.weights.copy()
        coordinates: list[Coordinate] = []
        largest = max(abs(q) for _, q in active)
        for mode, q in active:
            parts = [Part(index, net.rows_of(index, len(vectors)), vectors) for index, vectors in mode.targets]
            for part in parts:
                weights[part.rows] = net.stiffest
            if mode.block != "rotation":
                for part in parts:
                    shape[part.rows] += q * part.vectors
                coordinates += [Coordinate(False, (part,), q, _STIFF[0]) for part in parts]
                continue
            reach = min(_turn_per_amplitude(net.start[part.rows], part.vectors) for part in parts)
            if reach:  # beyond 60 degrees a projection no longer says how far a motif has turned
                q = math.copysign(min(abs(q), _LARGEST_TURN * reach), q)
            # Only the mean turn is asked for: in coupled tilts (a+b-b-) those of single motifs differ to second order.
            coordinates.append(Coordinate(True, tuple(parts), q, _STIFF[0]))
            coordinates += [Coordinate(True, (part,), q, _EVEN) for part in parts if len(parts) > 1]
        matrix = net.normal_matrix(weights)
        for stiff in _STIFF:
            asked = [replace(c, weight=min(c.weight, stiff)) for c in coordinates]
            state, step = net.rest(), np.inf
            for n in range(_STEPS + _PROXIMAL):
                state, step = net.step(state, matrix, shape, weights, asked, proximal=n >= _STEPS)
                if not step < 100.0:
                    break
            sane = (
                step < 1e-3
                and np.abs(net.principal_strains(state)).max() < _SANE_STRAIN
                and net.cost(net.turned(state) - shape).max(initial=0.0) < _SANE_COST + 0.5 * largest
            )
            if sane:
                break
        positions, cell = net.positions(state), net.cell(state)
        turned, seen = net.turned(state), net.vectors(state)
        achieved = {}
        for mode, _ in active:
            now = seen if mode.block == "rotation" else turned
            values = []
            for index, vectors in mode.targets:
                rows = net.rows_of(index, len(vectors))
                values.append(float(((now[rows] - net.start[rows]) * vectors).sum()))
            achieved[mode.key] = float(np.mean(values))
        cost = net.cost(turned - shape)
        finite = bool(np.isfinite(positions).all() and (cell is None or np.isfinite(cell).all()))
        if not finite:
            raise MotifError(
                "the distortion has no solution",
                where=", ".join(mode.key for mode, _ in active),
                remedy="ask for smaller amplitudes",
            )
        wanted_length = np.linalg.norm(shape, axis=1)
        length = np.linalg.norm(turned, axis=1)
        kept = bool((length <= _LOST * np.maximum(wanted_length, np.linalg.norm(net.start, axis=1))).all())
        return Distorted(positions, cell, achieved, cost, bool(kept and sane))


def _turn_per_amplitude(start: np.ndarray, vectors: np.ndarray) -> float:
    """For a rotation mode: the amplitude (Angstrom) of a turn by 90 degrees, to first order of the sine."""
    # best rotation vector w with w x r ~ vectors; |w| radians per Angstrom
    moment = (start * start).sum() * np.eye(3) - start.T @ start
    w = np.linalg.lstsq(moment, _cross_sum(start, vectors), rcond=None)[0]
    size = float(np.linalg.norm(w))
    return 1.0 / size if size > 1e-9 else 0.0


def distort(structure: Any, amplitudes: Mapping[Mode | str, float], *, graph: MotifGraph | None = None) -> Any:
    """`structure` with distortion modes turned on, corners kept.

    Parameters
    ----------
    structure
        pymatgen Structure or Molecule.
    amplitudes
        {mode or its key: Angstrom}, relative to `structure`. All zero: the structure itself is returned as a copy.
    graph
        its motif graph, if it is at hand.

    Returns
    -------
    Structure or Molecule
        same sites in the same order with species, labels and properties kept. The cell follows.

    Raises
    ------
    MotifError
        unknown modes, amplitudes that are not finite.
    """
    distorter = Distorter(structure, graph)
    solved = distorter.solve(amplitudes)
    if not any(float(q) for q in amplitudes.values()) and hasattr(structure, "copy"):
        return structure.copy()
    like = structure if hasattr(structure, "sites") else None
    return from_arrays(AtomArrays(distorter.arrays.numbers, solved.positions, solved.cell), like=like)
