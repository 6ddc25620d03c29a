"""The edit that replaces the design by a member of a family of topologies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from motifdesk.session.member import Built
from motifdesk.session.picking import same_pick
from motifdesk.session.state import State, frozen_mapping, moved, rebased
from motifdesk.session.workers import Draft, Worker
from motifdesk.structures.arrays import AtomArrays, from_arrays, to_arrays
from motifdesk.structures.errors import SessionError

_JUMP = 0.8  # Angstrom; a step of a slider that moves an atom farther is one of the order of the atoms
LONGEST = 48
"""Letters of the longest word the desk builds."""


def title(family: str) -> str:
    """ "harmonic-honeycomb" as people write it: "Harmonic honeycomb"."""
    words = family.replace("-", " ").replace("_", " ")
    return words[:1].upper() + words[1:]


class Build(Worker):
    """Replace the design by a member of a family. While only numbers change, atoms move and bonds stay on show."""

    kind = "build"

    def update(
        self,
        family: str | None = None,
        parameters: Mapping[str, Any] | None = None,
        *,
        neutral: bool | None = None,
        **more: Any,
    ) -> Draft:
        """``family``: a name of ``motifdesk.families()``, its parameters at their defaults unless given; None: the
        family that the design comes from, its parameters as they are unless given."""
        from motifdesk.topologies import member

        before = self.origin.built
        given = {**dict(parameters or {}), **more}
        if family is None:
            if before is None:
                raise SessionError(
                    "the design comes from no family",
                    where="build",
                    remedy="name one: session.build('harmonic-honeycomb'); motifdesk.families() lists them",
                )
            family, given = before.family, {**before.parameters, **given}
            neutral = before.neutral if neutral is None else neutral
        must = neutral is None or bool(neutral)
        word = given.get("word")
        if isinstance(word, str) and len(word) > LONGEST:
            raise SessionError(
                f"a word of {len(word)} letters", where=family, remedy=f"give at most {LONGEST}; longer cells are slow"
            )
        made = member(family, neutral=must, **given)
        chosen = {name: _plain(value) for name, value in made.parameters.items()}
        like = before if before is not None and before.family == made.family else None
        same = like is not None and not _other_atoms(like.parameters, chosen)
        arrays = _placed(to_arrays(made.structure), self.origin.arrays if same else None)
        if same and (arrays.numbers == self.origin.arrays.numbers).all():
            state = moved(self.origin, arrays)  # the atoms move; a motif graph of their own when it is committed
        else:
            template = from_arrays(arrays)
            state = rebased(self.origin, arrays, template)
            pick = same_pick(self.origin, state) if like is not None else None
            bare = replace(self.origin.selection, motif=None, atoms=(), pattern="uniform")
            state = replace(state, selection=pick or bare)
        built = Built(made.family, frozen_mapping(chosen), arrays, must)
        record: dict[str, Any] = {"family": made.family, "parameters": chosen}
        if not must:
            record["neutral"] = False
        return Draft(replace(state, built=built), _name(made.family, chosen, like), record)

    def finish(self, draft: Draft) -> Draft:
        """A new base with a motif graph of its own."""
        if draft.state.reference is not self.origin.reference:
            return draft
        state = rebased(draft.state, draft.state.arrays, from_arrays(draft.state.arrays))
        state = replace(state, built=draft.state.built)
        return replace(draft, state=replace(state, selection=same_pick(self.origin, state)))


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _other_atoms(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether more than lengths and angles differ: then the atoms of one are not those of the other."""
    return any(old.get(k) != v and not (isinstance(v, float) and isinstance(old.get(k), float)) for k, v in new.items())


def _placed(arrays: AtomArrays, beside: AtomArrays | None) -> AtomArrays:
    """``arrays`` with each atom in the image nearest to where it is in ``beside``, and in its order (no jump from face
    to face of the cell while a slider moves), or in the home cell, where 1 - 1e-9 counts as 0."""
    cell = arrays.cell
    assert cell is not None
    frac = arrays.positions @ np.linalg.inv(cell)
    if beside is None or beside.cell is None or len(beside.numbers) != len(arrays.numbers):
        shift = np.floor(frac + 1e-6)
    else:
        there = beside.positions @ np.linalg.inv(beside.cell)
        shift = np.floor(frac - there + 0.5 - 1e-6)
        if (arrays.numbers == beside.numbers).all() and _farthest(frac - shift - there, cell) > _JUMP:
            # ties in the order of an assembly's atoms fall either way: pair them with those there are
            order = _paired(frac, there, arrays.numbers, cell)
            arrays, frac = AtomArrays(arrays.numbers, arrays.positions[order], cell), frac[order]
            shift = np.floor(frac - there + 0.5 - 1e-6)
    if not shift.any():
        return arrays
    return AtomArrays(arrays.numbers, arrays.positions - shift @ cell, cell)


def _farthest(fractional: np.ndarray, cell: np.ndarray) -> float:
    return float(np.linalg.norm(fractional @ cell, axis=1).max())


def _paired(frac: np.ndarray, there: np.ndarray, numbers: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """int [N]: which of the atoms at `frac` belongs to each of those at `there`: same species, least squares of the
    distances over lattice translations."""
    from scipy.optimize import linear_sum_assignment

    order = np.arange(len(numbers))
    for number in np.unique(numbers):
        rows = np.flatnonzero(numbers == number)
        apart = there[rows][:, None, :] - frac[rows][None, :, :]
        apart -= np.round(apart)
        _, column = linear_sum_assignment(np.sum((apart @ cell) ** 2, axis=-1).round(6))
        order[rows] = rows[column]
    return order


def _name(family: str, chosen: Mapping[str, Any], like: Built | None) -> str:
    from motifdesk.topologies import families

    known = {p.name: p for p in families()[family].parameters}
    changed = [k for k, v in chosen.items() if like is not None and like.parameters.get(k) != v]
    if not changed:
        word = chosen.get("word")
        return f"Build {title(family)}" + (f" {word}" if word else "")
    told = []
    for key in changed[:2]:
        value = chosen[key]
        unit = {"A": " Å", "degrees": "°"}.get(known[key].unit, "")
        text = f"{value:.3f}".rstrip("0").rstrip(".") + unit if isinstance(value, float) else str(value) or "none"
        told.append(f"{key.replace('_', ' ')} {text}")
    more = f" and {len(changed) - 2} more" if len(changed) > 2 else ""
    return f"{title(family)}: {', '.join(told)}{more}"


def left_with(state: State) -> bool:
    """Whether a design that comes from a family has been changed otherwise since."""
    return state.built is not None and not state.built.holds(state.arrays)
