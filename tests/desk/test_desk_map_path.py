"""The path between two designs on the desk, without a browser: ends, slider, files, and that nothing stale is shown."""

import threading

import numpy as np
import pytest

from motifdesk.session import latent_paths
from motifdesk.structures.errors import SessionError


@pytest.fixture
def page(opened, codec, atlas):
    import motifdesk as md

    return opened(md.read("BaTiO3-tetragonal.cif", cell="primitive"), codec=codec, atlas=atlas).open_map()


def path(page) -> dict:
    return page.out.latentpath


def test_two_ends_make_a_path_a_slider_walks_it_and_its_release_is_one_step(page):
    page.send("path", look=True)
    assert path(page)["a"] == "0" and not path(page).get("line")
    page.send("path", count=11).send("path", end="b", which="BaTiO3-cubic.cif")
    assert page.desk.settle() and path(page)["state"] == "ready" and path(page)["at"] == 0.0
    assert len(path(page)["line"]) == len(path(page)["residuals"]) == 11
    landed = page.session.latent_path(0, "BaTiO3-cubic.cif", 11)
    np.testing.assert_allclose(path(page)["line"], page.session.atlas.project(landed.roots), atol=1e-4)
    for value in (0.1, 0.3, 0.5):
        page.send("along", key="along", value=value)
    assert page.session.state.preview and page.shows(page.session.state)
    np.testing.assert_allclose(page.session.state.arrays.positions, landed.arrays[5].positions, atol=1e-9)
    page.send("along", end="release")
    assert page.edits() == ["open", "along"] and path(page)["at"] == 0.5
    page.send("along", key="along", value=0.2).send("along", end="cancel")
    assert page.edits() == ["open", "along"] and not page.session.state.preview
    page.send("along", key="along", value=0.5).send("along", end="release")
    assert page.edits() == ["open", "along"], "where it is already is no step"
    page.send("undo")
    assert path(page)["at"] == 0.0
    assert page.session.replay().exact


def test_a_point_of_the_map_is_an_end_and_ends_change_places(page, atlas):
    index = int(np.flatnonzero(atlas.columns["formula"] == "SrTiO3")[0])
    page.send("path", count=11).send("path", end="b", which=f"known:{index}")
    assert page.desk.settle() and path(page)["state"] == "ready"
    assert path(page)["exchange"] == 5 and "exchanged" in path(page)["note"]
    assert [f"known:{index}", f"SrTiO3 ({atlas.columns['id'][index]})"] in path(page)["choices"]
    line = path(page)["line"]
    page.send("path", swap=True)
    assert page.desk.settle() and path(page)["a"] == f"known:{index}" and path(page)["at"] == 1.0
    np.testing.assert_allclose(path(page)["line"][0], line[-1], atol=0.05)


def test_nothing_of_a_path_is_shown_before_it_is_decoded_nor_after_its_ends_changed(page, monkeypatch):
    entered, opened = threading.Event(), threading.Event()
    walk = latent_paths._Walker.walk

    def slow(self, *args, **options):
        entered.set()
        assert opened.wait(30)
        return walk(self, *args, **options)

    monkeypatch.setattr(latent_paths._Walker, "walk", slow)
    page.send("path", count=11).send("path", end="b", which="SrTiO3.cif")
    assert entered.wait(30)
    state = page.session.state
    assert path(page)["state"] == "decoding" and path(page)["line"] == []
    page.send("along", key="along", value=0.5)
    assert page.session.state is state, "a path that is being decoded has nothing to show"
    page.send("path", end="b", which="BaTiO3-cubic.cif")  # overtakes
    opened.set()
    assert page.desk.settle()
    assert path(page)["state"] == "ready" and path(page)["exchange"] is None
    assert path(page)["b"].endswith("BaTiO3-cubic.cif") and page.desk.messages == ()


def test_decoding_is_given_up_when_asked(page, monkeypatch):
    entered, opened = threading.Event(), threading.Event()
    walk = latent_paths._Walker.walk

    def slow(self, *args, **options):
        entered.set()
        assert opened.wait(30)
        return walk(self, *args, **options)

    monkeypatch.setattr(latent_paths._Walker, "walk", slow)
    page.send("path", end="b", which="KCuF3.cif")
    assert entered.wait(30)
    page.send("path", stop=True)
    opened.set()
    assert page.desk.settle() and path(page)["state"] == "none" and "Cancelled" in path(page)["error"]


def test_images_are_written_and_a_bad_end_is_said_in_place(page, tmp_path):
    page.send("path", folder=str(tmp_path / "a"), format="poscar")
    assert page.desk.settle() and path(page)["level"] == "bad" and "no path yet" in path(page)["text"]
    page.send("path", count=11).send("path", end="b", which="BaTiO3-cubic.cif")
    assert page.desk.settle()
    page.send("path", folder=str(tmp_path / "a"), format="poscar")
    assert page.desk.settle() and path(page)["level"] == "good"
    assert len(list((tmp_path / "a").glob("image-*.vasp"))) == 11
    page.send("path", folder=str(tmp_path / "a"), format="poscar")
    assert page.desk.settle() and "exists already" in path(page)["text"]
    line = path(page)["line"]
    page.send("path", end="b", which="<img onerror=x>.cif")
    assert "no such file" in page.desk.messages[-1] and path(page)["line"] == line, "the path is as it was"
    page.send("path", end="b", which="benzene.xyz")
    assert page.desk.settle() and "molecule" in path(page)["error"] and path(page)["line"] == []


def test_the_path_is_there_from_python_and_a_desk_may_be_closed_over_it(page):
    page.desk.show_path("design", "NaCl.cif", n=5, composition="keep")
    assert page.desk.settle() and path(page)["reaches"] is False and len(path(page)["line"]) == 5
    with pytest.raises(SessionError, match="unknown composition"):
        page.desk.show_path(0, 0, composition="none")
    page.send("along", key="along", value=0.5)
    page.desk.show_path(0, "SrTiO3.cif", n=41)
    page.desk.close()
