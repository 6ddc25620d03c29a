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
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from motifdesk.session.history import History
from motifdesk.session.member import Built, recognised
from motifdesk.session.path_workers import supercell_template
from motifdesk.session.services import base_versions
from motifdesk.session.site_workers import template_after
from motifdesk.session.slab_worker import slab_template
from motifdesk.session.state import Reference, State, frozen_mapping
from motifdesk.session.step import (
    Edit,
    arrays_from_json,
    edit_from_json,
    latent_from_json,
    state_from_json,
    step_to_json,
)
from motifdesk.session.ties import ties_from_json, ties_to_json
from motifdesk.session.tree import Node, Nodes
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


def _place(node: Node, title: str | None) -> dict[str, Any]:
    named = {} if title is None else {"title": title}
    return {"id": node.id, "parent": node.parent, "forward": node.forward, **named}


def to_json(name: str, identity: str, history: History) -> dict[str, Any]:
    """The whole session as JSON types."""
    nodes = [{**_place(node, history.names.get(node.id)), **step_to_json(node.edit, node.state)} for node in history]
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
        **({"ties": ties_to_json(history.ties)} if history.ties else {}),
    }


def text_of(name: str, identity: str, history: History) -> Iterator[bytes]:
    """The session's file in pieces, a few hundred nodes at a time: ten thousand steps are neither held twice in memory
    nor written in one breath that other threads would have to wait for. A step is put into words once (see
    :mod:`motifdesk.session.shelf`), however often the session is saved."""
    yield _dumped(_head(name, identity, history))[:-1] + b', "nodes": ['
    for texts in history.nodes.texts():
        parts = []
        for k, text in texts:
            place = _dumped(_place(history[k], history.names.get(k)))
            parts += [b",\n" if k else b"\n", place[:-1], b", ", text[1:]]
        yield b"".join(parts)
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


def _built(edit: Edit, arrays: AtomArrays, template: Any, above: State | None) -> Built | None:
    """The member that a design read from a file comes from."""
    if edit.kind == "build":
        recipe = edit.parameters["parameters"]
        return Built(
            str(edit.parameters["family"]),
            frozen_mapping({str(k): v for k, v in recipe.items()}),
            arrays,
            bool(edit.parameters.get("neutral", True)),
        )
    if above is None or edit.kind == "set_structure":
        return recognised(template, arrays)
    return None if edit.kind == "decode" else above.built


def _added(nodes: Nodes, data: Mapping[str, Any], source: Any) -> Nodes:
    """``nodes`` with the step ``data`` after them, checked."""
    number, parent = int(data["id"]), data["parent"]
    if number != len(nodes):
        raise ValueError(f"node {number} is out of order")
    edit = edit_from_json(data["edit"], parent)
    if edit.kind not in KINDS or (edit.kind == "open") != (parent is None):
        raise ValueError(f"node {number} is of unknown kind {edit.kind!r}")
    arrays = arrays_from_json(data["arrays"])
    above = None if parent is None else nodes[parent].state
    if edit.kind == "distort":
        assert above is not None
        reference = above.reference
        fits = len(arrays.numbers) == len(reference.arrays.numbers) and int(data["base"]) == above.base
    else:
        template = source if above is None else _template(edit, above, arrays)
        reference, fits = Reference(arrays, template), int(data["base"]) == number
    if not fits:
        raise ValueError(f"node {number} does not fit its base")
    latent = latent_from_json(data["latent"])
    built = _built(edit, arrays, reference.template, above)
    state = state_from_json(data, number, edit, arrays, reference, latent, built)
    return nodes.added(Node(number, parent, edit, state))


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
        nodes = Nodes()
        for raw in data["nodes"]:
            nodes = _added(nodes, raw, source)
        nodes = nodes.leading({int(raw["id"]): raw["forward"] for raw in data["nodes"]})
        names = {int(n["id"]): clean_name(n["title"]) for n in data["nodes"] if n.get("title")}
        ties = frozen_mapping(ties_from_json(data.get("ties"), nodes))
        history = History(nodes, int(data["current"]), frozen_mapping(names), ties)
        history = history.moved(history[history.current].id)
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
