"""Files dropped on a desk, chosen in the file picker and pasted: structures become one step of the history, everything
else one clear message with nothing lost and nothing executed.

The files are dropped as the operating system does it, through the browser's own drag events.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

import motifdesk as md
from tests.browser import access
from tests.browser import lab as browser

reason = browser.missing()
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(reason is not None, reason=reason or ""),
    pytest.mark.timeout(420),
]

CELL = """import motifdesk as md
desk = md.Desk(md.read("BaTiO3-orthorhombic.cif", cell="primitive"), codec=None, atlas=None)
desk.session.strain(volume=1.02)
desk"""
EXAMPLES = Path(md.__file__).parent / "data" / "examples"
HIT = "globalThis.motifdeskHit = true"
NASTY = f'<img src=x onerror="{HIT}"><script>{HIT}<\\/script>'


@pytest.fixture(scope="module")
def page():
    """A desk of two steps without codec and map: opening files needs neither."""
    with browser.desk(CELL) as lab:
        lab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        browser.poll(lambda: lab.value("len(desk.session.history)") == 2, "the second step", 20)
        yield lab


def drop(lab, *files: Path) -> None:
    """Drop files of this machine on the structure."""
    client = lab.page.context.new_cdp_session(lab.page)
    box = lab.page.locator(".md-stage").bounding_box()
    at = {"x": box["x"] + 0.4 * box["width"], "y": box["y"] + 0.4 * box["height"]}
    data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        client.send("Input.dispatchDragEvent", {"type": kind, **at, "data": data})
        if kind == "dragOver":
            lab.page.locator(".md-frame.md-drop").wait_for()  # it says that it takes files
    client.detach()


def document(lab) -> dict:
    """The whole document as a file would hold it."""
    saved = lab.value(
        "to_json(desk.session.name, desk.session.identity, desk.session.history)",
        "from motifdesk.session.recording import to_json",
    )
    return {k: v for k, v in saved.items() if k != "saved"}


def said(lab) -> list[str]:
    return lab.page.locator(".md-message span").all_inner_texts()


def dismiss(lab) -> None:
    while count := len(said(lab)):
        lab.page.locator(".md-message .md-dismiss").first.click()
        browser.poll(lambda n=count: len(said(lab)) < n, "the message to go", 10)


def names(lab) -> list[str]:
    return lab.value("[n.edit.name for n in desk.session.history]")


def assert_stage_shows_session(lab) -> None:
    target = np.array(lab.value("desk.session.state.arrays.positions.tolist()"))

    def same() -> bool:
        drawn = np.array(lab.stage()["atoms"])[: len(target)]
        return drawn.shape == target.shape and bool(np.abs(drawn - target).max() < 1e-3)

    browser.poll(same, "the stage to show the session", 30)


def test_a_dropped_file_is_one_step_that_undo_takes_back(page):
    before = document(page)
    drop(page, EXAMPLES / "beta-Li2IrO3.cif")
    browser.poll(lambda: names(page)[-1] == "Open beta-Li2IrO3.cif", "the file as a step", 30)
    assert page.value("len(desk.session.state.arrays.numbers)") == len(md.read("beta-Li2IrO3.cif"))
    assert_stage_shows_session(page)
    assert said(page) == []
    page.page.locator(".md-undo").click()
    browser.poll(lambda: page.value("desk.session.history.current") == 1, "the undo", 20)
    assert_stage_shows_session(page)
    kept = document(page)["nodes"][:2]
    assert [n["arrays"] for n in kept] == [n["arrays"] for n in before["nodes"]]


def cut_session(folder: Path, name: str, change) -> Path:
    session = md.Session("BaTiO3-orthorhombic.cif", codec=None, atlas=None)
    session.strain(volume=1.03)
    whole = session.save(folder / "whole.json", overwrite=True).read_text()
    file = folder / name
    file.write_text(change(whole))
    return file


def big(folder: Path) -> Path:
    """20,000 atoms in a cube."""
    file = folder / "big.cif"
    count, side = 20_000, 28
    axes = "".join(f"_cell_length_{a} 66\n" for a in "abc")
    angles = "".join(f"_cell_angle_{a} 90\n" for a in ("alpha", "beta", "gamma"))
    tags = "".join(f"_atom_site_{t}\n" for t in ("label", "type_symbol", "fract_x", "fract_y", "fract_z"))
    rows = "".join(
        f"Si{k} Si {k % side / side:.5f} {k // side % side / side:.5f} {k // side**2 / 26:.5f}\n" for k in range(count)
    )
    file.write_text(f"data_big\n{axes}{angles}_symmetry_space_group_name_H-M 'P 1'\nloop_\n{tags}{rows}")
    return file


def text(name: str, content: str):
    def write(folder: Path) -> Path:
        file = folder / name
        file.write_text(content)
        return file

    return write


BAD = {
    "prose": (text("notes.txt", "a letter"), "suffix '.txt' is not known"),
    "prose called CIF": (text("letter.cif", "Dear reader,\nno atoms here."), "no atoms"),
    "an empty file": (text("empty.cif", ""), "the file is empty"),
    "an image": (lambda folder: _image(folder), "suffix '.png' is not known"),
    "20,000 atoms": (big, "20,000 atoms are more than the 5,000"),
    "a folder": (lambda folder: _folder(folder), "not a folder"),
    "a session cut off": (lambda f: cut_session(f, "cut.json", lambda t: t[: len(t) // 2]), "not JSON, or cut off"),
    "a session of another version": (
        lambda f: cut_session(f, "newer.json", lambda t: t.replace('"schema": 1', '"schema": 7')),
        "session schema 7",
    ),
    "a damaged session": (
        lambda f: cut_session(f, "damaged.json", lambda t: t.replace('"numbers": [', '"numbers": [8, ', 1)),
        "the session is damaged",
    ),
    "JSON of something else": (text("list.json", "[1, 2, 3]"), "list.json"),
}


def _image(folder: Path) -> Path:
    file = folder / "picture.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    return file


def _folder(folder: Path) -> Path:
    (folder / "inside").mkdir()
    return folder / "inside"


@pytest.mark.parametrize("what", list(BAD))
def test_what_is_no_structure_is_one_message_and_nothing_is_lost(page, tmp_path, what):
    dismiss(page)
    make, words = BAD[what]
    file = make(tmp_path)
    before, address = document(page), page.page.url
    drop(page, file)
    [message] = browser.poll(lambda: said(page), f"a message about {what}", 60)
    assert words in message and str(tmp_path) not in message
    # the desk answers, and shows the design it had
    page.page.locator(".md-canvas").focus()
    page.page.keyboard.press("n")
    browser.poll(lambda: page.value("desk.session.state.selection.motif") is not None, "a pick", 20)
    page.page.keyboard.press("Escape")
    browser.poll(lambda: page.value("desk.session.state.selection.motif") is None, "no pick", 20)
    assert document(page) == before and page.page.url == address
    assert_stage_shows_session(page)
    assert access.faint(page.page, ".md-frame") == []
    dismiss(page)


def test_a_saved_session_gives_its_design_and_says_where_its_history_is(page, tmp_path):
    whole = cut_session(tmp_path, "same.json", lambda t: t)
    drop(page, whole)
    browser.poll(lambda: names(page)[-1] == "Open same.json", "the session's design", 30)
    design = md.Session.load(whole, codec=None, atlas=None).state.arrays.positions
    np.testing.assert_allclose(page.value("desk.session.state.arrays.positions.tolist()"), design, atol=1e-9)
    [message] = browser.poll(lambda: said(page), "a word about the history", 20)
    assert "Session.load" in message and "2 steps" in message
    dismiss(page)


def test_markup_in_names_is_shown_as_text_and_never_run(page, tmp_path):
    cif = (EXAMPLES / "BaTiO3-orthorhombic.cif").read_text()
    title = f"_chemical_name_common '{NASTY}'\n_chemical_formula_structural '{NASTY}'\n"
    file = tmp_path / '<img src=x onerror="globalThis.motifdeskHit=true">.cif'
    file.write_text(cif.replace("\n", "\n" + title, 1).replace("data_", f"data_{NASTY.replace(' ', '')}", 1))
    drop(page, file)
    browser.poll(lambda: names(page)[-1].startswith("Open <img"), "the step", 30)
    shown = browser.poll(lambda: page.page.locator(".md-step[aria-current]").inner_text(), "its name", 10)
    assert "<img src=x onerror=" in shown
    # labels of sites and properties of a pymatgen file go to the stage, its tooltips and read-outs
    design = md.read("BaTiO3-orthorhombic.cif").as_dict()
    for site in design["sites"]:
        site["label"] = NASTY
        site["properties"] = {NASTY: NASTY}
    design["properties"] = {"name": NASTY}
    labelled = tmp_path / "labelled.json"
    labelled.write_text(json.dumps(design))
    drop(page, labelled)
    browser.poll(lambda: names(page)[-1] == "Open labelled.json", "the step", 30)
    for key in ("n", "]", "]"):
        page.page.locator(".md-canvas").press(key)
    # a name at fault comes back in a message
    wrong = tmp_path / "<script>globalThis.motifdeskHit=true<!--.cif"
    wrong.write_text("nothing")
    drop(page, wrong)
    [message] = browser.poll(lambda: said(page), "the message", 20)
    assert "<script>" in message
    for tab in page.page.locator("[aria-label='What is read out'] button").all():
        tab.click()
    page.page.locator("[aria-label='What is read out'] button").first.click()
    assert page.page.evaluate("() => globalThis.motifdeskHit") is None
    assert page.page.locator(".motifdesk :is(img[src=x], script)").count() == 0
    dismiss(page)


def chosen_by_key(page):
    """The dialog that Enter on the button opens; a busy page may take the focus away between the two."""
    from playwright.sync_api import TimeoutError

    for patience in (8_000, 8_000, 30_000):
        page.page.locator(".md-open").focus()
        try:
            with page.page.expect_file_chooser(timeout=patience) as chooser:
                page.page.keyboard.press("Enter")
            return chooser.value
        except TimeoutError:
            continue
    raise AssertionError("no dialog for files")


def test_a_file_is_chosen_and_pasted_with_the_keyboard_alone(page):
    chosen_by_key(page).set_files(EXAMPLES / "beta-Li2IrO3.cif")
    browser.poll(lambda: names(page)[-1] == "Open beta-Li2IrO3.cif", "the chosen file", 30)
    spoken = page.page.locator(".md-open-tools .md-said")
    browser.poll(lambda: "is open" in spoken.inner_text(), "a word for those who listen", 20)
    water = "3\nwater\nO 0 0 0.12\nH 0 0.76 -0.48\nH 0 -0.76 -0.48\n"
    page.page.evaluate("(text) => navigator.clipboard.writeText(text)", water)
    page.page.locator(".md-canvas").focus()
    page.page.keyboard.press("Control+v")
    browser.poll(lambda: names(page)[-1] == "Open pasted.xyz", "the pasted molecule", 30)
    assert page.value("desk.session.state.formula") == "H2O"
    before = document(page)
    page.page.evaluate("() => navigator.clipboard.writeText('an address, https://example.org')")
    page.page.locator(".md-canvas").focus()
    page.page.keyboard.press("Control+v")
    [message] = browser.poll(lambda: said(page), "a message", 20)
    assert "no structure" in message and document(page) == before
    dismiss(page)
    assert page.page.locator(".jp-Notebook .jp-Cell").count() == 1, "nothing was pasted into the notebook"


def test_an_export_over_a_file_that_is_there_asks_and_replace_allows_it(page):
    page.python("desk.session.goto(0)")
    page.page.locator(".md-export select").select_option("cif")
    mine = page.folder / "mine.cif"
    mine.write_text("somebody's own")
    page.page.locator(".md-export .md-text").fill("mine.cif")
    before = document(page)
    page.page.locator(".md-export .md-primary").click()
    answer = page.page.locator(".md-export .md-result")
    browser.poll(lambda: "exists" in answer.inner_text() and "replace" in answer.inner_text(), "the question", 20)
    assert mine.read_text() == "somebody's own" and document(page) == before
    page.page.locator(".md-export input[type=checkbox]").focus()
    page.page.keyboard.press("Space")
    page.page.locator(".md-export .md-primary").press("Enter")
    browser.poll(lambda: "Written" in answer.inner_text(), "the file replaced", 20)
    assert len(md.read(mine)) == page.value("len(desk.session.state.arrays.numbers)")


def test_nothing_was_asked_of_the_network_and_no_error_said(page):
    target = os.environ.get("MOTIFDESK_BAD_INPUT_SCREENSHOT")
    if target:
        page.page.screenshot(path=target)
    assert page.foreign == []
    assert page.console == []
