"""The density of codes: what is known is usual, draws keep what they were asked for."""

import numpy as np
import pytest

from motifdesk.atlas import load_atlas
from motifdesk.atlas.density import fit_density
from motifdesk.codec import Codes, load_codec
from motifdesk.codec.codes import GEOMETRY
from motifdesk.structures.errors import AtlasError


@pytest.fixture(scope="module")
def codec():
    return load_codec(device="cpu")


@pytest.fixture(scope="module")
def atlas(codec):
    return load_atlas(codec=codec)


@pytest.fixture(scope="module")
def density(atlas):
    return fit_density(atlas)


def test_known_structures_are_usual_and_foreign_geometries_are_not(codec, atlas, density):
    known = codec.encode([atlas.arrays(i) for i in range(0, len(atlas), 800)], symmetry=False)
    usual = density.percentile(known)
    assert 25 < np.median(usual) < 75
    root = known.root.copy()
    root[:, GEOMETRY] = np.roll(root[:, GEOMETRY], len(root) // 2, axis=0)  # another structure's geometry
    assert np.median(density.percentile(Codes(root, (), known.version))) < 2


def test_draws_keep_the_composition_and_are_as_usual_as_what_is_known(density):
    codes = density.sample(12, seed=3, formula="Ti2O4")
    assert (codes.natoms == 6).all() and codes.is_crystal.all()
    assert (codes.counts[:, 21] == 2).all() and (codes.counts[:, 7] == 4).all()
    assert np.median(density.percentile(codes)) > 5
    mixed = density.sample(12, seed=3, max_atoms=8)
    assert mixed.natoms.max() <= 8
    assert not density.sample(3, seed=1, crystal=False, max_atoms=12).is_crystal.any()


def test_a_seed_draws_the_same_codes_and_another_seed_others(density):
    a, b, c = (density.sample(3, seed=s, formula="SiO2").root for s in (0, 0, 1))
    assert np.array_equal(a, b) and not np.allclose(a, c)


def test_a_colder_draw_is_more_usual(density):
    cold, hot = (density.sample(24, seed=0, formula="Ti2O4", temperature=t) for t in (0.2, 2.0))
    assert density.log_density(cold).mean() > density.log_density(hot).mean()


def test_a_drawn_code_decodes_to_atoms_of_its_composition_and_admits_that_it_is_off(codec, density):
    made = codec.decode(
        density.sample(1, seed=0, formula="Ti2O4"), proposals=("corpus",), max_proposals=2, max_seconds=None
    )[0]
    assert made.arrays is not None and sorted(made.arrays.numbers) == [8, 8, 8, 8, 22, 22]
    assert not made.converged and made.residual > 1e-4


@pytest.mark.parametrize("formula", ["", "Ti0.5O", "Xx2", "TiO17H3Fe5Cl2Br9N11"])
def test_what_cannot_be_drawn_is_refused(density, formula):
    with pytest.raises(AtlasError, match="sample"):
        density.sample(1, formula=formula)


def test_no_samples_are_refused(density):
    with pytest.raises(AtlasError, match="sample"):
        density.sample(0)
