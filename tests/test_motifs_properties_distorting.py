"""What must hold of distortions on any crystal, however it is written down."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from motifdesk.motifs import (
    Distorter,
    Mode,
    MotifGraph,
    distort,
    distortion_modes,
    find_motifs,
)
from motifdesk.structures import corpus
from tests.pairs import Pair, bonds, carried, checked, unmistakable
from tests.strategies import Change, changes, crystals, rotation


@st.composite
def requests(draw):
    """(crystal, which motif, which mode, amplitude)."""
    return draw(crystals()), draw(st.integers(0, 99)), draw(st.integers(0, 99)), draw(st.floats(0.02, 0.08))


def chosen(structure, graph, motif, mode, scope="motif") -> Mode:
    able = [m for m in graph.motifs if m.ligands]
    assume(able)
    modes = [
        m for m in distortion_modes(structure, able[motif % len(able)], scope, graph=graph) if m.block != "rotation"
    ]
    return modes[mode % len(modes)]


def reach(structure: Structure, mode: Mode, graph: MotifGraph) -> float:
    """How far a unit displacement of the sites and the cell can turn a mode on: 0 where it contradicts the lattice, as
    an off-centring does between two ligands that are one site."""
    motif = graph.motifs[mode.motif]
    force, ligands = np.zeros((len(structure), 3)), bonds(structure, motif)
    for ligand, vector in zip(motif.ligands, mode.vectors, strict=True):
        force[ligand.site] += vector
        force[motif.centre] -= vector
    strain = mode.vectors.T @ ligands
    return float(np.hypot(np.linalg.norm(force), np.linalg.norm(strain + strain.T) / 2))


_FLOPPY = Structure(
    Lattice.from_parameters(5.225813, 3.339432, 5.704931, 33.081104, 97.411888, 70.392387),
    ["Al", "Ni"],
    [[0.170825, 0.843363, 0.723238], [0.772241, 0.324601, 0.806031]],
)


_TREE = Structure(
    Lattice.from_parameters(4.239804, 2.644080, 3.784763, 86.742311, 112.363454, 95.036942),
    ["Al", "Ni", "Al"],
    [[0.450744, 0.352205, 0.295237], [0.165478, 0.02653, 0.504402], [0.567053, 0.978262, 0.934422]],
)


_STRAINED = Structure(
    [[4.478105670408186, 0.0, 0.42071522251211396], [-1.0893654368936752, 2.32665011877025, 0.6012313077615422],
     [0.0, 0.0, 4.493641507578182]],
    ["Cu", "Au", "Cu"],
    [[0.4092, 0.5496, 0.02756], [0.7535, 0.5381, 0.3297], [0.1607, 0.9699, 0.5161]],
)  # fmt: skip


@checked(50)
@given(requests())
def test_a_motif_gets_the_amplitude_asked_for_or_tells_what_it_costs(request):
    """Where network or cell cannot follow, the shortfall stands in the motif's cost: nothing is lost silently."""
    structure, motif, number, amplitude = request
    graph = find_motifs(structure)
    mode = chosen(structure, graph, motif, number)
    assume(unmistakable(graph.motifs[mode.motif]))
    solved = Distorter(structure, graph).solve({mode: amplitude})
    assert np.isfinite(solved.positions).all()
    able = reach(structure, mode, graph)
    if able < 1e-6:
        assert abs(solved.achieved[mode.key]) < 1e-6, (graph, mode.key)
    elif solved.converged and able > 0.1:
        short = abs(solved.achieved[mode.key] - amplitude)
        told = solved.cost[mode.motif] * np.sqrt(len(graph.neighbours[graph.motifs[mode.motif].centre]))
        assert short < 0.05 * abs(amplitude) or told > 0.5 * short, (graph, mode.key, solved.achieved, told)


@pytest.mark.parametrize(
    ("structure", "motif", "amplitude"), [(_FLOPPY, 1, 0.043), (_TREE, 0, 0.0252), (_STRAINED, 0, 0.0625)]
)
def test_floppy_networks_give_what_they_allow(structure, motif, amplitude):
    """Found by the property above when it was stricter: answered by two thirds although nothing forbids the whole."""
    graph = find_motifs(structure)
    able = [m for m in graph.motifs if m.ligands]
    modes = distortion_modes(structure, able[motif], graph=graph)
    mode = next(m for m in modes if m.block != "rotation")
    solved = Distorter(structure, graph).solve({mode: amplitude})
    assert solved.achieved[mode.key] == pytest.approx(amplitude, rel=0.05)


@checked(40)
@given(crystals(), st.sampled_from(["motif", "orbit", "all"]))
def test_amplitude_zero_is_the_identity(structure, scope):
    graph = find_motifs(structure)
    able = [m for m in graph.motifs if m.ligands]
    assume(able)
    modes = distortion_modes(structure, able[0], scope, graph=graph)
    made = distort(structure, {m: 0.0 for m in modes}, graph=graph)
    assert np.array_equal(made.cart_coords, structure.cart_coords)
    assert np.array_equal(made.lattice.matrix, structure.lattice.matrix)
    assert made.species == structure.species


@pytest.mark.xfail(strict=False, reason="collinear motifs are answered differently in a generally turned frame")
@checked(40)
@given(crystals(), changes(cell=False), st.integers(0, 99), st.integers(0, 99), st.sampled_from(["motif", "orbit"]))
@example(corpus("perov_5").structure(3353), Change(rotation(1), np.zeros(3), np.eye(3, dtype=int), 0), 53, 1, "orbit")
def test_distorting_follows_a_turned_and_reordered_crystal(structure, change, motif, number, scope):
    pair = Pair(structure, change)
    mode = chosen(structure, pair.before, motif, number, scope)
    to = {old.index: (new.index, ligands) for old, new, ligands in pair.motifs()}
    before = Distorter(pair.old, pair.before).solve({mode: 0.05})
    after = Distorter(pair.new, pair.after).solve({carried(mode, change, to): 0.05})
    assert before.converged == after.converged
    assume(before.converged)
    costs = [before.cost[next(o.index for o, n, _ in pair.motifs() if n.index == k)] for k in range(len(after.cost))]
    np.testing.assert_allclose(after.cost, costs, atol=1e-5)
    moved = after.positions - pair.new.cart_coords
    expected = (before.positions - pair.old.cart_coords)[pair.source] @ change.turn.T
    expected -= expected.mean(axis=0)
    # a floppy network may stop while it still drifts where no motif feels it: by far less than it has moved
    tolerance = max(1e-4, 0.02 * np.abs(expected).max())
    np.testing.assert_allclose(after.cell, before.cell @ change.turn.T, atol=tolerance)
    np.testing.assert_allclose(moved - moved.mean(axis=0), expected, atol=tolerance)
