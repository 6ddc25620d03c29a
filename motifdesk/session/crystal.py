"""Whole-crystal modes as handles: the symmetry-adapted displacements of the cell on the desk, by wavevector and orbit;
of a molecule its symmetry coordinates, by kind and orbit.

The modes are those of :func:`motifdesk.motifs.crystal_modes` at the zone centre of the cell of the base structure. A
cell that is a supercell of its crystal folds wavevectors of the parent onto its zone centre; the handles are then named
by the parent's wavevector, in the reciprocal basis of its conventional cell ("R (1/2,1/2,1/2)" in a 2 x 2 x 2
perovskite).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from motifdesk.structures.arrays import AtomArrays
from motifdesk.structures.errors import MotifDeskError, SessionError

if TYPE_CHECKING:
    from motifdesk.motifs import CrystalMode, CrystalModes, MolecularGroup, MoleculeModes, MotifGraph
    from motifdesk.session.state import Reference
    from motifdesk.structures.symmetry import SpaceGroup

PREFIX = "crystal:"
"""Begins the keys of whole-crystal amplitudes, so that they are never taken for those of motifs."""
LARGEST = 64
"""Atoms of the largest cell whose modes become handles (192 of them); more is no longer a choice a hand can make."""
TOLERANCE = 0.01
"""Angstrom: the symmetry the modes are sorted by, as the read-outs and outlooks of the desk."""


_MOST_LIGANDS = 6  # polyhedra that a designer would say are tilted; larger ones only follow
_MOSTLY = 0.9  # share of the squared displacements that gives a motion its name


@dataclass(frozen=True)
class CrystalHandle:
    """One whole-crystal mode as a handle.

    key: that of the `CrystalMode` with "crystal:" before it. label: "R (1/2,1/2,1/2) T1g (3 of 3), O 3c, in the xy
    plane". irrep: the symbol alone ("T1g"). place: wavevector with its letter where it has one ("R (1/2,1/2,1/2)"), of
    the star's first arm. arm: the same of this component. orbit: "O 3c". words: what tells this component from its
    partners. Of a molecule `place` is "Frame", "Stretch" or "Bend" and `orbit` "6 C". vectors: float64 [N, 3], in the
    order of the base structure's atoms, Cartesian, of unit norm (of a molecule over the orbit, riding atoms besides).
    """

    key: str
    label: str
    irrep: str
    component: int
    dimension: int
    place: str
    arm: str
    orbit: str
    words: str
    vectors: np.ndarray = field(compare=False, repr=False)

    def __str__(self) -> str:
        return self.label


@dataclass(frozen=True, eq=False)
class CrystalHandles:
    """The handles of a base structure, or one sentence on why it has none. `modes`: those behind them."""

    modes: CrystalModes | MoleculeModes | None
    handles: tuple[CrystalHandle, ...]
    why: str = ""
    crystal: bool = True

    def mode(self, key: str) -> CrystalHandle:
        """The handle of a key; SessionError if there is none."""
        for handle in self.handles:
            if handle.key == key:
                return handle
        raise SessionError(
            f"there is no whole-crystal mode {key!r}" if self.crystal else f"the molecule has no mode {key!r}",
            where="distort",
            remedy=self.why or 'list them: session.select(scope="crystal"); [m.key for m in session.state.modes]',
        )

    def displacements(self, amplitudes: Mapping[str, float]) -> np.ndarray:
        """float64 [N, 3], Cartesian Angstrom: the sum of amplitude times vectors."""
        out = np.zeros_like(self.handles[0].vectors)
        for key, value in amplitudes.items():
            out += value * self.mode(key).vectors
        return out

    def leads_to(self, amplitudes: Mapping[str, float]) -> SpaceGroup | MolecularGroup:
        """The space group (of a molecule the point group) that a mixture of modes leaves of the base structure's, from
        its operations."""
        assert self.modes is not None
        return self.modes.subgroup({key.removeprefix(PREFIX): value for key, value in amplitudes.items()})


def split(amplitudes: Mapping[str, float]) -> tuple[dict[str, float], dict[str, float]]:
    """(amplitudes of motifs' modes, amplitudes of whole-crystal modes)."""
    motifs = {k: v for k, v in amplitudes.items() if not k.startswith(PREFIX)}
    return motifs, {k: v for k, v in amplitudes.items() if k.startswith(PREFIX)}


def handles_of(reference: Reference) -> CrystalHandles:
    """The whole-crystal handles of a base structure (see :attr:`Reference.crystal`, which remembers them)."""
    arrays = reference.arrays
    count = len(arrays.numbers)
    if arrays.cell is None:
        return _of_molecule(arrays)
    if count > LARGEST:
        return CrystalHandles(
            None,
            (),
            f"This cell has {count} atoms, too many for whole-crystal handles ({LARGEST} at most); "
            "open it in its primitive cell.",
        )
    from motifdesk.motifs import crystal_modes

    try:
        modes = crystal_modes(arrays, (1, 1, 1), tolerance=TOLERANCE)
    except MotifDeskError as error:
        return CrystalHandles(None, (), f"No whole-crystal modes: {error}")
    except Exception as error:  # as for motifs: a cell no chemist would accept must not take the desk down
        return CrystalHandles(None, (), f"No whole-crystal modes could be found ({type(error).__name__}: {error}).")
    # an orbit that is the whole crystal, moved evenly, changes nothing
    telling = [m for m in modes if not (m.shift and len(m.sites) == count)]
    if not telling:
        return CrystalHandles(
            None, (), "Every displacement of this cell only shifts the whole crystal; make a supercell to have modes."
        )
    names, told = _Names(modes), _motions(modes, reference.graph)
    return CrystalHandles(modes, tuple(names.handle(m, told.get(m.key, "")) for m in telling))


def _of_molecule(arrays: AtomArrays) -> CrystalHandles:
    """The handles of a whole molecule."""
    count = len(arrays)
    if not 2 <= count <= LARGEST:
        why = "One atom has nothing to distort." if count < 2 else f"{count} atoms are too many ({LARGEST} at most)."
        return CrystalHandles(None, (), why, crystal=False)
    from motifdesk.motifs import molecule_modes

    try:
        modes = molecule_modes(arrays)
    except Exception as error:  # as for crystals
        return CrystalHandles(None, (), f"No modes of the molecule could be found ({error}).", crystal=False)
    handles = []
    for m in modes:
        words = ", ".join(x for x in (m.words, f"copy {m.copy}" if m.copy > 1 else "") if x)
        place = m.kind.capitalize()
        handles.append(
            CrystalHandle(
                PREFIX + m.key, m.label, m.irrep, m.component, m.dimension, place, "", m.orbit, words, m.vectors
            )
        )
    return CrystalHandles(modes, tuple(handles), crystal=False)


def displaced(arrays: AtomArrays, base: AtomArrays, displacements: np.ndarray) -> AtomArrays:
    """`arrays` with displacements [N, 3] of the base structure added: as they are where the cell is the base's, else
    carried along by the strain between the two cells."""
    if base.cell is None or arrays.cell is None or arrays.cell is base.cell:
        return AtomArrays(arrays.numbers, arrays.positions + displacements, arrays.cell)
    carried = displacements @ np.linalg.inv(base.cell) @ arrays.cell
    return AtomArrays(arrays.numbers, arrays.positions + carried, arrays.cell)


class _Names:
    """Names the modes of a cell by the wavevectors of its crystal's conventional cell."""

    def __init__(self, modes: CrystalModes) -> None:
        import moyopy

        from motifdesk.motifs.symmetry.wavevectors import bravais

        cell = modes.operations
        self._kind = bravais(cell.group.number, cell.group.symbol)
        found = moyopy.operations_from_number(cell.group.number, setting=moyopy.Setting.standard())
        self._turns = np.array(found.rotations, dtype=float).reshape(-1, 3, 3)
        # of the conventional bases that the point group makes equivalent, the one nearest to x, y, z: words about
        # directions and the coordinates of wavevectors then speak of the same axes
        bases = cell.standard @ self._turns
        rows = np.swapaxes(bases, 1, 2) @ cell.parent_cell
        along = np.einsum("gii->g", rows / np.linalg.norm(rows, axis=2, keepdims=True))
        self._standard = bases[int(np.argmax(np.round(along, 6)))]
        self._primitive = cell.primitive @ np.linalg.inv(self._standard).T
        self._known: dict[tuple[float, ...], tuple[str, str]] = {}
        # the arm that a star is titled by: that of the first component
        self._first = {m.key.rsplit(":", 1)[0]: m.wavevector for m in modes if m.component == 1}

    def place(self, wavevector: Sequence[float]) -> tuple[str, str]:
        """("R", "1/2,1/2,1/2"): letter ("" where none fits) and coordinates in the conventional reciprocal basis."""
        from motifdesk.motifs.symmetry.wavevectors import letter, tidied, written

        key = tuple(np.round(wavevector, 6))
        if key not in self._known:
            k = np.asarray(wavevector, dtype=float) @ self._standard
            star = np.concatenate([k @ self._turns, -(k @ self._turns)])
            self._known[key] = letter(star, self._kind) or "", written(tidied(k, self._primitive))
        return self._known[key]

    def handle(self, mode: CrystalMode, motion: str) -> CrystalHandle:
        point, arm = self.place(mode.wavevector)
        of_star = self.place(self._first.get(mode.key.rsplit(":", 1)[0], mode.wavevector))[1]
        at_zero = point == "GM"
        symbol = mode.irrep.split(" ", 1)[1]
        words = _words(mode, motion)
        which = f" ({mode.component} of {mode.dimension})" if mode.dimension > 1 else ""
        k = "" if at_zero else f"({arm}) "
        label = f"{point + ' ' if point else ''}{k}{symbol}{which}, {mode.orbit}"
        return CrystalHandle(
            PREFIX + mode.key,
            ", ".join(x for x in (label, words) if x),
            symbol,
            mode.component,
            mode.dimension,
            "GM (zone centre)" if at_zero else f"{point} ({of_star})".strip(),
            "" if at_zero else f"({arm})",
            mode.orbit,
            words,
            mode.vectors,
        )


def _words(mode: CrystalMode, motion: str) -> str:
    """ "shift along z", "TiO6 tilt about z", "in the xy plane, polar, copy 2"."""
    way = _way(mode.vectors)
    if mode.shift:
        told = f"shift {way}".strip()
    elif " tilt" in motion:
        told = motion  # its axis says more than the plane its ligands move in
    else:
        told = ", ".join(x for x in (motion, way) if x)
    copy = f"copy {mode.copy}" if mode.copy > 1 else ""
    return ", ".join(x for x in (told, "polar" if mode.polar and not mode.shift else "", copy) if x)


def _motions(modes: CrystalModes, graph: MotifGraph | None) -> dict[str, str]:
    """Mode key -> what it does to the coordination polyhedra, where that is one thing: "TiO6 tilt about z",
    "TiO6 stretch", "SiO4 bend". Of several kinds of polyhedra the one that is turned, else the one deformed most."""
    if graph is None:
        return {}
    from motifdesk.motifs import motif_shares

    best: dict[str, tuple[bool, float, str]] = {}
    for members in graph.orbits:
        motif = graph.motifs[members[0]]
        if not 3 <= len(motif.ligands) <= _MOST_LIGANDS:
            continue
        try:
            shares = motif_shares(modes, motif, graph=graph)
        except MotifDeskError:
            continue
        for key, share in shares.items():
            parts = {"stretch": share.stretch, "bend": share.bend, "tilt": share.rotation}
            word = max(parts, key=lambda name: parts[name])
            if share.size < 1e-3 or parts[word] < _MOSTLY:
                continue
            about = _about(share.turns) if word == "tilt" else ""
            found = (word == "tilt", share.size, f"{motif.formula} {word}{about}")
            best[key] = max(best.get(key, found), found)
    return {key: words for key, (_, _, words) in best.items()}


def _about(turns: np.ndarray) -> str:
    """ " about z" where every polyhedron turns about the same Cartesian axis."""
    sizes = np.abs(turns).max(axis=0)
    axes = [axis for axis, size in zip("xyz", sizes, strict=True) if size > 0.02 * sizes.max()]
    return f" about {axes[0]}" if len(axes) == 1 else ""


def _way(vectors: np.ndarray) -> str:
    """Where the atoms go: along an axis or in a plane of the Cartesian frame, "" where they do neither."""
    sizes = np.abs(vectors).max(axis=0)
    moving = [axis for axis, size in zip("xyz", sizes, strict=True) if size > 1e-3 * sizes.max()]
    if len(moving) == 1:
        return f"along {moving[0]}"
    return f"in the {''.join(moving)} plane" if len(moving) == 2 else ""
