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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np

from motifdesk.structures.arrays import AtomArrays, from_arrays, to_arrays
from motifdesk.structures.errors import MotifError
from motifdesk.structures.threads import one_blas_thread

from ..detection.finding import find_motifs
from ..hierarchy.graph import MotifGraph
from ..symmetry.modes import Mode, mode_by_key
from .breaking import broken
from .costs import MotifCost, motif_costs
from .following import Followed, follow
from .network import Network
from .requests import Request, lay_request
from .solving import Solver
from .subgroups import Operations
from .symmetric import Symmetry

#: Angstrom; no motif survives more, and a slipped decimal point should be told.
_LARGEST_AMPLITUDE = 100.0
_SITE = 0.01  # weight of a site's displacement
_STRAIN = 1e-3  # penalty on strain as a share of the network's own stiffness against it
_REMEMBERED = 8  # sets of modes whose factorisation is kept
#: A motif has lost a ligand when a bond is longer than this multiple of what the asked shape has.
_LOST = 1.35


@dataclass(frozen=True, eq=False)
class Distorted:
    """What a distortion gives.

    positions float64 [N, 3] and cell float64 [3, 3] (None for molecules), Angstrom, in the site order of the structure.
    achieved: mode key -> amplitude reached, mean over the targets. cost: float64 [m], for each motif of the graph the
    root mean square distance (Angstrom) of its ligands from the shape it should have, after the best rotation.
    converged: the last step moved nothing, or changed no motif's shape, by more than 1e-3 Angstrom, no ligand left its
    motif and the cell is sane.

    operations: the symmetry that was asked to be kept, acting on fractional columns of the given cell up to a common
    shift of the origin; None when none was. lost: the share (0 to 1) of the request's squared displacements that this
    symmetry forbids. broke: a response of lower symmetry than the request was looked for and is cheaper.
    """

    positions: np.ndarray
    cell: np.ndarray | None
    achieved: dict[str, float]
    cost: np.ndarray
    converged: bool
    operations: Operations | None = None
    lost: float = 0.0
    broke: bool = False
    _graph: MotifGraph | None = field(default=None, repr=False)
    _off: np.ndarray | None = field(default=None, repr=False)

    @cached_property
    def costs(self) -> tuple[MotifCost, ...]:
        """Every motif that could not keep its shape, the dearest first, in mode language; worked out when asked for."""
        if self._graph is None or self._off is None:
            return ()
        return motif_costs(self._graph, self.cost, self._off)


class Distorter:
    """Distortions of one structure, with everything that does not depend on the amplitudes computed once.

    `solve` changes nothing but caches, so one object may be shared between threads.

    Parameters
    ----------
    structure
        pymatgen Structure or Molecule.
    graph
        its motif graph, if it is at hand.
    keep
        None: what the request leaves standing, as far as rounding allows. "request": the largest subgroup of the
        structure's space group (at the graph's tolerance) that the request keeps, exactly: start and answer are
        symmetrised. Operations (`motifs.subgroups`), or a pair (rotations [G, 3, 3], translations [G, 3]): that
        subgroup exactly; the request is projected on what it allows. "break": of the responses to the request the
        cheapest found, be its symmetry lower than that of the request (see `motifs.breaking`); slower.

    Raises
    ------
    MotifError
        a graph of another structure; a symmetry that the structure does not have.
    StructureError
        a symmetry to keep in a molecule.
    """

    #: What makes the steps; `motifs.dense.DenseSolver` in tests.
    solver: Any = Solver

    def __init__(self, structure: Any, graph: MotifGraph | None = None, *, keep: Any = None) -> None:
        self.graph = graph if graph is not None else find_motifs(structure)
        self.arrays: AtomArrays = to_arrays(structure)
        if len(self.arrays) != len(self.graph.structure):
            raise MotifError(
                f"a structure of {len(self.arrays)} atoms and a motif graph of {len(self.graph.structure)}",
                where="Distorter",
                remedy="find the motifs of this structure first",
            )
        theirs = to_arrays(self.graph.structure).numbers
        if (self.arrays.numbers != theirs).any():
            site = int(np.flatnonzero(self.arrays.numbers != theirs)[0])
            raise MotifError(
                f"site {site} is another element in the motif graph",
                where="Distorter",
                remedy="find the motifs of this structure first",
            )
        self.symmetry = Symmetry(self.arrays, self.graph, keep)
        self.network = Network(self.symmetry.arrays, self.graph, site_weight=_SITE, strain_share=_STRAIN)
        self._modes: dict[str, Mode] = {}
        self._ready: dict[Any, tuple[Request, Any]] = {}
        self._lock = Lock()

    def mode(self, mode: Mode | str) -> Mode:
        """The mode itself, or the one a key names (derived once, then remembered)."""
        if isinstance(mode, Mode):
            self.graph.index_of(mode.motif)
            for index, vectors in mode.targets:
                if len(vectors) != self.graph.motifs[self.graph.index_of(index)].coordination:
                    raise MotifError(
                        f"{mode.key} moves {len(vectors)} ligands",
                        where=self.graph.motifs[index].name,
                        remedy="take the modes of this structure (distortion_modes)",
                    )
            return mode
        if mode not in self._modes:
            self._modes[mode] = mode_by_key(self.graph, mode)
        return self._modes[mode]

    def solve(self, amplitudes: Mapping[Mode | str, float]) -> Distorted:
        """The structure with the given amplitudes (Angstrom, absolute, relative to the undistorted structure).

        All zero gives the input back exactly. Raises MotifError for unknown modes and amplitudes that are not finite.
        """
        wanted = self._wanted(amplitudes)
        cell = self.arrays.cell
        if any(q for _, q in wanted):
            with one_blas_thread():
                return self._solve(wanted)
        return Distorted(
            self.arrays.positions.copy(),
            None if cell is None else cell.copy(),
            {mode.key: 0.0 for mode, _ in wanted},
            np.zeros(len(self.graph.motifs)),
            True,
        )

    def request_operations(self, amplitudes: Mapping[Mode | str, float]) -> Operations:
        """The operations of the structure's space group that a request keeps; errors as `solve` and StructureError
        for a molecule."""
        return self.symmetry.of_request(self.network, self._wanted(amplitudes)).operations

    def _wanted(self, amplitudes: Mapping[Mode | str, float]) -> list[tuple[Mode, float]]:
        wanted: dict[str, tuple[Mode, float]] = {}
        if not isinstance(amplitudes, Mapping):
            raise MotifError(
                f"amplitudes are {type(amplitudes).__name__}", where="distort", remedy="give {mode or key: Angstrom}"
            )
        for given, value in amplitudes.items():
            mode = self.mode(given)
            try:
                amplitude = float(value)
            except (TypeError, ValueError):
                raise MotifError(
                    f"an amplitude of {value!r}", where=mode.key, remedy="give a finite number of Angstrom"
                ) from None
            if not math.isfinite(amplitude):
                raise MotifError(f"an amplitude of {value}", where=mode.key, remedy="give a finite number of Angstrom")
            if abs(amplitude) > _LARGEST_AMPLITUDE:
                raise MotifError(
                    f"an amplitude of {amplitude:g} A", where=mode.key, remedy=f"stay within {_LARGEST_AMPLITUDE:g} A"
                )
            wanted[mode.key] = (mode, amplitude)
        return list(wanted.values())

    def _solve(self, wanted: Sequence[tuple[Mode, float]]) -> Distorted:
        net, symmetry = self.network, self.symmetry
        kept = symmetry.kept(net, wanted)
        modes = tuple(mode for mode, _ in wanted)
        request, solver = self._prepared(modes, kept)
        amplitudes = np.array([q for _, q in wanted])
        found = follow(net, request, solver, amplitudes)
        broke = False
        if symmetry.breaks:
            other = broken(net, request, self.solver, amplitudes, found, kept)
            found, broke = (found, False) if other is None else (other, True)
        positions, cell = net.positions(found.state), net.cell(found.state)
        if not (np.isfinite(positions).all() and (cell is None or np.isfinite(cell).all())):
            raise MotifError(
                "the distortion has no solution",
                where=", ".join(mode.key for mode in modes),
                remedy="ask for smaller amplitudes",
            )
        off = net.turned(found.state) - found.shape
        exact = symmetry.exact and not broke
        return Distorted(
            positions,
            cell,
            self._achieved(modes, found),
            net.cost(off),
            found.sane and self._whole(found),
            kept.action.operations if exact and kept.action is not None else None,
            kept.lost if exact else 0.0,
            broke,
            self.graph,
            off,
        )

    def _prepared(self, modes: tuple[Mode, ...], kept: Any) -> tuple[Request, Any]:
        """Request and solver of a set of modes: while a slider moves only the amplitudes change."""
        key = tuple((mode.key, mode.vectors.tobytes()) for mode in modes), kept.name
        with self._lock:
            found = self._ready.get(key)
        if found is None:
            request = lay_request(self.network, modes, kept.targets)
            found = request, kept.solver(self.network, request, self.solver)
            with self._lock:
                while len(self._ready) >= _REMEMBERED:
                    self._ready.pop(next(iter(self._ready)))
                self._ready[key] = found
        return found

    def _achieved(self, modes: tuple[Mode, ...], found: Followed) -> dict[str, float]:
        net = self.network
        turned, seen = net.turned(found.state), net.vectors(found.state)
        out = {}
        for mode in modes:
            now = seen if mode.block == "rotation" else turned
            values = []
            for index, vectors in mode.targets:
                rows = net.rows_of(index, len(vectors))
                values.append(float(((now[rows] - net.start[rows]) * vectors).sum()))
            out[mode.key] = float(np.mean(values))
        return out

    def _whole(self, found: Followed) -> bool:
        """No ligand has left its motif."""
        net = self.network
        wanted, start = (np.linalg.norm(v, axis=1) for v in (found.shape, net.start))
        length = np.linalg.norm(net.vectors(found.state), axis=1)
        return bool((length <= _LOST * np.maximum(wanted, start)).all())


def distort(
    structure: Any, amplitudes: Mapping[Mode | str, float], *, graph: MotifGraph | None = None, keep: Any = None
) -> Any:
    """`structure` with distortion modes turned on, corners kept.

    Parameters
    ----------
    structure
        pymatgen Structure or Molecule.
    amplitudes
        {mode or its key: Angstrom}, relative to `structure`. All zero: the structure itself is returned as a copy.
    graph
        its motif graph, if it is at hand.
    keep
        the symmetry to keep or break, as for `Distorter`.

    Returns
    -------
    Structure or Molecule
        same sites in the same order with species, labels and properties kept. The cell follows.

    Raises
    ------
    MotifError
        unknown modes, amplitudes that are not finite, a symmetry that the structure does not have.
    """
    distorter = Distorter(structure, graph, keep=keep)
    solved = distorter.solve(amplitudes)
    if not any(float(q) for q in amplitudes.values()) and hasattr(structure, "copy"):
        return structure.copy()
    like = structure if hasattr(structure, "sites") else None
    return from_arrays(AtomArrays(distorter.arrays.numbers, solved.positions, solved.cell), like=like)
