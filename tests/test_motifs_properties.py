"""What must hold of motifs, modes and distortions on any crystal, however it is written down."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from pymatgen.core import Structure

from motifdesk.motifs import (
    Mode,
    MotifGraph,
    crystal_modes,
    distortion_modes,
    find_motifs,
)
from motifdesk.motifs.figures.measure import Measures, measure_motif
from motifdesk.structures import read
from tests.pairs import Pair, carried, checked, same, unmistakable
from tests.strategies import Change, changes, crystals, real_crystals


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
