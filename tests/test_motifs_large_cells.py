"""What is done otherwise in large cells gives the same answers as the plain way."""

import numpy as np
import pytest

from motifdesk.motifs import find_motifs
from motifdesk.motifs.detection import equivalence
from motifdesk.motifs.detection.neighbours import NeighbourList
from motifdesk.structures import read, symmetry
from motifdesk.structures.arrays import AtomArrays, to_arrays


@pytest.mark.parametrize("kick", [0.0, 0.03, 0.3])
def test_the_order_of_the_search_changes_no_orbit_and_no_space_group(monkeypatch, kick):
    crystal = read("SrTiO3.cif", cell="primitive")
    crystal.make_supercell([4, 4, 4])
    arrays = to_arrays(crystal)
    positions = np.array(arrays.positions)
    positions[70:73] += [[0.0, 0.0, kick], [0.0, kick, 0.0], [kick, 0.0, 0.0]]
    arrays = AtomArrays(arrays.numbers, positions, arrays.cell)
    order = symmetry.odd_first(arrays)
    assert sorted(order) == list(range(len(arrays)))
    if kick:
        assert {70, 71, 72} <= set(order[:40].tolist())
    kinds = np.unique(arrays.numbers, return_inverse=True)[1]
    found, group = equivalence.site_classes(arrays, kinds, 0.01), symmetry.space_group(arrays)
    monkeypatch.setattr(symmetry, "_MANY", 10**9)
    plain = equivalence.site_classes(arrays, kinds, 0.01)
    assert group == symmetry.space_group(arrays) and (found.orbit == plain.orbit).all()
    assert (found.orbit <= np.arange(len(arrays))).all()


def test_images_and_close_pairs_are_those_of_the_plain_search(monkeypatch):
    rng = np.random.default_rng(3)
    for trial in range(40):
        count = int(rng.integers(2, 150))
        cell = rng.normal(size=(3, 3)) * 2 + np.eye(3) * 12
        fractional = rng.random((count, 3)) * 2 - 0.5
        if trial % 4 == 0:
            fractional[:, 2] = 0.25  # a sheet
        kinds = rng.integers(0, 2, count)
        kinds[:2] = 0, 1
        arrays = AtomArrays(kinds + 1, fractional @ cell, cell)
        site = rng.integers(0, count, 200)
        x = (
            arrays.fractional[site]
            + rng.integers(-2, 3, (200, 3))
            + rng.normal(size=(200, 3)) * rng.choice([1e-4, 0.1])
        )
        answers = []
        for many in (10**9, 0):
            monkeypatch.setattr(equivalence, "_MANY", many)
            answers.append(equivalence._sites_at(arrays, kinds, x, kinds[site]))
        assert all((a == b).all() for a, b in zip(*answers, strict=True))

        neighbours = NeighbourList(cell, fractional)
        delta = neighbours._reduced[:, None] - neighbours._reduced
        apart = np.linalg.norm((delta - np.rint(delta)) @ neighbours._short, axis=-1) + 99.0 * np.eye(count)
        a, b = divmod(int(apart.argmin()), count)
        pair = neighbours.closer_than(0.5)
        assert (pair is None) == (apart[a, b] >= 0.5)
        assert pair is None or (pair[:2] == (min(a, b), max(a, b)) and pair[2] == pytest.approx(apart[a, b]))


def test_motifs_of_a_large_supercell_are_those_of_the_crystal():
    crystal = read("quartz-SiO2.cif", cell="primitive")
    small = find_motifs(crystal)
    crystal.make_supercell([4, 4, 4])
    large = find_motifs(crystal)
    assert len(large.motifs) == 64 * len(small.motifs)
    assert {m.formula for m in large.motifs} == {"SiO4"} and len(large.orbits) == len(small.orbits)
    assert len(large.links) == 64 * len(small.links)
    first = large.motifs[0]
    np.testing.assert_allclose(first.positions(large.placed), first.positions(large.structure), atol=1e-12)
