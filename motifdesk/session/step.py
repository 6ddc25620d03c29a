"""One named step of a design and its JSON: what a session file and the shelf of a long history both hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from motifdesk.session.member import Built
from motifdesk.session.state import (
    PATTERNS,
    SCOPES,
    SYMMETRIES,
    Latent,
    Reference,
    Selection,
    State,
    frozen_mapping,
)
from motifdesk.structures.arrays import AtomArrays


@dataclass(frozen=True)
class Edit:
    """One named step: what was done, with everything needed to do it again.

    ``kind``: "open", "distort", "strain", "drag", "decode", "substitute", "delete_sites", "add_site", "set_structure",
    "symmetrize", "supercell", "slab", "morph", "build", "along" or "relax";
    ``parameters`` are JSON-able; ``parent`` is the history node it was applied to (None for "open"); ``versions``
    name the software and weights that made it.
    """

    name: str
    kind: str
    parameters: Mapping[str, Any] = field(default_factory=frozen_mapping)
    parent: int | None = None
    seed: int = 0
    versions: Mapping[str, str] = field(default_factory=frozen_mapping)


def arrays_to_json(arrays: AtomArrays) -> dict[str, Any]:
    """Plain lists; ``json`` writes floats so that they read back bit for bit."""
    return {
        "numbers": arrays.numbers.tolist(),
        "positions": arrays.positions.tolist(),
        "cell": None if arrays.cell is None else arrays.cell.tolist(),
    }


def arrays_from_json(data: Mapping[str, Any]) -> AtomArrays:
    """The arrays, checked for shape and finite numbers."""
    numbers = np.array(data["numbers"], dtype=np.int64)
    positions = np.array(data["positions"], dtype=np.float64)
    cell = None if data["cell"] is None else np.array(data["cell"], dtype=np.float64)
    if numbers.ndim != 1 or not len(numbers) or positions.shape != (len(numbers), 3):
        raise ValueError("atoms and positions do not match")
    if not np.isfinite(positions).all() or (cell is not None and (cell.shape != (3, 3) or not np.isfinite(cell).all())):
        raise ValueError("positions or cell are not finite numbers")
    if numbers.min() < 1 or numbers.max() > 118:
        raise ValueError("there are no such elements")
    return AtomArrays(numbers, positions, cell)


def latent_to_json(latent: Latent) -> dict[str, Any]:
    """Without the codes: they are computed from the structure and would triple the size of a file."""
    return {
        "xy": latent.xy,
        "target_xy": latent.target_xy,
        "residual": latent.residual,
        "converged": latent.converged,
        "source": latent.source,
        "composition": latent.composition,
        "predictions": dict(latent.predictions),
        "stale": latent.stale,
    }


def latent_from_json(
    data: Mapping[str, Any], root: np.ndarray | None = None, target_root: np.ndarray | None = None
) -> Latent:
    """The latent, with the codes where they are known."""

    def pair(value: Any) -> tuple[float, float] | None:
        return None if value is None else (float(value[0]), float(value[1]))

    return Latent(
        root=root,
        xy=pair(data["xy"]),
        target_xy=pair(data["target_xy"]),
        residual=None if data["residual"] is None else float(data["residual"]),
        converged=data["converged"],
        source=data["source"],
        composition=data["composition"],
        predictions=frozen_mapping({str(k): float(v) for k, v in data["predictions"].items()}),
        stale=bool(data["stale"]),
        target_root=target_root,
    )


def step_to_json(edit: Edit, state: State) -> dict[str, Any]:
    """A step without its place in the tree."""
    return {
        "edit": {
            "name": edit.name,
            "kind": edit.kind,
            "parameters": dict(edit.parameters),
            "seed": edit.seed,
            "versions": dict(edit.versions),
        },
        "selection": {
            "motif": state.selection.motif,
            "scope": state.selection.scope,
            "atoms": list(state.selection.atoms),
            "pattern": state.selection.pattern,
            "symmetry": state.selection.symmetry,
        },
        "base": state.base,
        "amplitudes": dict(state.amplitudes),
        "achieved": dict(state.achieved),
        "cost": list(state.cost),
        "notes": list(state.notes),
        "latent": latent_to_json(state.latent),
        "arrays": arrays_to_json(state.arrays),
    }


def edit_from_json(raw: Mapping[str, Any], parent: int | None) -> Edit:
    """The edit of a step."""
    return Edit(
        str(raw["name"]),
        str(raw["kind"]),
        frozen_mapping(raw["parameters"]),
        parent,
        int(raw["seed"]),
        frozen_mapping({str(k): str(v) for k, v in raw["versions"].items()}),
    )


def selection_from_json(pick: Mapping[str, Any]) -> Selection:
    """The pick, its words checked."""
    # files written before there were patterns have none
    words = pick["scope"], pick.get("pattern", "uniform"), pick.get("symmetry", "free")
    for word, known in zip(words, (SCOPES, PATTERNS, SYMMETRIES), strict=True):
        if word not in known:
            raise ValueError(f"unknown word {word!r} in a selection")
    motif = None if pick["motif"] is None else int(pick["motif"])
    return Selection(motif, words[0], tuple(int(a) for a in pick["atoms"]), *words[1:])


def state_from_json(
    data: Mapping[str, Any],
    number: int,
    edit: Edit,
    arrays: AtomArrays,
    reference: Reference,
    latent: Latent,
    built: Built | None,
) -> State:
    """The state of node ``number`` from the JSON of its step and what belongs to other steps too."""
    return State(
        arrays=arrays,
        reference=reference,
        selection=selection_from_json(data["selection"]),
        amplitudes=frozen_mapping({str(k): float(v) for k, v in data["amplitudes"].items()}),
        base=int(data["base"]),
        latent=latent,
        node=number,
        label=edit.name,
        achieved=frozen_mapping({str(k): float(v) for k, v in data["achieved"].items()}),
        cost=tuple(float(c) for c in data["cost"]),
        keep=edit.parameters.get("keep", "free") if edit.kind == "distort" else "free",
        notes=tuple(str(n) for n in data["notes"]),
        built=built,
    )
