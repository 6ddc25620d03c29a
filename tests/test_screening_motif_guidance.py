"""Guidance towards a motif: who holds it, what is drawn, and that nothing is claimed that is not there."""

from __future__ import annotations

import numpy as np
import pytest

from motifdesk.atlas.density import fit_density
from motifdesk.screening import ScreeningError, make_generator
from motifdesk.screening.generators.motif_guidance import MotifGuide
from motifdesk.screening.placing import the_atlas
from motifdesk.structures import read, to_arrays
from motifdesk.structures.arrays import element_symbols


def counts_of(**amounts):
    out = np.zeros(94, dtype=int)
    for symbol, n in amounts.items():
        out[element_symbols().index(symbol) - 1] = n
    return out


def test_holders_have_the_motif_in_the_same_role_whatever_their_elements():
    guide = MotifGuide({"formula": "SiO4", "sharing": "corner"}, "test")
    counts = counts_of(Si=2, O=4)
    found = guide.holders(counts)
    assert 3 <= len(found) < 200
    for place in found[:3].tolist():
        arrays = the_atlas().arrays(place)
        z, n = np.unique(arrays.numbers, return_counts=True)
        assert sorted(n.tolist()) == [2, 4]
        symbols = element_symbols()
        centre, ligand = symbols[int(z[n.argmin()])], symbols[int(z[n.argmax()])]
        holds, why = MotifGuide({"formula": f"{centre}{ligand}4", "sharing": "corner"}, "test").holds(arrays)
        assert holds, why
    edges = MotifGuide({"formula": "SiO6", "sharing": "edge"}, "test").holders(counts)
    assert set(edges.tolist()) != set(found.tolist())


def test_what_is_drawn_keeps_composition_and_volume_and_lies_near_a_holder():
    guide = MotifGuide({"formula": "SiO4", "sharing": "corner"}, "test")
    density = fit_density(the_atlas())
    drawn = density.sample(1, seed=1, formula="Si2O4", temperature=0.3)
    rng = np.random.default_rng(0)
    root, holder = guide.tilt(drawn.root, density, 0.3, rng)
    from motifdesk.codec.codes import COUNTS, GEOMETRY, LATTICE

    assert (root[0, COUNTS] == drawn.root[0, COUNTS]).all()
    assert root[0, LATTICE.start + 1] == drawn.root[0, LATTICE.start + 1]
    atlas = the_atlas()
    latent = root[0, GEOMETRY] @ np.linalg.pinv(atlas._back) - atlas._offset
    holders = guide.holders(counts_of(Si=2, O=4))
    gaps = np.linalg.norm(atlas._latent[holders][:, :24] - latent[:24], axis=1)
    assert str(atlas.columns["id"][holders[gaps.argmin()]]) == holder
    again, _ = guide.tilt(drawn.root, density, 0.3, np.random.default_rng(0))
    assert np.array_equal(root, again), "the same seed draws the same code"


def test_quartz_is_reached_by_guidance_and_said_to_be_what_it_is():
    wish = {"formula": "SiO4", "sharing": "corner"}
    generator = make_generator({"kind": "density", "count": 4, "formula": "Si2O4", "motif": wish})
    made = [generator.make(k) for k in range(4)]
    guide = MotifGuide(wish, "test")
    for c in made:
        assert c.recipe["motif"] == wish and c.recipe["motif_found"] == guide.holds(c.arrays)[0]
    assert sum(c.recipe["motif_found"] for c in made) >= 1


def test_the_check_says_what_a_structure_holds():
    guide = MotifGuide({"formula": "TiO6", "sharing": "edge"}, "test")
    assert guide.holds(to_arrays(read("rutile-TiO2.cif"))) == (True, "")
    holds, why = guide.holds(to_arrays(read("SrTiO3.cif")))
    assert not holds and "corner" in why


@pytest.mark.parametrize(
    ("motif", "more", "said"),
    [
        ({"formula": "O6"}, {"formula": "Ti2O4"}, "no motif"),
        ({"formula": "TiO6", "sharing": "wing"}, {"formula": "Ti2O4"}, "wing"),
        ({"formula": "XxO6"}, {"formula": "Ti2O4"}, "no elements"),
        ({"formula": "TiO6", "share": "edge"}, {"formula": "Ti2O4"}, "sharing"),
        ({"formula": "TiO6"}, {}, "needs a formula"),
        ({"formula": "TiO6"}, {"formula": "Ti2O4", "space_group": 136}, "needs a formula"),
    ],
)
def test_a_wish_that_cannot_be_honoured_is_refused_before_anything_runs(motif, more, said):
    with pytest.raises(ScreeningError, match=said):
        make_generator({"kind": "density", "count": 2, "motif": motif, **more})


def test_a_motif_of_other_elements_is_an_error_of_its_candidate():
    generator = make_generator({"kind": "density", "count": 1, "formula": "Si2O4", "motif": {"formula": "TiO6"}})
    assert "has no Ti" in generator.make(0).error
