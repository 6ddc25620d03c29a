"""Pieces of the design on the stage: whole molecules, one molecule, a motif with its neighbours, a slab.

The design stays whole, picks stay picks of it, and what another design does not have gives way to whole cells.
"""

import numpy as np
import pytest

import motifdesk as md
from motifdesk.desk import scene
from motifdesk.desk.pieces import Piece, choose


def drawn(page) -> tuple[dict, np.ndarray]:
    """The scene and where its visible atoms are."""
    shown, arrays = page.out.scene, page.session.state.arrays
    everything = scene.points(shown, arrays.positions, arrays.cell)
    return shown, everything[np.array(shown["radius"]) > 0]


def bond_lengths(page) -> np.ndarray:
    shown, arrays = page.out.scene, page.session.state.arrays
    everything = scene.points(shown, arrays.positions, arrays.cell)
    pairs = np.array(shown["bonds"]).reshape(-1, 2)
    return np.linalg.norm(everything[pairs[:, 0]] - everything[pairs[:, 1]], axis=1)


def test_molecules_are_drawn_whole_and_the_design_stays(opened):
    page = opened("Mn-formate.cif")
    before = page.session.state
    page.send("piece", kind="molecules")
    shown, _ = drawn(page)
    assert page.session.state is before and page.out.view["piece"]["kind"] == "molecules"
    assert shown["site"][: shown["count"]] == list(range(shown["count"])), "the first are the sites, for picks"
    arrays, graph = before.arrays, before.graph
    everything = scene.points(shown, arrays.positions, arrays.cell)
    formates = [f for f in graph.fragments() if f.name == "formate"]
    assert formates
    for fragment in formates:
        sites = list(fragment.sites)
        spread = np.linalg.norm(everything[sites][:, None] - everything[sites][None], axis=-1)
        assert spread.max() < 2.4, "carbon, oxygens and hydrogen side by side, not a cell apart"


def test_one_molecule_alone_hides_the_rest_and_its_box(opened):
    page = opened("Mn-formate.cif")
    graph = page.session.state.graph
    fragment = next(f for f in graph.fragments() if f.name == "formate")
    page.session.select(atoms=[fragment.sites[0]])
    page.send("piece", kind="molecule")
    shown, points = drawn(page)
    assert len(points) == len(fragment.atoms) and shown["frame"] == []
    assert "one formate" in page.out.view["words"]
    page.send("piece", kind="cells")
    assert len(drawn(page)[1]) > 30 and page.out.scene["frame"] is None


def test_a_motif_is_seen_with_the_motifs_it_shares_ligands_with(opened):
    page = opened("rutile-TiO2.cif")
    motif = page.session.state.graph.motifs[0]
    page.send("piece", kind="motif")
    assert "nothing is picked" in page.desk.messages[-1] and page.out.view["piece"]["kind"] == "cells"
    page.session.select(motif=motif.index, scope="motif")
    page.send("piece", kind="motif")
    shown, _ = drawn(page)
    # rutile: two octahedra over edges, eight over corners
    assert len(shown["polyhedra"]) == 11 and page.out.view["words"] == "TiO6 with the 10 motifs around it"
    assert sum(p["centre"] == motif.centre for p in shown["polyhedra"]) == 1


def test_a_slab_is_seen_before_it_is_made(opened):
    page = opened("rutile-TiO2.cif")
    page.send("piece", kind="slab", hkl="1 1 0", layers=2, vacuum=10)
    shown, points = drawn(page)
    arrays = page.session.state.arrays
    spacing = page.session.state.structure.lattice.d_hkl((1, 1, 0))
    normal = np.array(shown["frame"][9:]) @ arrays.cell
    normal /= np.linalg.norm(normal)
    assert np.ptp(points @ normal) < 2 * spacing and page.out.view["words"] == f"(1 1 0) slab, 2 × {spacing:.2f} Å"
    for p in shown["polyhedra"]:  # none reaches out of the slab
        assert len(p["members"]) == 7
    assert 1.8 < bond_lengths(page).min() and bond_lengths(page).max() < 2.2
    assert page.edits() == ["open"]
    page.send("slab", hkl="1 1 0", layers=2, vacuum=10)
    assert page.edits() == ["open", "slab"] and len(page.session.state.arrays.numbers) == 12
    assert page.out.view["piece"]["kind"] == "cells"


def test_a_motion_moves_the_piece_in_place(opened):
    page = opened("rutile-TiO2.cif")
    page.send("piece", kind="slab", hkl="1 1 0", layers=2, vacuum=10)
    loaded = page.out.scene["id"]
    page.session.strain(volume=1.02)
    page.session.move_sites([2], [0.0, 0.0, 0.1])
    assert page.out.view["piece"]["kind"] == "slab"
    shown = page.out.scene
    image = np.array(shown["image"]).reshape(-1, 3)
    assert len({(s, *i) for s, i in zip(shown["site"], image.tolist(), strict=True)}) == len(shown["site"])
    assert loaded <= shown["id"]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"kind": "slab", "hkl": "0 0 0"}, "Miller"),
        ({"kind": "slab", "hkl": "1 0 0", "layers": None}, "layers"),
        ({"kind": "slab", "hkl": "1 0 0", "layers": 2, "vacuum": None}, "vacuum"),
        ({"kind": "molecules"}, "no molecules"),
        ({"kind": "<img>"}, "no view"),
    ],
)
def test_what_cannot_be_drawn_is_one_sentence_and_the_view_stays(opened, message, words):
    page = opened("rutile-TiO2.cif")
    page.send("piece", **message)
    assert words in page.desk.messages[-1] and page.out.view["piece"]["kind"] == "cells"


def test_another_design_without_such_a_piece_is_drawn_in_cells(opened):
    page = opened("Mn-formate.cif")
    page.send("piece", kind="molecules")
    page.session.set_structure(md.read("Si.cif"))
    assert page.out.view["piece"]["kind"] == "cells" and len(page.out.scene["site"]) >= 8
    page.session.undo()
    assert len(page.out.scene["site"]) >= 36


def test_a_piece_draws_no_image_twice():
    session = md.Session("Mn-formate.cif", codec=None, atlas=None)
    state = session.state
    for kind in ("molecules", "slab"):
        chosen = choose(Piece(kind, hkl=(1, 0, 1)), state.arrays, state.graph, (2, 1, 1))
        for images in chosen.images:
            assert len(set(images)) == len(images) > 0


def test_what_was_wrong_with_a_view_is_forgotten_when_one_is_shown(opened, rutile):
    page = opened(rutile)
    page.send("piece", kind="slab", hkl="0 0 0", layers=3, vacuum=15)
    assert "Miller" in page.desk.messages[-1]
    page.desk._report("another matter")
    page.send("piece", kind="slab", hkl="1 1 0", layers=3, vacuum=15)
    assert page.desk.messages == ("another matter",) and page.out.view["piece"]["kind"] == "slab"
