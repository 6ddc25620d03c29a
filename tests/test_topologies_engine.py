"""The engine under the families: templates and ports, merging, rigid embedding, recombination."""

import numpy as np
import pytest

import motifdesk as md
from motifdesk.structures.errors import TopologyError
from motifdesk.structures.symmetry import space_group
from motifdesk.topologies import Assembly, Join, Placement, Template, embed, exchange, member, recombine, strained
from motifdesk.topologies.filling import holes
from motifdesk.topologies.grammar import Grammar, Letter, canonical_word, words


def test_ports_of_ideal_figures_are_the_edges_and_faces_of_the_polyhedra():
    octahedron = Template.ideal("O:6", "Ti", "O", 1.95)
    assert [len(octahedron.ports[k]) for k in ("vertex", "edge", "face")] == [6, 12, 8]
    cube = Template.ideal("C:8", "Ca", "F", 2.36)
    assert [len(cube.ports[k]) for k in ("vertex", "edge", "face")] == [8, 12, 6]
    assert len(octahedron.stabiliser(octahedron.ports["vertex"][0])) == 8  # C4v in Oh
    assert len(octahedron.stabiliser(octahedron.ports["edge"][0])) == 4  # C2v
    assert len(octahedron.stabiliser(octahedron.ports["face"][0])) == 6  # C3v


def test_template_of_a_loaded_motif_keeps_its_distortion():
    structure = md.read("KCuF3.cif", cell="primitive")
    motif = next(m for m in md.find_motifs(structure).motifs if m.formula == "CuF6")
    template = Template.of(structure, motif)
    lengths = np.sort(np.linalg.norm(template.vertices, axis=1))
    assert lengths[0] < 1.95 < 2.2 < lengths[-1]
    assert template.ligands == ("F",) * 6


def test_an_embedding_closes_gaps_and_does_not_depend_on_the_frame():
    good = member("perovskite", tilts="a0a0a0").assembly
    rng = np.random.default_rng(3)
    shaken = Assembly(
        good.cell * 1.03,
        tuple(Placement(p.template, p.position * 1.03 + rng.normal(0, 0.05, 3), p.rotation) for p in good.placements),
    )
    back = embed(shaken, good.joins)
    assert back.converged and back.gap < 1e-8
    assert back.assembly.cell == pytest.approx(good.cell, abs=1e-6)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turned = Assembly(
        shaken.cell @ turn.T,
        tuple(Placement(p.template, turn @ p.position, turn @ p.rotation) for p in shaken.placements),
    )
    assert embed(turned, good.joins).assembly.cell @ turn == pytest.approx(back.assembly.cell, abs=1e-6)


def test_motifs_that_cannot_meet_say_what_they_would_have_to_give():
    """One octahedron 5 % larger than its seven neighbours: corners stay apart, and the gap is a breathing strain."""
    good = member("perovskite", tilts="a0a0a0").assembly
    large = Template.ideal("O:6", "Ti", "O", 1.05 * 1.95)
    mixed = Assembly(good.cell, (Placement(large, good.placements[0].position), *good.placements[1:]))
    found = embed(mixed, good.joins, fixed_turns=True)
    assert 0.02 < found.gap < 0.1
    told = dict(strained(found))
    assert told[0][0][0] == "A1g stretch" and told[0][0][1] > 0.05


@pytest.mark.parametrize(
    ("figure", "centre", "ligand", "kind", "count", "group", "sharing"),
    [
        ("T:4", "Si", "O", "vertex", 4, "Fd-3m", {"corner": 4}),  # beta-cristobalite
        ("O:6", "Re", "O", "vertex", 6, "Pm-3m", {"corner": 6}),  # ReO3
        ("O:6", "Ti", "O", "edge", 4, "I4_1/amd", {"corner": 4, "edge": 4}),  # anatase
        ("C:8", "Ca", "F", "edge", 6, "Fm-3m", {"edge": 12}),  # fluorite
    ],
)
def test_joining_ports_by_inversion_gives_known_nets(figure, centre, ligand, kind, count, group, sharing):
    found = list(recombine(Template.ideal(figure, centre, ligand, 2.0), kind, count))
    first = [r for r in found if space_group(r.structure, 1e-2).symbol == group]
    assert first and first[0].sharing == sharing


def test_motifs_of_a_loaded_structure_can_be_joined_by_another_rule():
    """Rutile's octahedron (two edges, eight corners) made to share edges only: nets that rutile does not have."""
    structure = md.read("rutile-TiO2.cif")
    motif = md.find_motifs(structure).motifs[0]
    found = list(recombine(Template.of(structure, motif), "edge", 4, limit=5))
    assert found
    for one in found:
        assert one.sharing["edge"] >= 4
        assert one.assembly.residual < 1e-3


def test_a_motif_is_exchanged_for_another_with_the_same_ports():
    good = member("perovskite", tilts="a0a0c-", angle_1=8.0).assembly
    larger = Template.ideal("O:6", "Zr", "O", 2.1)
    found = exchange(good, "Ti", larger)
    assert found.gap < 1e-6
    assert found.assembly.cell == pytest.approx(good.cell * 2.1 / 1.95, rel=1e-3)
    assert found.assembly.composition()["Zr"] == 8
    with pytest.raises(TopologyError, match="4 vertices"):
        exchange(good, "Ti", Template.ideal("T:4", "Si", "O", 1.6))


def test_holes_of_close_packing_are_counted_right():
    """fcc: one octahedral and two tetrahedral holes for each atom."""
    cell = 2.0 * np.array([[0.0, 1, 1], [1, 0, 1], [1, 1, 0]])
    found = holes(cell, np.zeros((1, 3)))
    assert sorted(h.coordination for h in found) == [4, 4, 6]
    assert {round(h.radius, 6) for h in found if h.coordination == 6} == {2.0}


def test_words_are_counted_once():
    assert canonical_word("-+-+") == canonical_word("+-") == "+-"
    assert canonical_word("+--+", swap=(("+", "-"),)) == "++--"
    # necklaces of two colours under rotation, reflection and exchange, primitive ones: 1, 1, 1, 2, 3, 5
    found = list(words("+-", 6, swap=(("+", "-"),)))
    assert [sum(len(w) == n for w in found) for n in range(1, 7)] == [1, 1, 1, 2, 3, 5]


def test_words_that_do_not_go_are_told():
    """A word whose steps lead back to the start, one that holds a forbidden string, letters that are not there."""
    figure = Template.ideal("T:4", "Si", "O", 1.62)
    up, down = Letter(((figure, (0, 0, 0), None),), (0, 0, 5.0)), Letter(((figure, (0, 0, 0), None),), (0, 0, -5.0))
    grammar = Grammar({"u": up, "d": down}, 5.0 * np.eye(3)[:2], (("ddd", "three steps down meet the floor"),))
    with pytest.raises(TopologyError, match="'ud'.*does not close: its steps lead nowhere.*[Aa]dd letters"):
        grammar.assemble("ud")
    with pytest.raises(TopologyError, match="'ddd' does not go: three steps down meet the floor"):
        grammar.assemble("d")  # repeated for ever, it holds ddd
    with pytest.raises(TopologyError, match="holds 'x'.*[Uu]se the letters u d"):
        grammar.assemble("ux")
    with pytest.raises(TopologyError, match="empty word"):
        grammar.assemble("")


def test_a_motif_whose_own_vertices_fall_together_is_told():
    points = np.array([[0, 0, 1.6], [0, 0.4, 1.6], [1.6, 0, 0], [-1.6, 0, 0]])
    pinched = Template("pinched", "Si", ("O",) * 4, points)
    with pytest.raises(TopologyError, match="motif 0 would share vertex . with its own vertex ."):
        _ = Assembly(8.0 * np.eye(3), (Placement(pinched, np.zeros(3)),)).merged


def test_impossible_rules_are_told():
    octahedron = Template.ideal("O:6", "Ti", "O", 1.95)
    good = member("perovskite", tilts="a0a0a0").assembly
    with pytest.raises(TopologyError, match="no vertex 9"):
        embed(good, [Join(0, 1, (0, 0, 0), (9,), (0,))])
    with pytest.raises(TopologyError, match="no motif 40"):
        embed(good, [Join(0, 40, (0, 0, 0), (0,), (0,))])
    with pytest.raises(TopologyError, match="no two motifs are joined"):
        embed(Assembly(10 * np.eye(3), (Placement(octahedron, np.zeros(3)),)), [])
    with pytest.raises(TopologyError, match="not joined by inversion"):
        list(recombine(octahedron, "face", 4))
    with pytest.raises(TopologyError, match="three do not span space"):
        list(recombine(octahedron, "edge", 3))
    chloride = Template.ideal("O:6", "Ti", "Cl", 1.95)
    clash = Assembly(3.9 * np.eye(3), (Placement(octahedron, np.zeros(3)), Placement(chloride, np.zeros(3))))
    with pytest.raises(TopologyError, match="claim one place"):
        _ = clash.merged
