"""The frozen state of a design: what every pane of the desk shows and every read-out is computed from.

A :class:`State` is never changed; each edit, preview or click replaces it whole (see
:mod:`motifdesk.session.session`), so a reader on another thread always sees one consistent design: positions, cell,
selection and amplitudes of the same instant.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.structures.arrays import AtomArrays, element_symbols, from_arrays, to_arrays
from motifdesk.structures.errors import MotifDeskError, SessionError

if TYPE_CHECKING:
    from pymatgen.core import Molecule, Structure

    from motifdesk.motifs import Mode, MotifGraph
    from motifdesk.session.crystal import CrystalHandles
    from motifdesk.session.member import Built
    from motifdesk.session.step import Edit

SCOPES = ("motif", "orbit", "all", "crystal")
PATTERNS = ("uniform", "alternating")
SYMMETRIES = ("free", "request", "break")
_MOST_DISTORTERS = 4
_KEYS = itertools.count()


def frozen_mapping(mapping: Mapping[Any, Any] | None = None) -> Mapping[Any, Any]:
    """A read-only copy of ``mapping``."""
    return MappingProxyType(dict(mapping or {}))


@dataclass(frozen=True)
class Selection:
    """What is picked: a motif (index into ``state.graph.motifs``) with the scope its handles act on, and single
    atoms.

    ``scope`` is "motif" (this one), "orbit" (its symmetry-equivalent motifs), "all" (every motif of the same kind) or
    "crystal" (the modes of the whole cell, whatever motif is picked; see :mod:`motifdesk.session.crystal`).
    ``pattern``: "uniform" (all alike) or "alternating" (linked motifs get opposite signs; where the cell allows it, see
    :func:`motifdesk.session.patterns.alternating`). ``symmetry``: what handles do to it: "free" (as it comes),
    "request" (exactly what the request leaves standing is kept) or "break" (the cheapest response, however low its
    symmetry). ``atoms`` are site indices. A click is not a step of the history; see :meth:`Session.select`.
    """

    motif: int | None = None
    scope: str = "motif"
    atoms: tuple[int, ...] = ()
    pattern: str = "uniform"
    symmetry: str = "free"


@dataclass(frozen=True)
class Latent:
    """Where the design lies in the latent space and on the map.

    ``root``: float32 [D] code of the *re-encoded* real structure (None until it has been located); ``xy``: where that
    code lands on the map; ``target_xy``: where the probe asked to go, ``target_root``: the code asked for (both None
    where nothing was; the code is not kept in files); ``residual``: mean squared difference of the
    compared code components; ``converged``: residual small enough to certify the decode (None: nothing was decoded);
    ``source``: where a decoded structure came from; ``composition``: "keep" or "follow"; ``predictions``: name ->
    value of the codec's heads. ``stale``: the structure has moved since ``root``, ``xy`` and ``predictions`` were
    computed.
    """

    root: np.ndarray | None = None
    xy: tuple[float, float] | None = None
    target_xy: tuple[float, float] | None = None
    residual: float | None = None
    converged: bool | None = None
    source: str | None = None
    composition: str | None = None
    predictions: Mapping[str, float] = field(default_factory=frozen_mapping)
    stale: bool = True
    target_root: np.ndarray | None = None

    def moved(self) -> Latent:
        """The latent after an edit that did not come from the map: its place is stale, no decode vouches for it."""
        return Latent(self.root, self.xy, predictions=self.predictions, stale=True)


class Reference:
    """The structure that amplitudes are measured from, with what is expensive to know about it, computed once when
    asked.

    Shared by every state that is a distortion of it; safe to use from several threads.
    """

    def __init__(self, arrays: AtomArrays, template: Structure | Molecule, key: int | None = None) -> None:
        self.key = next(_KEYS) if key is None else key
        """A number that no other base structure of this process has."""
        self.arrays = arrays
        self.template = template
        self._lock = threading.RLock()
        self._graph: MotifGraph | None = None
        self._graph_error: MotifDeskError | None = None
        self._distorters: dict[str, Any] = {}
        self._modes: dict[tuple[int, str, str], tuple[Mode, ...]] = {}
        self.woken: Callable[[Reference], None] | None = None
        """Told when the motifs of a cold reference are found (see :class:`motifdesk.session.lean.Warm`)."""
        self.scratch: dict[Any, Any] = {}
        """Caches of the read-outs that hold for this bond topology (permutations of shape measures, ...)."""

    def structure(self) -> Structure | Molecule:
        """A fresh pymatgen object of the reference."""
        return from_arrays(self.arrays, like=self.template)

    @property
    def graph(self) -> MotifGraph | None:
        """The motif graph, or None when no motifs can be found; :attr:`graph_error` then says why."""
        with self._lock:
            if self._graph is None and self._graph_error is None:
                from motifdesk.motifs import find_motifs

                if self.woken is not None:
                    self.woken(self)
                try:
                    self._graph = find_motifs(self.structure())
                except MotifDeskError as error:
                    self._graph_error = error
                except Exception as error:  # a structure no chemist would accept must not take the desk down
                    self._graph_error = SessionError(
                        f"no motifs could be found ({type(error).__name__}: {error})",
                        where="the design",
                        remedy="undo, or go on without motif handles",
                    )
            return self._graph

    @property
    def known_graph(self) -> MotifGraph | None:
        """The motif graph if it has been asked for before, else None."""
        return self._graph

    @property
    def graph_error(self) -> MotifDeskError | None:
        """Why :attr:`graph` is None, else None."""
        self.graph  # noqa: B018 - computes both
        return self._graph_error

    def require_graph(self) -> MotifGraph:
        """The motif graph; raises the reason when there is none."""
        graph = self.graph
        if graph is None:
            assert self._graph_error is not None
            raise self._graph_error
        return graph

    @property
    def distorter(self) -> Any:
        """The cached :class:`motifdesk.motifs.Distorter` of the reference that leaves the symmetry free."""
        return self.distorter_that("free")

    def distorter_that(self, keep: Any) -> Any:
        """The distorter (cached) that treats the symmetry as ``keep`` says: "free", "request", "break", or
        {"rotations": [G, 3, 3], "translations": [G, 3]}, a subgroup to keep exactly."""
        name = keep if isinstance(keep, str) else json.dumps(keep, sort_keys=True)
        with self._lock:
            if name not in self._distorters:
                from motifdesk.motifs import Distorter

                graph = self.require_graph()
                wanted: dict[str, Any] = {}
                if keep != "free":
                    wanted["keep"] = keep if isinstance(keep, str) else (keep["rotations"], keep["translations"])
                while len(self._distorters) >= _MOST_DISTORTERS:
                    self._distorters.pop(next(iter(self._distorters)))
                self._distorters[name] = Distorter(graph.structure, graph, **wanted)
            return self._distorters[name]

    def character(self, motif: int | None, scope: str) -> tuple[int, ...] | None:
        """Signs of the alternating pattern of a motif in a scope, in the order of the modes' targets; None where the
        cell does not allow one."""
        if scope == "crystal":
            return None
        from motifdesk.session.patterns import alternating

        plain = self.modes(motif, scope)
        graph = self.graph
        return alternating(graph, [index for index, _ in plain[0].targets]) if plain and graph is not None else None

    @property
    def crystal(self) -> CrystalHandles:
        """The whole-crystal handles of the reference (cached)."""
        with self._lock:
            if "crystal" not in self.scratch:
                from motifdesk.session.crystal import handles_of

                self.scratch["crystal"] = handles_of(self)
            found: CrystalHandles = self.scratch["crystal"]
            return found

    def modes(self, motif: int | None, scope: str, pattern: str = "uniform") -> tuple[Any, ...]:
        """Distortion modes (`Mode`) of one motif of the graph in the given scope and pattern (cached); () when nothing
        is picked. In the scope "crystal": the `CrystalHandle` of the whole cell."""
        if scope == "crystal":
            return self.crystal.handles
        graph = self.graph if motif is not None else None
        if motif is None or graph is None or motif >= len(graph.motifs):
            return ()
        with self._lock:
            key = (motif, scope, pattern)
            if key not in self._modes:
                from motifdesk.motifs import distortion_modes

                character = self.character(motif, scope) if pattern == "alternating" else None
                try:
                    found = distortion_modes(
                        graph.structure, graph.motifs[motif], scope=scope, graph=graph, character=character
                    )
                except MotifDeskError:  # a motif without ligands has no handles
                    found = ()
                self._modes[key] = tuple(found)
            return self._modes[key]

    def release(self) -> None:
        """Forget what can be computed again (the session keeps only a few references warm)."""
        with self._lock:
            self._graph, self._graph_error = None, None
            self._distorters.clear()
            self._modes.clear()
            self.scratch.clear()


@dataclass(frozen=True, eq=False)
class State:
    """One instant of the design.

    ``arrays`` are the truth (read-only numpy arrays: numbers [N], Cartesian positions [N, 3] in Angstrom, not wrapped
    into the cell so that motion stays continuous, cell [3, 3] with row vectors or None); :attr:`structure` gives a
    fresh pymatgen object each time, which may be changed freely without touching the design.

    ``amplitudes``: mode key -> Angstrom, absolute, relative to the structure of history node ``base``. ``version``
    grows by at least one with every replacement; ``node`` is the history node the state belongs to; a ``preview``
    differs from that node and is not in the history yet. ``graph`` and ``modes`` belong to the base structure: a
    distortion keeps bonds. ``achieved`` (mode key -> Angstrom) and ``cost`` (Angstrom per motif) say how well the
    network of motifs could follow the amplitudes; ``keep``: how the distortion treats the symmetry (see
    :meth:`Reference.distorter_that`); ``response``: what the solver said (None for a loaded state);
    ``notes`` are sentences a designer should read (a distortion that did not converge, ...);
    ``built``: the member of a family that the design comes from, or None.
    """

    arrays: AtomArrays
    reference: Reference = field(repr=False)
    selection: Selection = Selection()
    amplitudes: Mapping[str, float] = field(default_factory=frozen_mapping)
    base: int = 0
    latent: Latent = field(default_factory=Latent, repr=False)
    version: int = 0
    node: int = 0
    preview: bool = False
    label: str = "Open"
    achieved: Mapping[str, float] = field(default_factory=frozen_mapping, repr=False)
    cost: tuple[float, ...] = field(default=(), repr=False)
    keep: Any = "free"
    response: Any = field(default=None, repr=False)
    notes: tuple[str, ...] = ()
    built: Built | None = field(default=None, repr=False)

    @property
    def structure(self) -> Structure | Molecule:
        """A fresh pymatgen Structure (with a cell) or Molecule of this state."""
        made = from_arrays(self.arrays, like=self.reference.template)
        about = made.properties.get("motifdesk")
        if self.built is not None and self.built.holds(self.arrays):
            made.properties["motifdesk"] = {**(about or {}), "recipe": self.built.recipe}
        elif isinstance(about, Mapping) and "recipe" in about:  # it was a member before it was changed
            made.properties["motifdesk"] = {k: v for k, v in about.items() if k not in ("recipe", "residual")}
        return made

    @property
    def graph(self) -> MotifGraph | None:
        """Motif graph of the base structure; None when none could be found (``reference.graph_error`` says why)."""
        return self.reference.graph

    @property
    def modes(self) -> tuple[Any, ...]:
        """Distortion modes of the picked motif in the picked scope and pattern; () when no motif is picked. Those of
        the whole cell (`CrystalHandle`) in the scope "crystal"."""
        pick = self.selection
        return self.reference.modes(pick.motif, pick.scope, pick.pattern)

    @property
    def formula(self) -> str:
        """Reduced formula of a crystal, full formula of a molecule."""
        return formula(self.arrays)

    def __repr__(self) -> str:
        kind = "preview" if self.preview else "state"
        what = f"{self.formula}, {len(self.arrays.numbers)} atoms, {self.label!r}"
        return f"<{kind} {self.version} of node {self.node}: {what}>"


@dataclass(frozen=True)
class Change:
    """What an observer is told: the state before, the state now, and the edit when one was committed.

    ``action``: "edit", "preview", "cancel", "select", "undo", "redo", "goto", "locate", "name" (a step was given a
    name), "ties" (a handle was locked, tied or let go) or "adopt" (another session took the place of this one).
    """

    previous: State
    state: State
    edit: Edit | None = None
    action: str = "edit"


def formula(arrays: AtomArrays) -> str:
    """Crystals: reduced formula as pymatgen writes it; molecules: full formula in Hill order."""
    if not arrays.is_crystal:
        return arrays.formula
    found, counts = np.unique(arrays.numbers, return_counts=True)
    return _reduced(tuple(found.tolist()), tuple(counts.tolist()))


@lru_cache(maxsize=64)
def _reduced(numbers: tuple[int, ...], counts: tuple[int, ...]) -> str:
    from pymatgen.core import Composition

    symbols = element_symbols()
    return Composition({symbols[z]: n for z, n in zip(numbers, counts, strict=True)}).reduced_formula


def first_state(structure: Structure | Molecule, label: str) -> State:
    """The state of node 0."""
    arrays = to_arrays(structure)
    return State(arrays=arrays, reference=Reference(arrays, structure.copy()), label=label)


def moved(state: State, arrays: AtomArrays) -> State:
    """``state`` with its atoms elsewhere, for previews: the bonds, motifs and pick of the base stay on show."""
    return replace(
        state,
        arrays=arrays,
        amplitudes=frozen_mapping(),
        achieved=frozen_mapping(),
        cost=(),
        keep="free",
        response=None,
        notes=(),
        latent=state.latent.moved(),
    )


def rebased(state: State, arrays: AtomArrays, template: Structure | Molecule | None = None) -> State:
    """``state`` on a new base structure: amplitudes reset, motif graph to be found anew, the pick kept where it still
    exists.

    The base index is set when the state is committed.
    """
    reference = Reference(arrays, state.reference.template if template is None else template)
    return replace(moved(state, arrays), reference=reference)
