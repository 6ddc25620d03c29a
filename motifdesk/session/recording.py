"""A session as a JSON file: the source, every edit with its parameters, and every resulting structure at full
precision.

The file is readable without MotifDesk and is never executed. Loading trusts the stored structures (fast, exact);
:func:`replay` computes them again from the recipe and compares.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from motifdesk.session.history import Edit, History, Node
from motifdesk.session.member import Built, recognised
from motifdesk.session.path_workers import supercell_template
from motifdesk.session.services import base_versions
from motifdesk.session.site_workers import template_after
from motifdesk.session.slab_worker import slab_template
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
from motifdesk.session.workers import plain_dict, structure_from_dict
from motifdesk.structures.arrays import AtomArrays, from_arrays
from motifdesk.structures.errors import MotifDeskError, SessionError
from motifdesk.structures.write import replace_file

FORMAT = "motifdesk-session"
SCHEMA = 1
KINDS = (
    "open",
    "distort",
    "strain",
    "move_sites",
    "substitute",
    "delete_sites",
    "add_site",
    "set_structure",
    "symmetrize",
    "supercell",
    "slab",
    "morph",
    "build",
    "relax",
    "drag",
    "decode",
    "along",
)
_REMEDY = "use a file written by Session.save; an intact earlier copy may lie beside it"


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


def _latent_to_json(latent: Latent) -> dict[str, Any]:
    # the root is left out: it is computed from the structure and would triple the size of the file
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


def _latent_from_json(data: Mapping[str, Any]) -> Latent:
    def pair(value: Any) -> tuple[float, float] | None:
        return None if value is None else (float(value[0]), float(value[1]))

    return Latent(
        root=None,
        xy=pair(data["xy"]),
        target_xy=pair(data["target_xy"]),
        residual=None if data["residual"] is None else float(data["residual"]),
        converged=data["converged"],
        source=data["source"],
        composition=data["composition"],
        predictions=frozen_mapping({str(k): float(v) for k, v in data["predictions"].items()}),
        stale=bool(data["stale"]),
    )


def _node_to_json(node: Node, title: str | None) -> dict[str, Any]:
    state, edit = node.state, node.edit
    return {
        "id": node.id,
        "parent": node.parent,
        "forward": node.forward,
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
        "latent": _latent_to_json(state.latent),
        "arrays": arrays_to_json(state.arrays),
        **({} if title is None else {"title": title}),
    }


def to_json(name: str, identity: str, history: History) -> dict[str, Any]:
    """The whole session as JSON types."""
    nodes = [_node_to_json(node, history.names.get(node.id)) for node in history]
    return {**_head(name, identity, history), "nodes": nodes}


def _head(name: str, identity: str, history: History) -> dict[str, Any]:
    first = history[0].state
    return {
        "format": FORMAT,
        "schema": SCHEMA,
        "id": identity,
        "name": name,
        "saved": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": dict(base_versions()),
        "current": history.current,
        "source": plain_dict(first.structure),
    }


def text_of(name: str, identity: str, history: History) -> Iterator[bytes]:
    """The session's file in pieces, a node at a time: ten thousand steps are neither held twice in memory nor written
    in one breath that other threads would have to wait for."""
    yield _dumped(_head(name, identity, history))[:-1] + b', "nodes": ['
    for k, node in enumerate(history):
        yield (b",\n" if k else b"\n") + _dumped(_node_to_json(node, history.names.get(node.id)))
    yield b"\n]}"


def _dumped(data: Mapping[str, Any]) -> bytes:
    return json.dumps(data, allow_nan=False, ensure_ascii=False).encode("utf-8")


def _template(edit: Edit, parent: State, arrays: AtomArrays) -> Any:
    """The pymatgen object that carries labels and site properties for a node, rebuilt from its recipe."""
    if edit.kind == "set_structure":
        return structure_from_dict(edit.parameters["structure"])
    if edit.kind == "supercell":
        return supercell_template(parent, edit.parameters, arrays)
    if edit.kind == "slab":
        return slab_template(parent, edit.parameters, arrays)
    if edit.kind in ("delete_sites", "add_site"):
        return template_after(edit.kind, edit.parameters, parent)
    template = parent.reference.template
    if edit.kind in ("decode", "build", "along") or len(template) != len(arrays):
        return from_arrays(arrays)
    return template


def _built(edit: Edit, arrays: AtomArrays, template: Any, states: Mapping[int, State]) -> Built | None:
    """The member that a design read from a file comes from."""
    if edit.kind == "build":
        recipe = edit.parameters["parameters"]
        return Built(
            str(edit.parameters["family"]),
            frozen_mapping({str(k): v for k, v in recipe.items()}),
            arrays,
            bool(edit.parameters.get("neutral", True)),
        )
    if edit.parent is None or edit.kind == "set_structure":
        return recognised(template, arrays)
    return None if edit.kind == "decode" else states[edit.parent].built


def _node_from_json(data: Mapping[str, Any], states: Mapping[int, State], source: Any) -> Node:
    number, parent = int(data["id"]), data["parent"]
    raw = data["edit"]
    edit = Edit(
        str(raw["name"]),
        str(raw["kind"]),
        frozen_mapping(raw["parameters"]),
        parent,
        int(raw["seed"]),
        frozen_mapping({str(k): str(v) for k, v in raw["versions"].items()}),
    )
    if edit.kind not in KINDS or (edit.kind == "open") != (parent is None):
        raise ValueError(f"node {number} is of unknown kind {edit.kind!r}")
    arrays = arrays_from_json(data["arrays"])
    base = int(data["base"])
    if edit.kind == "distort":
        reference = states[parent].reference
        if len(arrays.numbers) != len(reference.arrays.numbers) or base != states[parent].base:
            raise ValueError(f"node {number} does not fit its base")
    else:
        template = source if parent is None else _template(edit, states[parent], arrays)
        reference = Reference(arrays, template)
        if base != number:
            raise ValueError(f"node {number} does not fit its base")
    pick = data["selection"]
    # files written before there were patterns have none
    words = pick["scope"], pick.get("pattern", "uniform"), pick.get("symmetry", "free")
    for word, known in zip(words, (SCOPES, PATTERNS, SYMMETRIES), strict=True):
        if word not in known:
            raise ValueError(f"unknown word {word!r} in a selection")
    state = State(
        arrays=arrays,
        reference=reference,
        selection=Selection(
            None if pick["motif"] is None else int(pick["motif"]),
            words[0],
            tuple(int(a) for a in pick["atoms"]),
            *words[1:],
        ),
        amplitudes=frozen_mapping({str(k): float(v) for k, v in data["amplitudes"].items()}),
        base=base,
        latent=_latent_from_json(data["latent"]),
        node=number,
        label=edit.name,
        achieved=frozen_mapping({str(k): float(v) for k, v in data["achieved"].items()}),
        cost=tuple(float(c) for c in data["cost"]),
        keep=edit.parameters.get("keep", "free") if edit.kind == "distort" else "free",
        notes=tuple(str(n) for n in data["notes"]),
        built=_built(edit, arrays, reference.template, states),
    )
    return Node(number, parent, edit, state, (), data["forward"])


def from_json(data: Any, where: str) -> tuple[str, str, History]:
    """(name, id, history) of a session, or one SessionError."""
    if not isinstance(data, Mapping) or data.get("format") != FORMAT:
        raise SessionError("not a MotifDesk session", where=where, remedy="use a file written by Session.save")
    if data.get("schema") != SCHEMA:
        made = data["versions"].get("motifdesk") if isinstance(data.get("versions"), Mapping) else None
        raise SessionError(
            f"session schema {data.get('schema')!r} of motifdesk {made or 'unknown'}; this one reads schema {SCHEMA}",
            where=where,
            remedy="open it with the version that wrote it",
        )
    try:
        source = structure_from_dict(data["source"])
        nodes: dict[int, Node] = {}
        states: dict[int, State] = {}
        for raw in data["nodes"]:
            node = _node_from_json(raw, states, source)
            if node.id != len(nodes):
                raise ValueError(f"node {node.id} is out of order")
            nodes[node.id], states[node.id] = node, node.state
        for node in list(nodes.values()):
            if node.parent is not None:
                above = nodes[node.parent]
                nodes[above.id] = replace(above, children=(*above.children, node.id))
        for node in nodes.values():
            if node.forward is not None and node.forward not in node.children:
                raise ValueError(f"node {node.id} leads to {node.forward!r}")
        names = {int(n["id"]): clean_name(n["title"]) for n in data["nodes"] if n.get("title")}
        history = History(frozen_mapping(nodes), int(data["current"]), frozen_mapping(names))
        history[history.current]
        return str(data["name"]), str(data["id"]), history
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        said = error.what if isinstance(error, MotifDeskError) else f"{type(error).__name__}: {error}"
        raise SessionError(f"the session is damaged ({said})", where=where, remedy=_REMEDY) from None


def clean_name(name: Any) -> str:
    """What a step may be called: one line of at most 80 characters; "" for none."""
    return " ".join(str(name).split())[:80]


def write_session(
    name: str, identity: str, history: History, path: str | os.PathLike[str], overwrite: bool = False
) -> Path:
    """Write atomically. An existing file is replaced only when it holds the same session, or with ``overwrite``."""
    path = Path(path)
    if path.exists() and not overwrite and not holds(path, identity):
        raise SessionError(
            "the file exists and is not this session", where=path, remedy="choose another name, or overwrite=True"
        )
    try:
        replace_file(path, text_of(name, identity, history))
    except (TypeError, ValueError) as error:
        raise SessionError(f"the session cannot be written as JSON ({error})", where=path) from None
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise SessionError(
            f"cannot be written ({error.strerror})",
            where=path,
            remedy="make room on the disk" if full else "choose a folder that exists and may be written to",
        ) from None
    return path


def holds(path: Path, identity: str) -> bool:
    """Whether the file says that it is this session."""
    try:
        with path.open(encoding="utf-8") as stream:
            head = stream.read(400)
    except (OSError, UnicodeDecodeError):
        return False
    return f'"format": "{FORMAT}"' in head and f'"id": {json.dumps(identity)}' in head


def read_json(path: str | os.PathLike[str]) -> Any:
    """The JSON of a file, or one SessionError."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SessionError("no such file", where=path, remedy="check the path") from None
    except UnicodeDecodeError:
        raise SessionError("not a text file", where=path, remedy="use a file written by Session.save") from None
    except OSError as error:
        raise SessionError(f"cannot be read ({error.strerror})", where=path, remedy="check the path") from None
    if not text.strip():
        raise SessionError("the file is empty", where=path, remedy=_REMEDY)

    def refuse(token: str) -> Any:
        raise ValueError(f"{token} is not a number")

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError:
        raise SessionError("nested too deeply to be a session", where=path, remedy=_REMEDY) from None
    except ValueError as error:
        said = getattr(error, "msg", error)
        place = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise SessionError(f"not JSON, or cut off ({said}{place})", where=path, remedy=_REMEDY) from None
