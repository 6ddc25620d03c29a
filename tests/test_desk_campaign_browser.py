"""A campaign on the desk with mouse and keyboard: points, table, stars, a candidate as an edit, its files."""

from __future__ import annotations

import numpy as np
import pytest

from motifdesk.screening import Candidate, Energy, Store, Verdict
from motifdesk.structures import corpus
from tests.browser import lab as browser

reason = browser.missing()
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(reason is not None, reason=reason or ""),
    pytest.mark.timeout(420),
]

COUNT = 600


def fill(path) -> None:
    """Candidates that are known crystals, with places near those of the map and energies made up."""
    known, rng = corpus("mp_20"), np.random.default_rng(1)
    from motifdesk.atlas import load_atlas

    places = load_atlas().xy
    with Store(path) as store:
        made = []
        for k in range(COUNT):
            arrays = known[int(rng.integers(len(known)))]
            passed = k % 4 != 3
            why = (Verdict("composition", passed, "no balance of known oxidation states"),)
            energy = Energy("chgnet-0.3.0", float(-4 - 3 * rng.random()), True, 0.05, 20, float(rng.gamma(1.5, 0.08)))
            x, y = places[rng.integers(len(places))] + rng.normal(scale=0.1, size=2)
            figures = {"spacegroup": int(rng.integers(2, 230)), "density": 4.0, "novel": True}
            figures = {**figures, "x": float(x), "y": float(y)} if passed else {"spacegroup": 1}
            generator = ("density", "substitution", "modes")[k % 3]
            recipe = {"kind": generator, "step": k}
            energy = energy if passed else None
            made.append(Candidate(generator, 0, k, recipe, arrays, None, why, energy, figures=figures))
        store.put(made)
        store.remember("campaign", {"name": "iridates"})


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """A desk with map and campaign."""
    path = tmp_path_factory.mktemp("campaign") / "iridates.sqlite"
    fill(path)
    cell = f"""import motifdesk as md
desk = md.Desk("rutile-TiO2.cif")
desk.show_campaign({str(path)!r})
desk"""
    with browser.desk(cell) as lab:
        browser.poll(lambda: (lab.map() or {}).get("points", 0) > 1000, "the map", 150)
        lab.page.locator(".md-tabs button", has_text="Candidates").click()
        yield lab


def rows(lab):
    return lab.page.locator(".md-camp-table tbody tr")


def text(lab) -> str:
    return lab.page.locator(".md-camp-count").inner_text()


def test_the_table_shows_the_best_first_and_the_map_its_points(story):
    browser.poll(lambda: rows(story).count() == 40, "forty rows", 20)
    assert f"iridates: {COUNT} of {COUNT} candidates" in text(story)
    above = [float(v) for v in story.page.locator(".md-camp-table tbody td:nth-child(6)").all_inner_texts()]
    assert above == sorted(above)
    count = "() => globalThis.motifdesk.latest.map.gd.data.at(-1).x.length"
    assert browser.poll(lambda: story.page.evaluate(count) == 450, "points of all that passed", 20)


def test_heads_sort_and_words_search(story):
    story.page.locator(".md-camp-table th button", has_text="Atoms").click()
    head = story.page.locator('.md-camp-table th[data-key="natoms"]')
    browser.poll(lambda: head.get_attribute("aria-sort") == "ascending", "sorted by atoms", 20)
    story.page.locator(".md-camp-table th button", has_text="Above hull").click()
    field = story.page.get_by_label("Search the candidates")
    field.fill("O hull<0.08 unique")
    field.press("Enter")
    browser.poll(lambda: f"of {COUNT}" in text(story) and f"{COUNT} of" not in text(story), "fewer rows", 20)
    assert all("O" in f for f in story.page.locator(".md-camp-table tbody b").all_inner_texts())
    field.fill("wonder")
    field.press("Enter")
    note = story.page.locator(".md-camp-note")
    browser.poll(lambda: "no word of a search" in note.inner_text(), "the word named", 20)
    field.fill("")
    field.press("Enter")
    browser.poll(lambda: f"{COUNT} of {COUNT}" in text(story), "all again", 20)


def test_keys_move_star_and_open_and_undo_brings_the_design_back(story):
    before = story.value("desk.session.state.formula")
    rows(story).first.focus()
    story.page.keyboard.press("ArrowDown")
    story.page.keyboard.press("s")
    star = rows(story).nth(1).locator(".md-camp-star")
    browser.poll(lambda: star.get_attribute("aria-pressed") == "true", "a star", 20)
    focused = "() => document.activeElement?.closest('tr')?.rowIndex"
    browser.poll(lambda: story.page.evaluate(focused) == 2, "the second row still under the keys", 10)
    story.page.keyboard.press("Enter")
    edit = "desk.session.history[desk.session.history.current].edit"
    browser.poll(lambda: story.value(f"{edit}.kind") == "set_structure", "the candidate on the desk", 30)
    about = story.value(f"dict({edit}.parameters['structure']['properties']['motifdesk'])")
    assert about["source"].count("/") == 2 and about["recipe"]["step"] >= 0
    note = story.page.locator(".md-camp-note")
    browser.poll(lambda: "is on the desk" in note.inner_text(), "a word that it is there", 20)
    story.python("desk.session.undo()")
    assert story.value("desk.session.state.formula") == before


def test_starred_candidates_are_written_from_the_page(story):
    folder = story.folder / "mine"
    story.page.get_by_label("Folder for the starred candidates").fill(str(folder))
    story.page.get_by_label("Write the starred candidates to this folder").click()
    browser.poll(lambda: (folder / "table.csv").is_file(), "the files", 30)
    assert len(list(folder.glob("*.cif"))) == 1


def test_the_map_is_coloured_by_what_is_chosen_and_a_lasso_is_the_table(story):
    story.page.get_by_label("Colour the candidates on the map by").select_option("generator")
    chips = story.page.locator(".md-camp-chip")
    browser.poll(lambda: chips.count() == 3, "three generators in the legend", 20)
    story.python("import numpy as np; desk.candidates._take(np.arange(12))")
    browser.poll(lambda: "12 of" in text(story) and "in the lasso" in text(story), "the lasso's candidates", 20)
    story.python("desk.candidates.search('')")
    story.page.get_by_label("Colour the candidates on the map by").select_option("above_hull")


def test_pages_turn_and_the_campaign_goes_and_comes(story):
    story.page.get_by_label("Next page (Page Down)").click()
    browser.poll(lambda: "2 / 15" in story.page.locator(".md-camp-pager").last.inner_text(), "the second page", 20)
    path = story.value("str(desk.candidates.listing.store.path)")
    story.page.get_by_label("Take the campaign off the desk").click()
    field = story.page.get_by_label("Store of a campaign to show, a .sqlite file")
    browser.poll(field.is_visible, "the way to open one", 20)
    field.fill(path + ".none")
    field.press("Enter")
    wrong = story.page.locator(".md-camp-empty .md-wrong")
    browser.poll(lambda: "no such store" in wrong.inner_text(), "the refusal", 20)
    field.fill(path)
    field.press("Enter")
    browser.poll(lambda: f"{COUNT} of {COUNT}" in text(story), "the campaign again", 20)
    assert story.console == []
