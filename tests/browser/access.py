"""What somebody who sees little, or uses no mouse, meets on a desk: checks over the page as the browser computes it.

Names and roles are those of Chromium's own accessibility tree; colours are the computed ones, laid over each other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

ROOT = ".motifdesk"
ROLES = frozenset(
    "alert alertdialog application article button cell checkbox columnheader combobox dialog figure form grid gridcell"
    " group heading img link list listbox listitem log menu menubar menuitem meter none note option presentation"
    " progressbar radio radiogroup region row rowgroup rowheader scrollbar search searchbox separator slider spinbutton"
    " status switch tab table tablist tabpanel textbox timer toolbar tooltip tree treeitem".split()
)


_SCRIPT = (Path(__file__).parent / "access.js").read_text(encoding="utf-8")


def _ask(page: Any, what: str, *values: Any) -> Any:
    return page.evaluate(f"(values) => {_SCRIPT.strip()}.{what}(...values)", list(values))


def markup(page: Any, root: str = ROOT) -> list[str]:
    """What is wrong with roles, ids, references, pictures and lists under `root`."""
    return _ask(page, "markup", root, sorted(ROLES))


def nameless(page: Any, root: str = ROOT, least: int = 20) -> list[str]:
    """Focusable or operable nodes to which the browser's accessibility tree gives no name."""
    client = page.context.new_cdp_session(page)
    try:
        client.send("DOM.enable")
        client.send("Accessibility.enable")
        document = client.send("DOM.getDocument", {"depth": 0})
        node = client.send("DOM.querySelector", {"nodeId": document["root"]["nodeId"], "selector": root})["nodeId"]
        nodes = client.send("Accessibility.queryAXTree", {"nodeId": node})["nodes"]
        found = []
        for entry in nodes:
            if entry.get("ignored"):
                continue
            properties = {p["name"]: p["value"].get("value") for p in entry.get("properties", [])}
            role = entry.get("role", {}).get("value", "")
            if (properties.get("focusable") or role in ("radiogroup", "listbox", "dialog", "image", "img")) and not (
                entry.get("name", {}).get("value") or ""
            ).strip():
                html = client.send("DOM.getOuterHTML", {"backendNodeId": entry["backendDOMNodeId"]})["outerHTML"]
                if role in ("image", "img") and 'alt=""' in html:
                    continue  # said by its neighbours
                if role == "row":
                    continue  # said cell by cell
                found.append(f"{role}: {html[:140]}")
        assert len(nodes) > least, "the accessibility tree holds the desk"
        return found
    finally:
        client.detach()


def faint(page: Any, root: str = ROOT) -> list[str]:
    """Texts with less contrast than 4.5:1 (3:1 where large) to what lies behind; disabled and stale ones may."""
    found = _ask(page, "contrast", root)
    assert found["checked"] > 5, "there is text to check"
    return found["wrong"]


def walk(page: Any, root: str = ROOT, most: int = 250) -> tuple[list[dict[str, Any]], list[str]]:
    """Tab through everything from the first control on: the stops in order, and the controls that were not reached."""
    page.evaluate(
        """(root) => [...document.querySelectorAll(`${root} :is(button, input, select)`)]
             .find((n) => n.getClientRects().length && !n.disabled && n.tabIndex >= 0).focus()""",
        root,
    )
    stops = []
    for _ in range(most):
        here = _ask(page, "place", root)
        if here is None:
            break
        stops.append(here)
        page.keyboard.press("Tab")
    return stops, _ask(page, "unreached", root)


def cut_off(page: Any, root: str = ROOT) -> list[str]:
    """What does not fit into its box across (an ellipsis whose title tells the rest may), or makes the page scroll."""
    return _ask(page, "cut", root)
