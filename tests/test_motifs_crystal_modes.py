"""Modes of whole crystals: wavevectors, irreps, directions of the order parameter and the space groups they lead to."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from motifdesk.motifs.crystal_modes import crystal_modes


@pytest.fixture(scope="module")
def perovskite():
    return Structure.from_spacegroup("Pm-3m", Lattice.cubic(3.9), ["Sr", "Ti", "O"], [[0.5] * 3, [0] * 3, [0.5, 0, 0]])


@pytest.fixture(scope="module")
def doubled(perovskite):
    return crystal_modes(perovskite, (2, 2, 2))


def test_modes_of_a_doubled_perovskite_are_a_complete_orthonormal_basis_of_32_irreps(doubled):
    assert len(doubled) == 120
    np.testing.assert_allclose(doubled.basis @ doubled.basis.T, np.eye(120), atol=1e-9)
    assert sum(m.component == 1 for m in doubled) == 32
    assert {m.point for m in doubled} == {"GM", "X", "M", "R"}
