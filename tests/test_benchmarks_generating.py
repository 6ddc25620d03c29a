"""The measures of generated crystals: definitions that everyone else's figures were made with."""

import warnings

import numpy as np
import pytest

from motifdesk.structures import AtomArrays, corpus, from_arrays

pytest.importorskip("matminer")
generating = pytest.importorskip("benchmarks.generating")


@pytest.fixture(scope="module")
def crystals():
    c = corpus("mp_20")
    small = np.flatnonzero(c.natoms <= 4)
    return [c[int(k)] for k in small[:8]]


def test_a_reference_covers_itself_and_what_could_not_be_made_counts_against_the_precision(crystals):
    assert generating.coverage(crystals, crystals) == (1.0, 1.0)
    recall, precision = generating.coverage([*crystals, None, None], crystals)
    assert recall == 1.0 and precision == pytest.approx(len(crystals) / (len(crystals) + 2))
    fewer = generating.coverage(crystals[:1], crystals)
    assert fewer[1] == 1.0 and fewer[0] < 1.0
    found = generating.measures([*crystals, None], crystals)
    assert found["validity_structure"] == pytest.approx(8 / 9)
    assert found["wasserstein_density"] < 1.0 and found["wasserstein_elements"] < 0.5


def test_fingerprints_of_like_sites_are_the_mean_over_all_sites(crystals):
    sites, _ = generating._featurizers()
    many = max(crystals, key=len)
    structure = from_arrays(many)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = np.mean([sites.featurize(structure, k) for k in range(len(structure))], axis=0)
    assert np.linalg.norm(generating.fingerprints(many)[0] - plain) < 0.01  # the cutoff is 0.4


def test_overlapping_atoms_and_collapsed_cells_are_no_valid_structures():
    cell = 4.0 * np.eye(3)
    assert generating.structure_valid(AtomArrays([11, 17], [[0, 0, 0], [2, 2, 2.0]], cell))
    assert not generating.structure_valid(AtomArrays([11, 17], [[0, 0, 0], [0.3, 0, 0]], cell))
    assert generating.composition_valid("Na1Cl1") and not generating.composition_valid("Na1Cl3")
