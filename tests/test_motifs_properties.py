"""What must hold of motifs, modes and distortions on any crystal, however it is written down."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from motifdesk.motifs import (
    Distorter,
    Mode,
    Motif,
    MotifGraph,
    crystal_modes,
    distort,
    distortion_modes,
    find_motifs,
)
from motifdesk.motifs.figures.measure import Measures, measure_motif
from motifdesk.structures import corpus, read
from tests.strategies import Change, changes, crystals, real_crystals, rotation


def checked(examples: int):
    """The same examples on every machine, however slow it is."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )


class Pair:
    """A crystal, the same crystal changed, the motifs of both and which belongs to which."""

    def __init__(self, structure: Structure, change: Change) -> None:
        self.change, self.old = change, structure
        self.new, self.source = change(structure)
        self.before, self.after = find_motifs(structure), find_motifs(self.new)

    def motifs(self) -> list[tuple[Motif, Motif, list[int]]]:
        """(old motif, new motif, for each ligand of the new one the old ligand it is) for every new motif."""
        out = []
        for motif in self.after.motifs:
            old = self.before.motif_at(int(self.source[motif.centre]))
            assert old is not None, f"{motif.name} is no centre in the crystal as it was"
            out.append((old, motif, self._ligands(old, motif)))
        return out

    def _ligands(self, old: Motif, new: Motif) -> list[int]:
        was, now = bonds(self.old, old), bonds(self.new, new) @ self.change.turn
        assert len(was) == len(now), f"{old.name} has {len(was)} ligands, changed it has {len(now)}"
        sites = [int(self.source[x.site]) for x in new.ligands]
        out = []
        for site, vector in zip(sites, now, strict=True):
            same = [
                k
                for k, x in enumerate(old.ligands)
                if x.site == site and np.linalg.norm(was[k] - vector) < 1e-4 and k not in out
            ]
            assert same, f"{old.name}: the ligand at {vector.round(3)} was none before"
            out.append(same[0])
        return out


def bonds(structure: Structure, motif: Motif) -> np.ndarray:
    positions = motif.positions(structure)
    return positions[1:] - positions[0]


def same(a: float | None, b: float | None, tolerance: float = 1e-5) -> bool:
    return a is b if a is None or b is None else abs(a - b) <= tolerance * max(1.0, abs(a))


def neighbour_vectors(structure: Structure, graph: MotifGraph, site: int) -> list[tuple[int, np.ndarray]]:
    cell = structure.lattice.matrix
    here = structure.cart_coords
    return [(x.site, here[x.site] + np.array(x.image) @ cell - here[site]) for x in graph.neighbours[site]]


@checked(60)
@given(crystals(), changes(supercell=3))
def test_neighbour_sets_do_not_depend_on_how_a_crystal_is_written(structure, change):
    pair = Pair(structure, change)
    for site in range(len(pair.new)):
        was = neighbour_vectors(pair.old, pair.before, int(pair.source[site]))
        now = [(int(pair.source[k]), v @ change.turn) for k, v in neighbour_vectors(pair.new, pair.after, site)]
        assert len(was) == len(now), (pair.old.formula, site)
        for k, vector in now:
            assert any(k == old and np.linalg.norm(vector - v) < 1e-4 for old, v in was), (pair.old.formula, site)


@checked(60)
@given(crystals(), changes(supercell=3))
def test_motifs_links_units_and_orbits_are_those_of_the_crystal(structure, change):
    pair = Pair(structure, change)
    n = change.multiplicity
    before, after = pair.before, pair.after
    assert (before.kind, len(after.motifs)) == (after.kind, n * len(before.motifs))
    assert len(after.links) == n * len(before.links)
    kinds = [Counter(x.kind for x in graph.links) for graph in (before, after)]
    assert kinds[1] == {kind: n * count for kind, count in kinds[0].items()}
    for old, new, _ in pair.motifs():
        assert (old.formula, old.symbol, old.shape) == (new.formula, new.symbol, new.shape)
        assert same(old.csm, new.csm, 2e-4)
        assert before.sharing(old) == after.sharing(new)
    if n == 1:
        names = [Counter((u.kind, u.dimensionality, len(u.motifs)) for u in graph.units) for graph in (before, after)]
        assert names[0] == names[1]


def orbit_parts(pair: Pair) -> list[set[frozenset[int]]]:
    """The partition of the crystal's centres into orbits, before and after."""
    out = []
    for graph, origin in ((pair.before, range(len(pair.old))), (pair.after, pair.source)):
        out.append({frozenset(int(origin[graph.motifs[m].centre]) for m in orbit) for orbit in graph.orbits})
    return out


@checked(40)
@given(crystals(), changes())
def test_orbits_are_the_same_partition_in_any_cell_and_order(structure, change):
    pair = Pair(structure, change)
    before, after = orbit_parts(pair)
    assert before == after
    for orbit in pair.after.orbits:
        assert len({(pair.after.motifs[m].formula, pair.after.motifs[m].symbol) for m in orbit}) == 1


@checked(40)
@given(crystals(), changes(supercell=3))
@example(read("quartz-SiO2.cif"), Change(np.eye(3), np.zeros(3), np.diag([2, 1, 1])))
def test_orbits_of_a_supercell_are_the_crystals_with_more_members(structure, change):
    pair = Pair(structure, change)
    before, after = orbit_parts(pair)
    assert before == after
    sizes = [sorted(len(orbit) for orbit in graph.orbits) for graph in (pair.before, pair.after)]
    assert sizes[1] == [change.multiplicity * size for size in sizes[0]]


# measures -------------------------------------------------------------------------------------------------------------

_PLAIN = (
    "mean_length", "shortest", "longest", "bond_length_distortion", "volume", "quadratic_elongation",
    "bond_angle_variance", "csm", "zeta", "delta", "sigma", "theta",
)  # fmt: skip


def invariants(found: Measures) -> dict[str, float | None]:
    """Measures that know no axes: the van Vleck amplitudes enter as the lengths of their irreps."""
    out: dict[str, float | None] = {name: getattr(found, name) for name in _PLAIN}
    q = found.q
    out["A1g"] = None if q is None else q[0]
    out["Eg"] = None if q is None else float(np.hypot(q[1], q[2]))
    out["T2g"] = None if q is None else float(np.linalg.norm(q[3:]))
    return out


@checked(40)
@given(crystals(), changes(supercell=2))
def test_measures_do_not_depend_on_how_a_crystal_is_written(structure, change):
    pair = Pair(structure, change)
    for old, new, _ in pair.motifs():
        was, now = measure_motif(pair.old, old), measure_motif(pair.new, new)
        if was is None or now is None:
            assert was is now
            continue
        found = invariants(now)
        for name, value in invariants(was).items():
            assert same(value, found[name], 1e-4), (old.name, name, value, found[name])


@checked(30)
@given(real_crystals(), st.floats(0.5, 3.0))
def test_measures_scale_as_their_units_say(structure, factor):
    """Lengths with the factor, volumes with its cube, pure numbers and angles not at all."""
    graph = find_motifs(structure)
    larger = Structure(structure.lattice.matrix * factor, structure.species, structure.frac_coords)
    powers = {"mean_length": 1, "shortest": 1, "longest": 1, "zeta": 1, "A1g": 1, "Eg": 1, "T2g": 1, "volume": 3}
    for motif in graph.motifs:
        was, now = measure_motif(structure, motif), measure_motif(larger, motif)
        if was is None or now is None:
            assert was is now
            continue
        found = invariants(now)
        for name, value in invariants(was).items():
            expected = None if value is None else value * factor ** powers.get(name, 0)
            assert same(expected, found[name], 1e-4), (motif.name, name)


# modes ----------------------------------------------------------------------------------------------------------------


def spaces(modes: tuple[Mode, ...]) -> dict[tuple[str, str], np.ndarray]:
    """(block, irrep) -> projector float [3k, 3k] on the displacements it spans."""
    found: dict[tuple[str, str], list[np.ndarray]] = {}
    for mode in modes:
        found.setdefault((mode.block, mode.irrep), []).append(mode.vectors.ravel())
    return {key: np.array(rows).T @ np.array(rows) for key, rows in found.items()}


def unmistakable(motif: Motif) -> bool:
    """Whether there is one best way to lay the ideal figure on a motif: what lies between two figures, or far from
    all, has several that are as good, and which is taken is convention."""
    return motif.csm is not None and motif.csm < 3.0 and not motif.symbol.startswith("?")


@checked(50)
@given(crystals(), changes(supercell=2))
def test_modes_have_the_same_irreps_and_span_the_same_displacements(structure, change):
    pair = Pair(structure, change)
    seen = set()
    for old, new, ligands in pair.motifs():
        if not old.ligands or old.index in seen:
            continue
        seen.add(old.index)
        was = distortion_modes(pair.old, old, graph=pair.before)
        now = distortion_modes(pair.new, new, graph=pair.after)
        assert len(was) == len(now) == 3 * len(old.ligands)
        assert Counter(m.block for m in was) == Counter(m.block for m in now)
        if not unmistakable(old):
            continue
        assert Counter((m.block, m.irrep) for m in was) == Counter((m.block, m.irrep) for m in now)
        turned = spaces(tuple(carried(m, change, {old.index: (new.index, ligands)}) for m in was))
        found = spaces(now)
        for key, projector in turned.items():
            assert np.abs(projector - found[key]).max() < 2e-3, (old.name, key)


def carried(mode: Mode, change: Change, to: dict[int, tuple[int, list[int]]]) -> Mode:
    """A mode of the crystal as it was, on the changed one: motif -> (motif, old ligand of each new ligand)."""
    targets = tuple(
        (to[index][0], np.ascontiguousarray(vectors[to[index][1]] @ change.turn.T)) for index, vectors in mode.targets
    )
    return replace(mode, motif=targets[0][0], vectors=targets[0][1], targets=targets)


@checked(60)
@given(crystals())
def test_modes_are_orthonormal_and_complete_in_every_block(structure):
    graph = find_motifs(structure)
    for orbit in graph.orbits:
        motif = graph.motifs[orbit[0]]
        if not motif.ligands:
            continue
        modes = distortion_modes(structure, motif, "orbit", graph=graph)
        vectors = np.array([m.vectors.ravel() for m in modes])
        k = len(motif.ligands)
        assert len(modes) == 3 * k
        for block in ("stretch", "bend", "rotation"):
            rows = vectors[[m.block == block for m in modes]]
            np.testing.assert_allclose(rows @ rows.T, np.eye(len(rows)), atol=1e-9)
        stretch = sum(m.block == "stretch" for m in modes)
        assert stretch == k
        assert np.linalg.matrix_rank(vectors, tol=1e-6) == 3 * k
        for mode in modes:
            assert {index for index, _ in mode.targets} == set(orbit)
            assert all(abs(np.linalg.norm(v) - 1) < 1e-3 for _, v in mode.targets)


@checked(60)
@given(real_crystals())
def test_modes_carried_by_symmetry_keep_their_unit_norm(structure):
    graph = find_motifs(structure)
    for orbit in graph.orbits:
        if graph.motifs[orbit[0]].ligands:
            for mode in distortion_modes(structure, orbit[0], "orbit", graph=graph):
                assert all(abs(np.linalg.norm(v) - 1) < 1e-9 for _, v in mode.targets)


# distorting -----------------------------------------------------------------------------------------------------------


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


# the net and the modes of the whole crystal ---------------------------------------------------------------------------


@checked(30)
@given(crystals(), changes(supercell=2))
def test_nets_have_the_same_shells_and_rings_however_a_crystal_is_written(structure, change):
    pair = Pair(structure, change)
    if pair.before.kind != pair.after.kind or not pair.before.links:
        return
    shells = []
    for graph, origin in ((pair.before, range(len(pair.old))), (pair.after, pair.source)):
        net = graph.net()
        found = {}
        for k, node in enumerate(net.nodes):
            if node.motif >= 0:
                centre = int(origin[graph.motifs[node.motif].centre])
                found.setdefault(centre, set()).add(net.coordination_sequence(k, shells=4))
        shells.append((net.dimensionality, found))
    assert shells[0] == shells[1]


@checked(25)
@given(real_crystals(most=8), changes(cell=False, mirror=False), st.integers(0, 99), st.floats(0.02, 0.3))
def test_crystal_modes_give_back_their_amplitude_and_keep_their_irreps(structure, change, number, amplitude):
    modes = crystal_modes(structure)
    vectors = np.array([m.vectors.ravel() for m in modes])
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(len(modes)), atol=1e-6)
    mode = modes[number % len(modes)]
    made = modes.apply({mode: amplitude})
    found = modes.amplitudes(made.cart_coords - modes.supercell.cart_coords)
    for key, value in found.items():
        assert abs(value - (amplitude if key == mode.key else 0.0)) < 1e-6, key
    other = crystal_modes(change(structure)[0])
    assert Counter(m.irrep for m in modes) == Counter(m.irrep for m in other)
