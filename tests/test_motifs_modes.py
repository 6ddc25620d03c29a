"""Distortion modes: irreps of the figures, van Vleck's coordinates, orbits, keys."""

import moyopy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import rotation

from motifdesk.motifs import distortion_modes, find_motifs, mode_by_key
from motifdesk.motifs.figures.measure import relative
from motifdesk.motifs.figures.pointgroup import PointGroup
from motifdesk.motifs.figures.shape_table import TABLE
from motifdesk.motifs.figures.shapes import match, vertices
from motifdesk.motifs.symmetry.irreps import figure_of, ideal_figure
from motifdesk.motifs.symmetry.modes import nearest_frame
from motifdesk.structures import read, symmetry_operations
from motifdesk.structures.errors import MotifDeskError

# stretch, bend, rotation. The first five stand in the design table; the others follow from the textbook counting
# (vertex permutation for stretch, 3k displacements less it and the rotations for bend; Wilson, Decius and Cross)
PUBLISHED = {
    "T:4": ("A1 + T2", "E + T2", "T1"),
    "O:6": ("A1g + Eg + T1u", "T2g + T1u + T2u", "T1g"),
    "C:8": ("A1g + A2u + T1u + T2g", "Eg + Eu + T1u + T2g + T2u", "T1g"),
    "T:6": ("A1' + A2'' + E' + E''", "A1' + A1'' + A2'' + 2E' + E''", "A2' + E''"),
    "S:4": ("A1g + B1g + Eu", "A2u + B2g + Eu + B2u", "A2g + Eg"),
    "TL:3": ("A1' + E'", "A2'' + E'", "A2' + E''"),
    "L:2": ("Sigma_g + Sigma_u", "Pi_u", "Pi_g"),
    "T:5": ("2A1' + A2'' + E'", "A2'' + 2E' + E''", "A2' + E''"),
    "PP:5": ("A1' + E1' + E2'", "A2'' + E2'' + E1' + E2'", "A2' + E1''"),
    "S:5": ("2A1 + B1 + E", "A1 + B1 + B2 + 2E", "A2 + E"),
    "C:12": ("A1g + Eg + T1u + T2g + T2u", "A2g + A2u + Eg + Eu + T1g + 2T1u + T2g + T2u", "T1g"),
    "I:12": ("Ag + Hg + T1u + T2u", "Gg + Gu + Hg + Hu + T1u", "T1g"),
}


def content(text: str) -> dict[str, int]:
    out = {}
    for term in text.split(" + "):
        count = int(term[0]) if term[0].isdigit() else 1
        out[term.lstrip("0123456789")] = count
    return out


@pytest.mark.parametrize("symbol", sorted(PUBLISHED))
def test_irreps_of_the_common_figures_are_the_published_ones(symbol):
    figure = ideal_figure(symbol)
    for block, text in zip(("stretch", "bend", "rotation"), PUBLISHED[symbol], strict=True):
        assert figure.summary(block) == content(text), block


# Mulliken symbols of the crystallographic point groups, by a symmorphic space group of each (its settings where the
# axes can be named in two ways); pairs of complex conjugate irreps are one E
CRYSTAL_CLASSES = {
    1: "A",
    2: "Ag Au",
    3: "A B",
    6: "A' A''",
    10: "Ag Au Bg Bu",
    16: "A B1 B2 B3",
    25: "A1 A2 B1 B2",
    47: "Ag Au B1g B1u B2g B2u B3g B3u",
    75: "A B E",
    81: "A B E",
    83: "Ag Au Bg Bu Eg Eu",
    89: "A1 A2 B1 B2 E",
    99: "A1 A2 B1 B2 E",
    111: "A1 A2 B1 B2 E",
    115: "A1 A2 B1 B2 E",
    123: "A1g A1u A2g A2u B1g B1u B2g B2u Eg Eu",
    143: "A E",
    147: "Ag Au Eg Eu",
    149: "A1 A2 E",
    150: "A1 A2 E",
    156: "A1 A2 E",
    162: "A1g A1u A2g A2u Eg Eu",
    168: "A B E1 E2",
    174: "A' A'' E' E''",
    175: "Ag Au Bg Bu E1g E1u E2g E2u",
    177: "A1 A2 B1 B2 E1 E2",
    183: "A1 A2 B1 B2 E1 E2",
    187: "A1' A1'' A2' A2'' E' E''",
    191: "A1g A1u A2g A2u B1g B1u B2g B2u E1g E1u E2g E2u",
    195: "A E T",
    200: "Ag Au Eg Eu Tg Tu",
    207: "A1 A2 E T1 T2",
    215: "A1 A2 E T1 T2",
    221: "A1g A1u A2g A2u Eg Eu T1g T1u T2g T2u",
}


@pytest.mark.parametrize("number", sorted(CRYSTAL_CLASSES))
def test_irreps_of_every_crystal_class_have_their_mulliken_symbols(number):
    whole = np.array(moyopy.operations_from_number(number).rotations)
    whole = whole[np.unique(whole.reshape(len(whole), 9), axis=0, return_index=True)[1]]
    axes = np.eye(3)
    if 143 <= number <= 194:
        axes = np.array([[1.0, 0, 0], [-0.5, 3**0.5 / 2, 0], [0, 0, 1.3]])
    turns = axes.T @ whole @ np.linalg.inv(axes.T)
    size = len(turns)
    index = {w.tobytes(): n for n, w in enumerate(whole)}
    regular = np.zeros((size, size, size))
    for a in range(size):
        for b in range(size):
            regular[a, index[(whole[a] @ whole[b]).tobytes()], b] = 1.0
    noise = np.random.default_rng(0).standard_normal((size, size))
    operator = np.einsum("gij,jk,glk->il", regular, noise + noise.T, regular, optimize=True)
    values, vectors = np.linalg.eigh(operator)
    edges = np.flatnonzero(np.diff(values) > 1e-7 * np.abs(values).max()) + 1
    group = PointGroup(np.concatenate([np.eye(3), -np.eye(3)]), turns, np.zeros((size, 6), dtype=int))
    found = {}
    for space in np.split(vectors, edges, axis=1):
        characters = np.einsum("id,gij,jd->g", space, regular, space)
        found[tuple(np.round(characters, 3) + 0.0)] = group.name(characters)
    assert sorted(found.values()) == sorted(CRYSTAL_CLASSES[number].split())


@pytest.mark.parametrize("symbol", sorted(TABLE))
def test_coordinates_are_a_complete_orthonormal_basis_closed_under_the_group(symbol):
    figure = ideal_figure(symbol)
    k = len(figure.group.vertices)
    basis = np.stack([c.vectors.ravel() for c in figure.coordinates])
    assert basis.shape == (3 * k, 3 * k)
    np.testing.assert_allclose(basis @ basis.T, np.eye(3 * k), atol=1e-9)
    labels = [(c.block, c.irrep) for c in figure.coordinates]
    for action in figure.group.displacements():
        mixed = np.abs(basis @ action @ basis.T) > 1e-6
        for a, b in zip(*np.nonzero(mixed), strict=True):
            assert labels[a] == labels[b]


def test_octahedral_jahn_teller_partners_are_van_vlecks():
    figure = ideal_figure("O:6")
    unit = figure.group.vertices / np.linalg.norm(figure.group.vertices, axis=1, keepdims=True)
    q3, q2 = (c for c in figure.coordinates if c.irrep == "Eg")
    radial3, radial2 = ((c.vectors * unit).sum(axis=1) for c in (q3, q2))
    along = np.abs(unit).argmax(axis=1)
    np.testing.assert_allclose(radial3, np.array([-1, -1, 2])[along] / np.sqrt(12), atol=1e-9)
    np.testing.assert_allclose(radial2, np.array([1, -1, 0])[along] / 2, atol=1e-9)
    breathing = next(c for c in figure.coordinates if c.irrep == "A1g")
    np.testing.assert_allclose((breathing.vectors * unit).sum(axis=1), 1 / np.sqrt(6), atol=1e-9)


def projector(figure, block, irrep, components):
    rows = [
        c.vectors.ravel()
        for c in figure.coordinates
        if (c.block, c.irrep) == (block, irrep) and c.component in components
    ]
    return sum(np.outer(row, row) for row in rows)


@pytest.mark.parametrize("symbol", ["T:6", "T:5", "S:5", "C:12", "TT:12", "PB:7"])
def test_copies_of_one_irrep_do_not_hang_on_orientation_or_the_order_of_the_ligands(symbol):
    points = vertices(symbol)
    k = len(points)
    figure = figure_of(points)
    repeated = {
        (c.block, c.irrep): figure.summary(c.block)[c.irrep]
        for c in figure.coordinates
        if figure.summary(c.block)[c.irrep] > 1
    }
    assert repeated
    for seed in (1, 2):
        turn, order = rotation(seed), np.random.default_rng(seed).permutation(k)
        other = figure_of((points @ turn.T)[order])
        # displacements of the turned and reordered figure back to the first one's
        carry = np.kron(np.eye(k)[order].T, turn.T)
        for (block, irrep), count in repeated.items():
            size = max(c.component for c in figure.coordinates if (c.block, c.irrep) == (block, irrep)) // count
            for copy in range(count):
                which = range(copy * size + 1, (copy + 1) * size + 1)
                mine = projector(figure, block, irrep, which)
                theirs = carry @ projector(other, block, irrep, which) @ carry.T
                np.testing.assert_allclose(mine, theirs, atol=1e-6)


def test_softer_copy_of_the_prisms_bends_comes_first():
    figure = ideal_figure("T:6")
    points = figure.group.vertices

    def strain(vectors):
        total = 0.0
        for i in range(6):
            for j in range(i):
                d = points[i] - points[j]
                change = (vectors[i] - vectors[j]) @ d / np.linalg.norm(d)
                total += np.exp(-((np.linalg.norm(d)) ** 2)) * change**2
        return total

    bends = [strain(c.vectors) for c in figure.coordinates if (c.block, c.irrep) == ("bend", "E'")]
    assert len(bends) == 4
    assert bends[0] == pytest.approx(bends[1]) and bends[2] == pytest.approx(bends[3])
    assert bends[0] < bends[2] - 1e-3


@given(st.sampled_from(["O:6", "T:6", "T:5", "S:5", "C:8"]), st.integers(0, 2**31 - 1))
@settings(max_examples=20, deadline=None)
def test_modes_of_a_misshapen_motif_turn_with_it_and_do_not_hang_on_the_order_of_its_ligands(symbol, seed):
    rng = np.random.default_rng(seed)
    figure = ideal_figure(symbol)
    points = figure.group.vertices + 0.04 * rng.standard_normal(figure.group.vertices.shape)
    turn, order = rotation(seed), rng.permutation(len(points))

    def spaces(ligands):
        laid, vertex = nearest_frame(match(ligands, symbol), figure)
        count = {(b, i): n for b in ("stretch", "bend", "rotation") for i, n in figure.summary(b).items()}
        size = {}
        for c in figure.coordinates:
            size[c.block, c.irrep] = max(size.get((c.block, c.irrep), 0), c.component)
        out = {}
        for c in figure.coordinates:
            kind = (c.block, c.irrep)
            copy = (c.component - 1) // (size[kind] // count[kind])
            row = (c.vectors[vertex] @ laid.T).ravel()
            out[(*kind, copy)] = out.get((*kind, copy), 0) + np.outer(row, row)
        return out

    carry = np.kron(np.eye(len(points))[order].T, turn.T)
    theirs = spaces((points @ turn.T)[order])
    for kind, mine in spaces(points).items():
        np.testing.assert_allclose(mine, carry @ theirs[kind] @ carry.T, atol=1e-6)


@given(st.sampled_from(["O:6", "T:4", "T:6", "C:8", "T:5"]), st.integers(0, 2**31 - 1))
@settings(max_examples=25, deadline=None)
def test_a_slightly_misshapen_motif_keeps_the_modes_of_its_figure(symbol, seed):
    rng = np.random.default_rng(seed)
    figure = ideal_figure(symbol)
    points = figure.group.vertices
    turn = nearest_frame(match(points, symbol), figure)[0]
    for size in (1e-5, 1e-3, 2e-2):
        moved = points + size * rng.standard_normal(points.shape)
        laid, vertex = nearest_frame(match(moved, symbol), figure)
        for c in figure.coordinates:
            ideal = c.vectors[nearest_frame(match(points, symbol), figure)[1]] @ turn.T
            assert np.abs(c.vectors[vertex] @ laid.T - ideal).max() < 8 * size


@pytest.fixture(scope="module")
def iridate():
    structure = read("beta-Li2IrO3.cif", cell="primitive")
    graph = find_motifs(structure)
    return structure, graph, next(m for m in graph.motifs if m.formula == "IrO6")


def test_modes_of_a_real_octahedron_have_unit_vectors_and_stable_keys(iridate):
    structure, graph, motif = iridate
    modes = distortion_modes(structure, motif, graph=graph)
    assert len(modes) == 18 and len({m.key for m in modes}) == 18 and len(set(modes)) == 18
    for mode in modes:
        assert np.linalg.norm(mode.vectors) == pytest.approx(1.0)
        again = mode_by_key(graph, mode.key)
        assert again == mode and np.array_equal(again.vectors, mode.vectors)
    assert modes[1].key == f"m{motif.index}:motif:stretch:Eg:1"
    assert "Jahn-Teller" in modes[1].label
    bonds = relative(structure, motif)
    breathing = modes[0].vectors
    assert ((bonds * breathing).sum(axis=1) > 0.9 * np.linalg.norm(bonds, axis=1) / np.sqrt(6)).all()


def test_orbit_modes_are_carried_by_space_group_operations(iridate):
    structure, graph, motif = iridate
    cell = structure.lattice.matrix
    rotations, _ = symmetry_operations(structure, 0.01)
    turns = [cell.T @ w @ np.linalg.inv(cell.T) for w in rotations]
    for mode in distortion_modes(structure, motif, "orbit", graph=graph):
        assert [index for index, _ in mode.targets] == list(graph.orbits[motif.orbit])
        assert np.array_equal(mode.targets[0][1], mode.vectors)
        for index, vectors in mode.targets[1:]:
            there, here = relative(structure, graph.motifs[index]), relative(structure, motif)
            carried = False
            for turn in turns:
                distance = np.linalg.norm(there[:, None] - (here @ turn.T)[None], axis=2)
                same = distance.argmin(axis=1)
                if distance.min(axis=1).max() < 1e-2:
                    carried |= bool(np.abs(vectors - mode.vectors[same] @ turn.T).max() < 1e-6)
            assert carried


def test_character_gives_antiferro_patterns_and_survives_in_the_key(iridate):
    structure, graph, motif = iridate
    plain = distortion_modes(structure, motif, "orbit", graph=graph)[1]
    signed = distortion_modes(structure, motif, "orbit", graph=graph, character=[1, -1, 1, -1])[1]
    for sign, (_, a), (_, b) in zip([1, -1, 1, -1], plain.targets, signed.targets, strict=True):
        np.testing.assert_array_equal(sign * a, b)
    assert "[+-+-]" in signed.key and mode_by_key(graph, signed.key) == signed


def test_scope_all_takes_every_motif_of_the_kind(iridate):
    structure, graph, _ = iridate
    lithium = next(m for m in graph.motifs if m.formula == "LiO6")
    orbit = distortion_modes(structure, lithium, "orbit", graph=graph)[0]
    everything = distortion_modes(structure, lithium, "all", graph=graph)[0]
    assert len(orbit.targets) == 4 and len(everything.targets) == 8


def test_unknown_motifs_scopes_and_keys_are_refused(iridate):
    structure, graph, motif = iridate
    with pytest.raises(MotifDeskError, match="no motif 99"):
        distortion_modes(structure, 99, graph=graph)
    with pytest.raises(MotifDeskError, match="scope"):
        distortion_modes(structure, motif, "everything", graph=graph)
    with pytest.raises(MotifDeskError, match="character of 2"):
        distortion_modes(structure, motif, "orbit", graph=graph, character=[1, -1])
    for key in ("nonsense", "m0:motif:stretch:Zz:1", "m99:motif:stretch:Eg:1"):
        with pytest.raises(MotifDeskError):
            mode_by_key(graph, key)


def test_misshapen_molecular_and_unnamed_motifs_have_modes_too():
    benzene = read("benzene.xyz")
    graph = find_motifs(benzene)
    modes = distortion_modes(benzene, 0, "all", graph=graph)
    assert len(modes) == 3 and all(len(m.targets) == 6 for m in modes)
    perovskite = read("CaTiO3.cif")
    graph = find_motifs(perovskite)
    calcium = next(m for m in graph.motifs if m.formula == "CaO8")
    modes = distortion_modes(perovskite, calcium, graph=graph)
    basis = np.stack([m.vectors.ravel() for m in modes])
    np.testing.assert_allclose(basis @ basis.T, np.eye(24), atol=1e-9)
