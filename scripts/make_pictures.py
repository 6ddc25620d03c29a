"""Take the pictures of the desk for README, guide and notebooks, from a real JupyterLab: docs/images/NAME.png.

python scripts/make_pictures.py [NAME ...]     without a name: all

Look at what it made before it is committed.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from tests.browser import lab as browser

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
CELL = """import motifdesk as md
desk = md.Desk(md.read("beta-Li2IrO3.cif", cell="primitive"))
desk"""
_OCTAHEDRON = "m = next(m for m in desk.session.state.graph.motifs if m.formula == 'IrO6')"
SHOTS: dict[str, Callable[[Any], None]] = {}


def shot(take: Callable[[Any], None]) -> Callable[[Any], None]:
    """Register a picture by its function's name; what the function leaves on the page is taken."""
    SHOTS[take.__name__] = take
    return take


@shot
def desk(lab: Any) -> None:
    """The whole desk: an octahedron picked, its Jahn-Teller slider pulled."""
    lab.python(f"{_OCTAHEDRON}; desk.session.select(m, scope='orbit')")
    lab.python("desk.session.distort({desk.session.state.modes[1]: 0.2})")


@shot
def families(lab: Any) -> None:
    """The page of families."""
    lab.page.locator(".md-side button", has_text="Families").first.click()


@shot
def modes(lab: Any) -> None:
    """The design as modes and strain of its start."""
    desk(lab)
    _tab(lab, "Modes")


@shot
def sites(lab: Any) -> None:
    """Sites picked by words; one moved."""
    lab.python("desk.session.move_sites(desk.session.find_sites('Li')[0], [0, 0, 0.4])")
    lab.python("desk.select('Li z>0.5')")
    _tab(lab, "Sites")


@shot
def energy(lab: Any) -> None:
    """A relaxation with the bundled potential, and its curve."""
    lab.python("desk.session.strain(volume=1.06)")
    _tab(lab, "Energy")
    lab.python("desk.relax(calculator='distilled', fmax=0.05, steps=60)")


@shot
def path(lab: Any) -> None:
    """The way over the map to the layered polymorph, a third of it gone."""
    _tab(lab, "Path")
    lab.python("desk.show_path('start', 'alpha-Li2IrO3.cif', n=11); desk.settle(120)", timeout=150)
    lab.python("desk.session.along('start', 'alpha-Li2IrO3.cif', 0.3, n=11)", timeout=150)


@shot
def compare(lab: Any) -> None:
    """Two branches side by side."""
    desk(lab)
    lab.python("a = desk.session.state.node; desk.session.goto(0); desk.session.strain(volume=1.04)")
    lab.python("desk.compare(a, desk.session.state.node)")


@shot
def dark(lab: Any) -> None:
    """The dark theme, with the powder pattern."""
    _theme(lab, "JupyterLab Dark")
    desk(lab)
    _tab(lab, "XRD")


@shot
def narrow(lab: Any) -> None:
    """A notebook beside another window."""
    lab.command("application:toggle-left-area")
    lab.page.set_viewport_size({"width": 700, "height": 2300})
    desk(lab)


def _theme(lab: Any, name: str) -> None:
    lab.page.evaluate("(t) => { globalThis.jupyterapp.commands.execute('apputils:change-theme', { theme: t }); }", name)
    shown = "() => document.body.getAttribute('data-jp-theme-name')"
    browser.poll(lambda: lab.page.evaluate(shown) == name, "the theme", 30)


def _tab(lab: Any, name: str) -> None:
    lab.page.locator(".md-strip button[role=radio]", has_text=name).first.click()


def _quiet(lab: Any) -> None:
    """Until nothing of the desk works in the background and nothing is grey."""
    lab.python("desk.settle(120)", timeout=150)
    browser.poll(lambda: not lab.page.locator(".md-all-stale").count(), "read-outs of the design as it is", 60)
    time.sleep(1.5)  # the last frame of software GL


def _take(lab: Any, name: str) -> None:
    data = lab.page.locator(".md-frame").screenshot()
    picture = Image.open(io.BytesIO(data)).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    target = IMAGES / f"{name}.png"
    picture.save(target, optimize=True)
    print(f"{target.name}: {picture.size[0]} x {picture.size[1]}, {target.stat().st_size // 1024} kB", flush=True)


def main(names: list[str]) -> None:
    unknown = set(names) - set(SHOTS)
    if unknown:
        sys.exit(f"no picture {', '.join(sorted(unknown))}; there are {', '.join(SHOTS)}")
    reason = browser.missing()
    if reason is not None:
        sys.exit(reason)
    IMAGES.mkdir(exist_ok=True)
    for name in names or list(SHOTS):
        with browser.desk(CELL) as lab:
            browser.poll(lambda lab=lab: (lab.map() or {}).get("overlay", {}).get("landed"), "the map", 120)
            SHOTS[name](lab)
            _quiet(lab)
            _take(lab, name)


if __name__ == "__main__":
    main(sys.argv[1:])
