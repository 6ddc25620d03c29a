"""Nets: coordination sequences, rings, symbols and dimensionality against published values, in any cell."""

from collections import Counter
from functools import cache

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from motifdesk.motifs import find_motifs
from motifdesk.motifs.hierarchy.cycles import Distances, angle_rings
from motifdesk.motifs.hierarchy.lattices import components, row_lattice
from motifdesk.motifs.hierarchy.net import Net, Node, make_net
from motifdesk.structures import read
from motifdesk.structures.errors import MotifDeskError
from tests.minerals import corundum, spinel


def by_group(symbol: str, lattice: Lattice, species: list[str], where: list) -> Structure:
    return Structure.from_spacegroup(symbol, lattice, species, where)


def hexagonal(a: float, c: float) -> Lattice:
    return Lattice.hexagonal(a, c)


THIRD = [1 / 3, 2 / 3]
CRYSTALS = {
    "silicon": lambda: read("Si.cif", cell="primitive"),
    "lonsdaleite": lambda: by_group("P6_3/mmc", hexagonal(2.51, 4.12), ["C"], [[*THIRD, 0.062]]),
    "graphite": lambda: by_group("P6_3/mmc", hexagonal(2.46, 6.71), ["C", "C"], [[0, 0, 0.25], [*THIRD, 0.25]]),
    "quartz": lambda: read("quartz-SiO2.cif"),
    "cristobalite": lambda: by_group(
        "P4_12_12", Lattice.tetragonal(4.971, 6.928), ["Si", "O"], [[0.3003, 0.3003, 0], [0.2392, 0.1044, 0.1787]]
    ),
    "chabazite": lambda: read("chabazite.cif", cell="primitive"),
    "sodalite": lambda: by_group("Im-3m", Lattice.cubic(8.83), ["Si", "O"], [[0.25, 0, 0.5], [0.1475, 0.1475, 0.5]]),
    "rock salt": lambda: read("NaCl.cif", cell="primitive"),
    "rutile": lambda: read("rutile-TiO2.cif"),
    "SrTiO3": lambda: read("SrTiO3.cif"),
    "beta-Li2IrO3": lambda: read("beta-Li2IrO3.cif", cell="primitive"),
    "alpha-Li2IrO3": lambda: read("alpha-Li2IrO3.cif", cell="primitive"),
    "fluorite": lambda: by_group("Fm-3m", Lattice.cubic(5.463), ["Ca", "F"], [[0, 0, 0], [0.25] * 3]),
    "zinc blende": lambda: by_group("F-43m", Lattice.cubic(5.41), ["Zn", "S"], [[0, 0, 0], [0.25] * 3]),
    "cuprite": lambda: by_group("Pn-3m", Lattice.cubic(4.27), ["O", "Cu"], [[0.25] * 3, [0, 0, 0]]),
    "PtS": lambda: by_group("P4_2/mmc", Lattice.tetragonal(3.47, 6.1), ["Pt", "S"], [[0, 0.5, 0], [0, 0, 0.25]]),
    "NbO": lambda: by_group("Pm-3m", Lattice.cubic(4.21), ["Nb", "O"], [[0, 0.5, 0.5], [0.5, 0, 0]]),
    "iron": lambda: by_group("Im-3m", Lattice.cubic(2.87), ["Fe"], [[0, 0, 0]]),
    "copper": lambda: by_group("Fm-3m", Lattice.cubic(3.615), ["Cu"], [[0, 0, 0]]),
    "magnesium": lambda: by_group("P6_3/mmc", hexagonal(3.2, 5.21), ["Mg"], [[*THIRD, 0.25]]),
    "corundum": corundum,
    "spinel": spinel,
}


@cache
def net_of(name: str) -> Net:
    return find_motifs(CRYSTALS[name]()).net()


def of(net: Net, label: str) -> int:
    return next(k for k, node in enumerate(net.nodes) if node.label == label)


@pytest.mark.parametrize(
    ("name", "label", "expected"),
    [  # M. O'Keeffe and B. G. Hyde; RCSR, http://rcsr.net; SiO2 frameworks: IZA Atlas of Zeolite Framework Types
        ("silicon", "Si", (4, 12, 24, 42, 64, 92, 124, 162, 204, 252)),
        ("zinc blende", "S", (4, 12, 24, 42, 64, 92, 124, 162, 204, 252)),
        ("cristobalite", "Si", (4, 12, 24, 42, 64, 92, 124, 162, 204, 252)),
        ("lonsdaleite", "C", (4, 12, 25, 44, 67, 96, 130, 170, 214, 264)),
        ("quartz", "Si", (4, 12, 30, 52, 80, 116, 156, 204, 258, 318)),
        ("sodalite", "Si", (4, 10, 20, 34, 52, 74, 100, 130, 164, 202)),
        ("chabazite", "Si", (4, 9, 17, 29, 45, 64, 85, 110, 140, 173)),
        ("rock salt", "Na", (6, 18, 38, 66, 102, 146, 198, 258, 326, 402)),
        ("SrTiO3", "Ti", (6, 18, 38, 66, 102, 146, 198, 258, 326, 402)),
        ("beta-Li2IrO3", "Ir", (3, 6, 12, 24, 38, 56)),
        ("alpha-Li2IrO3", "Ir", (3, 6, 9, 12, 15, 18)),
        ("graphite", "C", (3, 6, 9, 12, 15, 18)),
        ("iron", "Fe", (8, 26, 56, 98, 152, 218)),
        ("copper", "Cu", (12, 42, 92, 162, 252, 362)),
        ("magnesium", "Mg", (12, 44, 96, 170, 264, 380)),
    ],
)
def test_coordination_sequences_are_the_published_ones(name, label, expected):
    net = net_of(name)
    for k, node in enumerate(net.nodes):
        if node.label == label:
            assert net.coordination_sequence(k, shells=len(expected)) == expected


@pytest.mark.parametrize(
    ("name", "label", "vertex", "point"),
    [
        ("silicon", "Si", "6_2.6_2.6_2.6_2.6_2.6_2", "6^6"),
        ("quartz", "Si", "6.6.6_2.6_2.8_7.8_7", "6^4.8^2"),
        ("sodalite", "Si", "4.4.6.6.6.6", "4^2.6^4"),
        ("chabazite", "Si", "4.4.4.8.6.8", "4^3.6^2.8"),
        ("NbO", "Nb", "6_2.6_2.6_2.6_2.8_2.8_2", "6^4.8^2"),
        ("PtS", "Pt", "4.4.8_2.8_2.8_8.8_8", "4^2.8^4"),
        ("PtS", "S", "4.4.8_7.8_7.8_7.8_7", "4^2.8^4"),
        ("rock salt", "Na", "4.4.4.4.4.4.4.4.4.4.4.4.*.*.*", "4^12.6^3"),
        ("rutile", "O", "4.6_2.6_2", "4.6^2"),
        ("rutile", "Ti", "4.4.6.6.6.6.6.6.6.6.6_2.6_2.*.*.*", "4^2.6^10.8^3"),
        ("fluorite", "F", "4.4.4.4.4.4", "4^6"),
        ("beta-Li2IrO3", "Ir", "10_2.10_4.10_4", "10^3"),
        ("alpha-Li2IrO3", "Ir", "6.6.6", "6^3"),
        ("copper", "Cu", None, "3^24.4^36.5^6"),
        ("iron", "Fe", None, "4^24.6^4"),
    ],
)
def test_vertex_and_point_symbols_are_those_of_rcsr(name, label, vertex, point):
    net = net_of(name)
    node = of(net, label)
    assert net.point_symbol(node) == point
    if vertex is not None:
        assert net.vertex_symbol(node) == vertex


def test_ring_sizes_of_the_iridates_and_of_quartz():
    assert net_of("beta-Li2IrO3").ring_sizes(0) == (10, 10, 10)
    assert net_of("alpha-Li2IrO3").ring_sizes(0) == (6, 6, 6)
    assert net_of("quartz").ring_sizes(0) == (6, 6, 6, 6, 8, 8)


@pytest.mark.parametrize(
    ("name", "symbol", "rank"),
    [
        ("silicon", "dia", 3), ("zinc blende", "dia", 3), ("cristobalite", "dia", 3), ("lonsdaleite", "lon", 3),
        ("quartz", "qtz", 3), ("rock salt", "pcu", 3), ("SrTiO3", "pcu", 3), ("rutile", "rtl", 3),
        ("fluorite", "flu", 3), ("corundum", "cor", 3), ("spinel", "spl", 3), ("beta-Li2IrO3", "ths", 3),
        ("alpha-Li2IrO3", "hcb", 2), ("graphite", "hcb", 2), ("iron", "bcu", 3), ("magnesium", "hcp", 3),
        ("cuprite", "dia, 2 interpenetrating", 3),
    ],
)  # fmt: skip
def test_famous_nets_are_recognised(name, symbol, rank):
    net = net_of(name)
    assert net.symbol == symbol and net.dimensionality == rank


def test_interpenetrating_nets_are_counted_whatever_the_cell():
    assert net_of("cuprite").copies == 2 and net_of("quartz").copies == 1 and net_of("graphite").copies == 0
    big = find_motifs(CRYSTALS["cuprite"]() * (1, 2, 1)).net()
    assert big.copies == 2


def test_net_is_the_same_in_skewed_cells_and_supercells():
    base = CRYSTALS["quartz"]()
    skew = np.array([[1, 0, 0], [2, 1, 0], [-1, 3, 1]])
    skewed = Structure(Lattice(skew @ base.lattice.matrix), base.species, base.cart_coords, coords_are_cartesian=True)
    for other in (skewed, base * (2, 1, 1)):
        net = find_motifs(other).net()
        for k in range(len(net)):
            assert net.coordination_sequence(k, 10) == (4, 12, 30, 52, 80, 116, 156, 204, 258, 318)
            assert net.vertex_symbol(k) == "6.6.6_2.6_2.8_7.8_7"
        assert net.name == "qtz" and net.dimensionality == 3


def test_centre_and_via_choose_nodes_and_links():
    graph = find_motifs(CRYSTALS["rutile"]())
    direct = graph.net(via=("corner", "edge"))
    assert {node.label for node in direct.nodes} == {"Ti"} and direct.coordination(0) == 10
    chains = graph.net("Ti", via="edge")
    assert chains.dimensionality == 1 and chains.coordination(0) == 2
    lithium = find_motifs(CRYSTALS["beta-Li2IrO3"]()).net(centre="Li", via="edge")
    assert {node.label for node in lithium.nodes} == {"Li"} and len(lithium) == 8
    both = find_motifs(CRYSTALS["spinel"]()).net(centre=["AlO6"], via="edge")
    assert both.coordination(0) == 6
    assert graph.net("Ti").index(graph.motifs[1]) == 1


def test_bad_requests_get_one_clear_error():
    graph = find_motifs(CRYSTALS["quartz"]())
    with pytest.raises(MotifDeskError, match="no motif is centred on Xx"):
        graph.net("Xx")
    with pytest.raises(MotifDeskError, match="via"):
        graph.net(via="vertex")
    with pytest.raises(MotifDeskError, match="no node 99"):
        graph.net().coordination_sequence(99)
    with pytest.raises(MotifDeskError, match="shells"):
        graph.net().coordination_sequence(0, shells=0)
    with pytest.raises(MotifDeskError, match="no node of this net"):
        find_motifs(read("SrTiO3.cif")).net("Ti").index(find_motifs(read("SrTiO3.cif")).motif_at(0))


def random_net(rng: np.random.Generator, n: int, links: int) -> Net:
    ends = rng.integers(0, n, (links, 2))
    images = rng.integers(-1, 2, (links, 3))
    edges = [(int(a), int(b), tuple(int(x) for x in i)) for (a, b), i in zip(ends, images, strict=True)]
    return make_net([Node("X")] * n, edges)


def test_sequences_and_shortest_cycles_agree_with_networkx_on_random_nets():
    import networkx as nx

    rng = np.random.default_rng(5)
    for _ in range(8):
        net = random_net(rng, 3, 5)
        reach, span = 3, range(-4, 5)
        graph = nx.Graph()
        for a, b, (i, j, k) in net.edges:
            for x in span:
                for y in span:
                    for z in span:
                        graph.add_edge((a, x, y, z), (b, x + i, y + j, z + k))
        start = (0, 0, 0, 0)
        if start not in graph:
            continue
        near = nx.single_source_shortest_path_length(graph, start, cutoff=reach)
        counts = Counter(near.values())
        assert net.coordination_sequence(0, reach) == tuple(counts[d] for d in range(1, reach + 1))
        for angle in angle_rings(net.adjacency, 0, 6):
            for ring in angle.rings:
                assert ring[0] == start and {angle.first, angle.second} == {ring[1], ring[-1]}
                assert all(ring[(n + 1) % len(ring)] in graph[ring[n]] for n in range(len(ring)))
                for n in range(len(ring)):  # no short cut between any two places
                    for m in range(n):
                        along = min(n - m, len(ring) - n + m)
                        assert nx.shortest_path_length(graph, ring[m], ring[n]) == along


def test_rings_per_cell_of_diamond_and_graphite():
    diamond = net_of("silicon").rings()
    assert [len(r) for r in diamond] == [6] * 4  # two per atom
    graphite = net_of("graphite").rings()
    assert [len(r) for r in graphite] == [6] * 2  # half a ring per atom, two sheets


def rank_and_index(vectors: list) -> tuple[int, int]:
    found = row_lattice(vectors)
    return found.rank, found.index


def test_row_lattices_are_exact():
    assert rank_and_index([(2, 0, 0), (0, 2, 0), (1, 1, 1)]) == (3, 4)
    assert rank_and_index([(1, 1, 0), (1, -1, 0)]) == (2, 2)
    assert rank_and_index([(3, 6, 9)]) == (1, 3)
    assert rank_and_index([]) == (0, 1) and rank_and_index([(0, 0, 0)]) == (0, 1)
    # numbers at which floating-point ranks fail
    far = 10**9
    assert rank_and_index([(far, far + 1, 0), (far - 1, far, 0)]) == (2, 1)
    parts = components([0, 1, 2], [(0, 1, (0, 0, 0)), (1, 0, (1, 0, 0))])
    assert [(g, lattice.rank) for g, lattice in parts] == [([0, 1], 1), ([2], 0)]


def test_distances_stop_at_their_reach():
    net = net_of("rock salt")
    d = Distances(net.adjacency)
    assert d.within((0, 0, 0, 0), (0, 3, 0, 0), 2) == 3
    assert d.within((0, 0, 0, 0), (0, 1, 0, 0), 4) == 2


def test_nets_without_links_and_simple_chains_are_told():
    alone = find_motifs(Structure(Lattice.cubic(60.0), ["Ar"], [[0.1, 0.2, 0.3]])).net()
    assert alone.symbol == "no links" and alone.dimensionality == 0 and alone.coordination_sequence(0, 3) == (0, 0, 0)
    assert alone.ring_sizes(0) == () and alone.vertex_symbol(0) == ""
    chain = make_net([Node("X")], [(0, 0, (1, 0, 0))])
    assert chain.symbol == "simple chain" and chain.point_symbol(0) == "*" and chain.simplified() is chain
    ladder = make_net([Node("X"), Node("X")], [(0, 0, (1, 0, 0)), (1, 1, (1, 0, 0)), (0, 1, (0, 0, 0))])
    assert ladder.dimensionality == 1 and ladder.ring_sizes(0) == (4, 4)


def test_large_nets_without_symmetry_get_a_short_symbol():
    rng = np.random.default_rng(2)
    net = random_net(rng, 60, 110)
    assert net.symbol == f"{len(net.kinds)} kinds of node" and len(net.kinds) > 40
    assert find_motifs(CRYSTALS["quartz"]() * (2, 2, 2)).net().symbol == "qtz"
