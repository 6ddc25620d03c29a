"""Colourings, measuring, arrows, pictures and films of the structure pane, from the page's side."""

import io

import numpy as np
import pytest
from PIL import Image

import motifdesk as md
from motifdesk.desk.colouring import PLAIN
from motifdesk.desk.stagetools import displacements
from motifdesk.structures.errors import SessionError


def png(shade: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (24, 16), (shade, 40, 90)).save(out, "PNG")
    return out.getvalue()


def answer(page, *frames: bytes, **content):
    """The page sends what it was asked to draw."""
    page.sent += 1
    message = {"op": "shot", "n": page.sent, "id": page.out.shoot["id"], "kind": page.out.shoot["kind"], **content}
    page.desk._input._handle_custom_msg(message, list(frames))


def test_a_measurement_is_clicked_named_and_forgotten(opened, rutile):
    page = opened(rutile).send("measure", on=True)
    scene = page.out.scene
    for drawn in (0, 2):
        page.send("measure", site=scene["site"][drawn], image=scene["image"][3 * drawn : 3 * drawn + 3])
    tools = page.out.tools
    expected = md.Session(rutile, codec=None, atlas=None)
    from motifdesk.session.measuring import measure

    assert tools["figure"] == str(measure(expected.state, [(0, 0, 0, 0), (2, 0, 0, 0)]))
    page.send("measure", text="Ti0 O2 Ti1")
    assert tools != page.out.tools and "angle" in page.out.tools["figure"] and len(page.out.tools["points"]) == 3
    page.send("measure", text="Fe7")
    assert "Fe7" in page.out.tools["figure"] and len(page.out.tools["points"]) == 3, "an error keeps what was there"
    page.send("measure", clear=True)
    assert page.out.tools["points"] == [] and page.out.tools["measuring"]
    page.send("measure", on=False)
    assert not page.out.tools["measuring"] and page.desk.messages == ()


def test_measured_figure_follows_a_gesture(opened, rutile):
    page = opened(rutile)
    page.pick("TiO6", "orbit")
    ligand = page.session.state.graph.motifs[0].ligands[0]
    before = page.desk.measure(0, (ligand.site, *ligand.image)).value
    key = page.slider("off-centring along z")["key"]
    page.slide(key, 0.3).send("release", what="distort")
    shown = float(page.out.tools["figure"].split(": ")[1].split()[0])
    points, cell = page.shown()
    direct = np.linalg.norm(points[ligand.site] + np.array(ligand.image) @ cell - points[0])
    assert shown == pytest.approx(direct, abs=2e-3) and abs(shown - before) > 0.02


def test_arrows_are_the_displacements_since_the_start(opened, rutile):
    page = opened(rutile).send("arrows", on=True)
    assert page.out.tools["arrow_note"] == "nothing has moved"
    page.pick("TiO6")
    key = page.slider("off-centring along z")["key"]
    page.slide(key, 0.25)
    shifts = np.frombuffer(page.out.shifts, "<f4").reshape(-1, 3)
    start, now = page.session.history[0].state.arrays, page.session.state.arrays
    cell = np.asarray(now.cell)
    step = np.asarray(now.positions) @ np.linalg.inv(cell) - np.asarray(start.positions) @ np.linalg.inv(start.cell)
    moved = (step - np.rint(step)) @ cell
    assert np.abs((shifts - moved) - (shifts - moved)[0]).max() < 1e-5, "but for a common translation"
    assert np.linalg.norm(shifts, axis=1).max() > 0.05 and page.out.tools["scale"] > 1
    page.send("release", what="distort").send("undo")
    assert page.out.tools["arrow_note"] == "nothing has moved"
    page.send("arrows", on=False)
    assert page.out.shifts == b""


def test_a_common_drift_has_no_arrows(opened, rutile):
    page = opened(rutile)
    moved = rutile.copy()
    moved.translate_sites(range(len(moved)), [0.31, 0.2, -0.4], frac_coords=True, to_unit_cell=True)
    page.session.set_structure(moved)
    arrows, note = displacements(page.session.state, page.session)
    assert np.abs(arrows).max() < 1e-6 and note == "nothing has moved"


def test_colours_say_orbit_coordination_and_valence(opened):
    page = opened("beta-Li2IrO3.cif")
    species = page.out.scene["colour"]
    site = page.out.scene["site"]
    graph = page.session.state.graph
    for by in ("motif", "coordination", "valence"):
        page.send("colouring", by=by)
        colour, legend = page.out.scene["colour"], page.out.tools["legend"]
        assert (
            colour != species
            and len(legend) == {"motif": len({m.orbit for m in graph.motifs}), "coordination": 1, "valence": 3}[by]
        )
        used = {colour[site.index(m.centre)] for m in graph.motifs}
        assert PLAIN not in used, by
        if by == "motif":
            assert len(used) == len({m.orbit for m in graph.motifs})
    page.send("colouring", by="species")
    assert page.out.scene["colour"] == species and page.out.tools["legend"] == []
    with pytest.raises(SessionError, match="colouring"):
        page.desk.colour_by("taste")


def test_bond_valence_colours_follow_at_rest_and_not_while_dragging(opened, rutile):
    page = opened(rutile)
    page.pick("TiO6", "orbit")
    page.desk.colour_by("valence")
    before, number = page.out.scene["colour"], page.out.scene["id"]
    key = page.slider("off-centring along z")["key"]
    page.slide(key, 0.2, 0.5, 0.8)
    assert page.out.scene["id"] == number, "no scene is loaded anew under the pointer"
    page.send("release", what="distort")
    assert page.out.scene["id"] > number and page.out.scene["colour"] != before


def test_a_picture_is_written_once_the_page_has_drawn_it(opened, rutile, tmp_path):
    page = opened(rutile)
    target = tmp_path / "rutile.png"
    page.send("export", name=str(target), format="png")
    assert page.out.shoot["kind"] == "png" and not target.exists()
    answer(page, png(10))
    assert target.read_bytes() == png(10) and "Written" in page.out.export["text"]
    page.send("export", name=str(target), format="png")
    assert "exists already" in page.out.export["text"]
    page.send("download", name="a/b/rutile.png", format="png")
    answer(page, png(60))
    assert page.out.download["name"] == "rutile.png" and bytes(page.out.download["data"]) == png(60)
    page.send("export", name=str(target), format="png", overwrite=True)
    answer(page, error="context lost")
    assert "context lost" in page.out.export["text"] and target.read_bytes() == png(10)
    answer(page, png(1))  # comes a second time: nobody waits for it any more
    assert target.read_bytes() == png(10)


def test_a_film_runs_from_the_start_to_the_design(opened, rutile, tmp_path):
    page = opened(rutile)
    page.pick("TiO6", "orbit")
    page.slide(page.slider("off-centring along z")["key"], 0.4).send("release", what="distort")
    target = tmp_path / "film.gif"
    page.send("export", name=str(target), format="gif")
    request = page.out.shoot
    frames = np.frombuffer(request["frames"], "<f4").reshape(request["count"], -1, 3)
    start = np.vstack([page.session.history[0].state.arrays.positions, page.session.history[0].state.arrays.cell])
    now = np.vstack([page.session.state.arrays.positions, page.session.state.arrays.cell])
    assert np.abs(frames[0] - start).max() < 1e-4 and np.abs(frames[-1] - now).max() < 1e-4
    answer(page, *[png(10 * k) for k in range(request["count"])])
    with Image.open(target) as film:
        assert film.is_animated and film.n_frames == 2 * request["count"] - 2


def test_a_film_between_different_atoms_is_refused(opened, rutile, tmp_path):
    page = opened(rutile)
    page.session.set_structure(md.read("Si.cif"))
    page.send("export", name=str(tmp_path / "film.gif"), format="gif")
    assert "same atoms" in page.out.export["text"] and not page.out.shoot


def test_without_a_page_python_is_told(opened, rutile, tmp_path):
    page = opened(rutile)
    with pytest.raises(SessionError, match="no page answered"):
        page.desk.save_picture(tmp_path / "x.png", timeout=0.05)
    with pytest.raises(SessionError, match="frames"):
        page.desk.save_film(tmp_path / "x.gif", frames=1)
    with pytest.raises(SessionError, match="no such folder"):
        page.desk.save_picture(tmp_path / "nowhere" / "x.png")


def test_polyhedra_stay_shown_when_their_centre_becomes_another_element(opened):
    page = opened(md.read("beta-Li2IrO3.cif", cell="primitive"))

    def chips():
        return {k["name"]: k["shown"] for k in page.out.view["kinds"]}

    assert chips() == {"IrO6": True, "LiO6": False}
    page.session.substitute([k for k, z in enumerate(page.session.state.arrays.numbers) if z == 77], "Rh")
    assert chips() == {"RhO6": True, "LiO6": False}
    page.send("kind", kind="RhO6", shown=False).send("undo").send("kind", kind="IrO6", shown=False).send("redo")
    assert chips() == {"RhO6": False, "LiO6": False}, "what was hidden stays hidden"
