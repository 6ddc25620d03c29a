"""The picture and the card of a motif graph: valid, safe, deterministic, readable from 1 to many motifs."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from pymatgen.core import Lattice, Molecule, Structure

from motifdesk.motifs import find_motifs
from motifdesk.motifs.hierarchy.drawing import layout
from motifdesk.structures import read
from motifdesk.structures.errors import MotifDeskError

SVG = "{http://www.w3.org/2000/svg}"


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def words(svg: str) -> list[str]:
    return [x.text or "" for x in parsed(svg).iter(f"{SVG}text")]


def numbers(svg: str) -> list[float]:
    return [float(x) for x in re.findall(r"(?<![\w#.])-?\d+\.\d+", svg)]


GRAPHS = {
    "argon": lambda: find_motifs(Structure(Lattice.cubic(60.0), ["Ar"], [[0.1, 0.2, 0.3]])),
    "rutile": lambda: find_motifs(read("rutile-TiO2.cif")),
    "perovskite": lambda: find_motifs(read("CaTiO3.cif")),
    "beryl": lambda: find_motifs(read("beryl.cif", cell="primitive")),
    "hybrid": lambda: find_motifs(read("Zn-oxalate-dihydrate.cif", cell="primitive")),
    "benzene": lambda: find_motifs(read("benzene.xyz")),
}


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", GRAPHS)
def test_picture_is_an_accessible_svg_inside_its_frame(name, theme):
    graph = GRAPHS[name]()
    svg = graph.picture(width=480, theme=theme)
    root = parsed(svg)
    assert root.tag == f"{SVG}svg" and root.get("role") == "img"
    assert root.find(f"{SVG}title").text == repr(graph) and root.find(f"{SVG}desc").text
    _, _, width, height = map(float, root.get("viewBox").split())
    assert width == 480 and 120 < height < 480
    for text in root.iter(f"{SVG}text"):
        assert 0 <= float(text.get("x")) <= width and 0 <= float(text.get("y")) <= height
    assert np.isfinite(numbers(svg)).all() and "nan" not in svg.lower().replace("nanum", "")
    assert svg == GRAPHS[name]().picture(width=480, theme=theme)


def test_lines_and_numbers_are_the_shared_ligands():
    graph = find_motifs(read("rutile-TiO2.cif"))
    single = words(graph.picture())
    assert single.count("TiO\u2086") == 2 and single.count("2") == 2 and "8" in single
    assert "corner shared" in single and "edge shared" in single and "face shared" not in single
    orbits = words(graph.picture(nodes="orbits"))
    assert orbits.count("TiO\u2086") == 1 and {"2", "8"} <= set(orbits)
    sharing = graph.sharing(0)
    assert sharing["edge", "Ti"] == 2 and sharing["corner", "Ti"] == 8


def test_images_are_marked_and_faces_are_told():
    graph = find_motifs(read("SrTiO3.cif"))
    svg = graph.picture()
    assert "stroke-dasharray" in svg and "to another cell" in words(svg) and "face shared" in words(svg)


def test_many_motifs_are_drawn_as_orbits_and_up_to_sixty_one_by_one():
    big = find_motifs(read("SrTiO3.cif") * (2, 2, 2))
    assert len(big.motifs) == 16
    assert sum(w.startswith("\u00d7") for w in words(big.picture())) <= 4
    every = big.picture(nodes="motifs", width=900)
    assert words(every).count("TiO\u2086") == 8
    with pytest.raises(MotifDeskError, match="more than a picture holds"):
        find_motifs(read("rutile-TiO2.cif") * (2, 4, 4)).picture(nodes="motifs")


def test_nodes_stand_apart():
    rng = np.random.default_rng(0)
    for n in (2, 5, 12, 30, 60):
        edges = {(int(a), int(b)): 1.0 for a, b in rng.integers(0, n, (2 * n, 2))}
        x = layout(n, edges, 1.6)
        assert x.shape == (n, 2) and x.min() >= 0 and x.max() <= 1
        gap = np.linalg.norm((x[:, None] - x[None]) * [1.6, 1.0], axis=2) + 9 * np.eye(n)
        assert gap.min() > 0.35 / np.sqrt(n)
        assert np.array_equal(x, layout(n, edges, 1.6))


@pytest.mark.parametrize("bad", [{"theme": "pink"}, {"width": 3}, {"width": float("nan")}, {"nodes": "all"}])
def test_bad_requests_are_refused(bad):
    with pytest.raises(MotifDeskError, match="graph.picture|choose"):
        find_motifs(read("SrTiO3.cif")).picture(**bad)


def test_text_of_a_structure_cannot_become_markup():
    graph = find_motifs(read("SrTiO3.cif"))
    evil = "<script>alert(1)</script>\"'&"
    for motif in graph.motifs:
        object.__setattr__(motif, "formula", evil)
        object.__setattr__(motif, "shape", evil)
    object.__setattr__(graph, "notes", (evil,))
    for unit in graph.units:
        object.__setattr__(unit, "name", evil)
    for text in (graph.picture(), graph._repr_html_()):
        assert "<script" not in text and "alert(1)" in text
    parsed(graph.picture())


def test_card_has_levels_orbits_units_and_the_picture():
    card = find_motifs(read("beta-Li2IrO3.cif", cell="primitive"))._repr_html_()
    for piece in ("Li2IrO3", "ths, three-periodic", "framework of edge-sharing IrO6 octahedra", "<svg", "octahedron"):
        assert piece in card
    assert card.count("<table>") == 2 and card.count("<svg") == 1
    water = find_motifs(Molecule(["O", "H", "H"], [[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]]))
    assert "OH2" in water._repr_html_()
