"""The two wires between a desk and its page, and the panels that show them.

`Output` is written by Python only and `Input` by JavaScript only. ipykernel 7 delivers a comm's messages to the shell
that last
*published* on it: a widget written from both sides is pulled to the main thread by any cell that sets a trait, and the
interface freezes for as long as that cell is busy.
"""

from __future__ import annotations

import threading
import uuid
from functools import cache
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import traitlets
from ipywidgets.widgets.widget_link import DirectionalLink, Link

_HERE = Path(__file__).parent
_MODULES = (
    "core.js",
    "widgets.js",
    "readouts.js",
    "scene.js",
    "stage.js",
    "tools.js",
    "missing.js",
    "pieces.js",
    "map.js",
    "finds.js",
    "changes.js",
    "energy.js",
    "diffraction.js",
    "mappath.js",
    "maplasso.js",
    "campaign.js",
    "edits.js",
    "sites.js",
    "hand.js",
    "handles.js",
    "drawing.js",
    "compare.js",
    "history.js",
    "life.js",
    "panels.js",
    "families.js",
    "open.js",
    "keys.js",
    "bridge.js",
)
_STYLES = (
    "desk.css",
    "families.css",
    "mappath.css",
    "life.css",
    "home.css",
    "energy.css",
    "campaign.css",
    "sites.css",
    "pieces.css",
)
_SMALL = """export default {
  async render(context) {
    while (!globalThis.motifdesk?.render) await new Promise((r) => setTimeout(r, 30));
    await globalThis.motifdesk.render(context);
  },
};"""
_NONE = "export default {};"


@cache
def script() -> str:
    """The bridge's JavaScript, one module (anywidget has no relative imports)."""
    return "\n".join((_HERE / name).read_text(encoding="utf-8") for name in _MODULES)


@cache
def style() -> str:
    """The desk's style sheet."""
    return "\n".join((_HERE / name).read_text(encoding="utf-8") for name in _STYLES)


class Input(anywidget.AnyWidget):
    """From the page to Python: custom messages, in order. Python never sets a trait of it."""

    _esm = _NONE
    primed = traitlets.Int(0).tag(sync=True)


class Output(anywidget.AnyWidget):
    """From Python to the page. Set its traits through :meth:`publish` alone, from any thread."""

    _esm = traitlets.Unicode("").tag(sync=True)
    _css = traitlets.Unicode("").tag(sync=True)
    key = traitlets.Unicode("").tag(sync=True)
    own_id = traitlets.Unicode("").tag(sync=True)
    input_id = traitlets.Unicode("").tag(sync=True)
    viewer_id = traitlets.Unicode("").tag(sync=True)
    figure_id = traitlets.Unicode("").tag(sync=True)

    scene = traitlets.Dict().tag(sync=True)
    positions = traitlets.Bytes(b"").tag(sync=True)
    frame = traitlets.Int(0).tag(sync=True)
    highlight = traitlets.Dict().tag(sync=True)
    flagged: traitlets.List[Any] = traitlets.List().tag(sync=True)
    fit = traitlets.Int(0).tag(sync=True)
    tools = traitlets.Dict().tag(sync=True)
    shifts = traitlets.Bytes(b"").tag(sync=True)
    shoot = traitlets.Dict().tag(sync=True)
    ack = traitlets.Int(0).tag(sync=True)

    overlay = traitlets.Dict().tag(sync=True)
    manifold = traitlets.Dict().tag(sync=True)
    latentpath = traitlets.Dict().tag(sync=True)
    map_ready = traitlets.Bool(False).tag(sync=True)

    header = traitlets.Dict().tag(sync=True)
    view = traitlets.Dict().tag(sync=True)
    finds = traitlets.Dict().tag(sync=True)
    card = traitlets.Dict().tag(sync=True)
    mapbar = traitlets.Dict().tag(sync=True)
    handles = traitlets.Dict().tag(sync=True)
    outlook = traitlets.Dict().tag(sync=True)
    edits = traitlets.Dict().tag(sync=True)
    readouts = traitlets.Dict().tag(sync=True)
    net = traitlets.Dict().tag(sync=True)
    changes = traitlets.Dict().tag(sync=True)
    sites = traitlets.Dict().tag(sync=True)
    gallery: traitlets.List[Any] = traitlets.List().tag(sync=True)
    family = traitlets.Dict().tag(sync=True)
    family_error = traitlets.Dict().tag(sync=True)
    members = traitlets.Dict().tag(sync=True)
    stale = traitlets.Bool(False).tag(sync=True)
    history = traitlets.Dict().tag(sync=True)
    kept = traitlets.Dict().tag(sync=True)
    compare = traitlets.Dict().tag(sync=True)
    cameras: traitlets.List[Any] = traitlets.List().tag(sync=True)
    export = traitlets.Dict().tag(sync=True)
    download = traitlets.Dict().tag(sync=True)
    opening = traitlets.Dict().tag(sync=True)
    energy = traitlets.Dict().tag(sync=True)
    diffraction = traitlets.Dict().tag(sync=True)
    missing = traitlets.Dict().tag(sync=True)
    candidates = traitlets.Dict().tag(sync=True)
    messages: traitlets.List[Any] = traitlets.List().tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        # traitlets' hold_sync keeps its state on the widget: two threads inside it would send each other's halves
        self._gate = threading.RLock()
        name = uuid.uuid4().hex
        super().__init__(_esm=script(), _css=style(), model_id=name, own_id=name, **traits)

    def publish(self, **traits: Any) -> None:
        """Set these traits together: one message, from whichever thread."""
        with self._gate:
            if self.comm is None:  # closed
                return
            with self.hold_sync():
                for name, value in traits.items():
                    setattr(self, name, value)

    def send_state(self, key: Any = None) -> None:
        """As ipywidgets'; a page that asks for everything anew gets nothing older than what was published since."""
        with self._gate:
            super().send_state(key)

    @property
    def gate(self) -> threading.RLock:
        """Held while something is published; hold it to read the session and publish what was read as one step."""
        return self._gate


class Panel(anywidget.AnyWidget):
    """One part of the desk's chrome, drawn in the page from Output's traits."""

    _esm = _SMALL
    kind = traitlets.Unicode("").tag(sync=True)
    key = traitlets.Unicode("").tag(sync=True)


def owned(*roots: Any) -> list[ipywidgets.Widget]:
    """`roots` and every widget they hold (children, layouts, styles, nglview's player), each once.

    ipywidgets keeps every open widget in a registry: a desk that closed only its visible ones would leak dozens.
    """
    found: dict[int, Any] = {}
    waiting = list(roots)
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, list | tuple):
            waiting += thing
        elif isinstance(thing, dict):
            waiting += thing.values()
        elif isinstance(thing, ipywidgets.Widget) or type(thing).__module__.startswith("nglview"):
            # nglview's colour registry is one for all its widgets
            if id(thing) not in found and type(thing).__name__ != "_ColormakerRegistry":
                found[id(thing)] = thing
                waiting += [*vars(thing).values(), *getattr(thing, "_trait_values", {}).values()]
    # nglview links its player's sliders and keeps no hold of the links: only ipywidgets' own registry knows them
    for widget in list(getattr(ipywidgets.widgets.widget, "_instances", {}).values()):
        if isinstance(widget, Link | DirectionalLink) and id(widget.source[0]) in found:
            found[id(widget)] = widget
    return [thing for thing in found.values() if isinstance(thing, ipywidgets.Widget)]
