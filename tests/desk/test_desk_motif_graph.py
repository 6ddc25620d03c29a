"""The motif graph panel: worked out when it is looked at, redrawn when a handle is let go, never while one is held."""

import xml.etree.ElementTree as ET

import pytest
from pymatgen.core import Lattice, Structure

from motifdesk.desk.motifgraph import describe_net


def test_nothing_is_drawn_until_somebody_looks(opened, rutile):
    page = opened(rutile)
    assert page.desk.settle() and page.out.net == {}
    page.send("net", shown=True)
    assert page.desk.settle()
    net = page.out.net
    assert [name for name, _, _ in net["levels"]] == ["atoms", "motifs", "units", "net", "structure"]
    assert "TiO6" in net["levels"][1][1]
    for theme in ("light", "dark"):
        drawn = ET.fromstring(net["svg"][theme])
        assert drawn.tag.endswith("svg")
    assert net["svg"]["light"] != net["svg"]["dark"]


def test_it_follows_a_release_and_not_a_held_slider(opened, rutile):
    page = opened(rutile)
    page.pick("TiO6", "orbit")
    page.send("net", shown=True)
    assert page.desk.settle()
    first = page.out.net
    key = page.slider("off-centring along z")["key"]
    page.slide(key, 0.4, 1.2, 2.0)
    assert page.desk._net.settle() and page.out.net == first
    page.send("release", what="distort")
    assert page.desk.settle()
    assert page.out.net["levels"][1] != first["levels"][1], "two of the octahedra are something else now"
    page.send("undo")
    assert page.desk.settle() and page.out.net["levels"] == first["levels"]
    page.send("net", shown=False)
    page.slide(key, 2.0).send("release", what="distort")
    assert page.desk.settle() and page.out.net["levels"] == first["levels"], "nobody looks"


@pytest.mark.parametrize("name", ["benzene.xyz", "Si.cif", "NaCl.cif"])
def test_molecules_elements_and_salts_have_a_picture_too(opened, name):
    page = opened(name).send("net", shown=True)
    assert page.desk.settle() and page.desk.messages == ()
    assert set(page.out.net["svg"]) == {"light", "dark"} and len(page.out.net["levels"]) == 5


def test_no_graph_and_no_ligand_are_told_in_words(opened):
    assert describe_net(None)["levels"] == [["motifs", "none could be found", []]]
    page = opened(Structure(Lattice.cubic(40), ["Ar"], [[0, 0, 0]])).send("net", shown=True)
    assert page.desk.settle() and "Ar" in page.out.net["levels"][1][1]
