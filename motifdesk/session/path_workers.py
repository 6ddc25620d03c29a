"""Edits that change the cell's size or lead to another structure: supercells and morphs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from motifdesk.session.paths import way
from motifdesk.session.picking import allowed
from motifdesk.session.state import State, formula, moved, rebased
from motifdesk.session.workers import Draft, Worker, finite, plain_dict, structure_from_dict
from motifdesk.structures.arrays import AtomArrays, from_arrays, to_arrays
from motifdesk.structures.errors import SessionError

LARGEST = 500
"""Atoms of the largest supercell the desk makes."""


def whole_matrix(given: Any) -> np.ndarray:
    """Three whole numbers or an integer matrix [3, 3] as int64 [3, 3] with a positive volume, or a SessionError."""
    values = finite(given, "supercell")
    if values.shape == (3,):
        values = np.diag(values)
    good = values.shape == (3, 3) and bool((values == np.rint(values)).all())
    if not good or round(float(np.linalg.det(values))) < 1:
        raise SessionError(
            f"{given!r} is no supercell",
            where="supercell",
            remedy="give three whole numbers or a 3 x 3 integer matrix with a positive determinant",
        )
    whole: np.ndarray = np.rint(values).astype(np.int64)
    return whole


def repeated(structure: Any, matrix: Any) -> Any:
    """The supercell of a Structure with its species, labels and site properties; site ``s * m + t`` is site s in the
    t-th of m cells, positions not wrapped."""
    out = structure * np.array(matrix, dtype=int).tolist()
    out.properties = dict(structure.properties)
    return out


def written_matrix(matrix: np.ndarray) -> str:
    """ "2 x 2 x 1", or the rows of a matrix that is not diagonal."""
    if (matrix == np.diag(np.diag(matrix))).all():
        return " x ".join(str(int(x)) for x in np.diag(matrix))
    return "; ".join(" ".join(str(int(x)) for x in row) for row in matrix)


class Supercell(Worker):
    """Repeat the cell: the same crystal, with room for distortions of longer period."""

    kind = "supercell"

    def update(self, matrix: Any) -> Draft:
        """``matrix``: three whole numbers, or integers [3, 3] whose rows are the new vectors in those of the cell."""
        arrays = self.origin.arrays
        if arrays.cell is None:
            raise SessionError("a molecule has no supercell", where="supercell", remedy="open a crystal")
        whole = whole_matrix(matrix)
        count = len(arrays.numbers) * round(float(np.linalg.det(whole)))
        if (whole == np.eye(3, dtype=int)).all():
            raise SessionError("1 x 1 x 1 is the cell there is already", where="supercell", remedy="repeat it")
        if count > LARGEST:
            raise SessionError(
                f"the supercell has {count} atoms, more than {LARGEST}", where="supercell", remedy="take a smaller one"
            )
        template = repeated(self.origin.structure, whole.tolist())
        state = rebased(self.origin, to_arrays(template), template)
        return Draft(state, f"Supercell {written_matrix(whole)}", {"matrix": whole.tolist()})

    def finish(self, draft: Draft) -> Draft:
        """The pick stays on the same motif, now in the first of the cells."""
        state, pick = draft.state, self.origin.selection
        times = len(state.arrays.numbers) // len(self.origin.arrays.numbers)
        motif = None
        old, new = self.origin.graph, state.graph if pick.motif is not None else None
        if pick.motif is not None and old is not None and new is not None and pick.motif < len(old.motifs):
            centre = old.motifs[pick.motif].centre * times
            motif = next((m.index for m in new.motifs if m.centre == centre), None)
        kept = replace(pick, motif=motif, atoms=tuple(a * times for a in pick.atoms))
        kept = kept if allowed(state.reference, kept) else replace(kept, pattern="uniform")
        return replace(draft, state=replace(state, selection=kept))


class MorphTo(Worker):
    """Go part of the way to another structure: cells along the logarithmic strain, atoms straight."""

    kind = "morph"
    quick = False  # the pairing of atoms may take seconds the first time

    def update(self, to: Any, t: float = 1.0, towards: str | None = None) -> Draft:
        """``to``: the other structure, or its pymatgen dictionary; ``t``: 0 (this design) to 1 (the other);
        ``towards``: what the other is called."""
        fraction = float(finite(t, "t", ()))
        if not 0.0 <= fraction <= 1.0:
            raise SessionError(f"t = {fraction:g}", where="morph", remedy="choose it between 0 and 1")
        target = structure_from_dict(to) if isinstance(to, Mapping) else to
        name = towards or formula(to_arrays(target))
        found = way(self.origin.arrays, target)
        arrays = found.arrays(fraction)
        if found.same:
            state = moved(self.origin, arrays)
        else:
            assert found.reference is not None
            bare = replace(self.origin.selection, motif=None, atoms=())
            state = replace(moved(self.origin, arrays), reference=found.reference, selection=bare)
        state = replace(state, notes=(found.note,) if found.note and fraction > 0.0 else ())
        parameters = {"to": plain_dict(target), "t": fraction, "towards": name}
        return Draft(state, f"Morph {100 * fraction:.3g} % towards {name}", parameters)

    def finish(self, draft: Draft) -> Draft:
        """A new base with a motif graph of its own."""
        state = draft.state
        if state.reference is self.origin.reference:
            return super().finish(draft)
        other = rebased(state, state.arrays, from_arrays(state.arrays))
        return replace(draft, state=replace(other, notes=state.notes, latent=state.latent))


def supercell_template(parent: State, parameters: Mapping[str, Any], arrays: AtomArrays) -> Any:
    """The pymatgen object that carries labels and site properties of a supercell read from a session file."""
    template = repeated(parent.structure, parameters["matrix"])
    return template if len(template) == len(arrays.numbers) else from_arrays(arrays)
