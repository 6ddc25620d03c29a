"""Carrying a code over the map with its species kept: local, smooth, and exact on a known polymorph."""

import numpy as np
import pytest

import motifdesk as md
from motifdesk.codec.codes import GEOMETRY


@pytest.fixture(scope="module")
def atlas():
    codec = md.load_codec()
    return md.load_atlas(codec=codec)


@pytest.fixture(scope="module")
def home(atlas):
    codes = atlas.codec.encode([md.read("beta-Li2IrO3.cif", cell="primitive")])
    return codes, atlas.project(codes)[0]


def test_a_code_carried_nowhere_stays_and_a_small_step_is_a_small_change(atlas, home):
    codes, start = home
    apart = lambda a, b: float(np.linalg.norm(a.geometry[0] - b.geometry[0]))  # noqa: E731
    far = start + np.array([-6.0, -3.0])
    steps = [atlas.carry(codes, start, start + t * (far - start)) for t in np.linspace(0.3, 0.31, 6)]
    whole = apart(atlas.carry(codes, start, far), codes)
    assert whole > 1.0
    assert max(apart(a, b) for a, b in zip(steps[:-1], steps[1:], strict=True)) < 0.1 * whole


def test_on_a_known_structure_of_the_same_composition_it_is_that_structure(atlas, home):
    codes, start = home
    same = [k for k, f in enumerate(atlas.columns["formula"]) if f == "Li2IrO3"]
    assert same
    for k in same[:3]:
        carried = atlas.carry(codes, start, atlas.xy[k])
        np.testing.assert_allclose(carried.root[0, GEOMETRY], atlas.code(k).root[0, GEOMETRY], atol=1e-3)
    other = next(k for k, f in enumerate(atlas.columns["formula"]) if f == "NaCl")
    carried = atlas.carry(codes, start, atlas.xy[other])
    assert np.abs(carried.root[0, GEOMETRY] - atlas.code(other).root[0, GEOMETRY]).max() > 0.5
    np.testing.assert_array_equal(carried.counts[0], codes.counts[0])
