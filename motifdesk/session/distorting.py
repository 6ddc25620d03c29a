"""What a set of amplitudes makes of a base structure: motifs pull the network, whole-crystal modes are added to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from motifdesk.session.crystal import PREFIX, displaced, split
from motifdesk.session.state import Reference, frozen_mapping
from motifdesk.structures.arrays import AtomArrays


@dataclass(frozen=True, eq=False)
class Distorted:
    """The atoms, and how well the network followed: `achieved` (mode key -> Angstrom), `cost` (Angstrom per motif),
    `response` (what the solver said; None where no motif was asked), `notes` (sentences for the designer)."""

    arrays: AtomArrays
    achieved: Mapping[str, float] = field(default_factory=frozen_mapping)
    cost: tuple[float, ...] = ()
    response: Any = None
    notes: tuple[str, ...] = ()


def distorted(reference: Reference, amplitudes: Mapping[str, float], keep: Any = "free") -> Distorted:
    """The base structure with modes of motifs and of the whole crystal turned on (absolute amplitudes, Angstrom).

    The network answers the motifs' amplitudes first; the displacements of the whole-crystal modes are then added as
    they are, carried along by the strain that the network took. Unknown keys raise.
    """
    motifs, crystal = split(amplitudes)
    out = Distorted(reference.arrays)
    if motifs:
        solved = reference.distorter_that(keep).solve(motifs)
        out = Distorted(
            AtomArrays(reference.arrays.numbers, solved.positions, solved.cell),
            dict(solved.achieved),
            tuple(float(c) for c in np.asarray(solved.cost).ravel()),
            solved,
            _notes(reference, solved, motifs),
        )
    if crystal:
        moved = displaced(out.arrays, reference.arrays, reference.crystal.displacements(crystal))
        out = Distorted(moved, {**out.achieved, **crystal}, out.cost, out.response, out.notes)
    return out


def label_of(reference: Reference, key: str) -> str:
    """The label of a mode key of either kind; an unknown key raises a MotifDeskError."""
    if key.startswith(PREFIX):
        return reference.crystal.mode(key).label
    return str(reference.distorter.mode(key).label)


def _notes(reference: Reference, solved: Any, wanted: Mapping[str, float]) -> tuple[str, ...]:
    notes = []
    off = [k for k, v in wanted.items() if abs(solved.achieved.get(k, v) - v) > max(0.01, 0.1 * abs(v))]
    if off:
        worst = max(off, key=lambda k: abs(solved.achieved[k] - wanted[k]))
        notes.append(
            f"the network allows {solved.achieved[worst]:+.3f} Å of {label_of(reference, worst)} where "
            f"{wanted[worst]:+.3f} Å were asked"
        )
    if not solved.converged:
        notes.append("the distortion has not converged")
    return tuple(notes)
