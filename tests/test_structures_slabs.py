"""Slabs: the planes asked for, every site once a layer, and nothing but the crystal inside."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import motifdesk as md
from motifdesk.structures.errors import StructureError
from motifdesk.structures.slabs import cut, miller, surface_vectors

INDICES = st.tuples(*[st.integers(-4, 4)] * 3).filter(any)
NAMES = ("Si.cif", "rutile-TiO2.cif", "beta-Li2IrO3.cif", "quartz-SiO2.cif", "NaIrO3.cif")


@settings(deadline=None, max_examples=60)
@given(INDICES, st.sampled_from(NAMES))
def test_surface_vectors_span_the_plane_and_the_next_one(indices, name):
    cell = md.read(name).lattice.matrix
    hkl = miller(indices)
    rows = surface_vectors(hkl, cell)
    np.testing.assert_array_equal(rows @ np.array(hkl), [0, 0, 1])
    assert round(float(np.linalg.det(rows))) == 1
    u, v, _ = rows @ cell
    assert np.linalg.norm(u) <= np.linalg.norm(v) + 1e-6
    for i, j in itertools.product(range(-2, 3), repeat=2):  # the two shortest of the plane
        if j:
            assert np.linalg.norm(i * u + j * v) >= np.linalg.norm(v) - 1e-6


@settings(deadline=None, max_examples=40)
@given(INDICES, st.sampled_from(NAMES), st.integers(1, 4), st.sampled_from([0.0, 12.0]))
def test_a_slab_holds_every_site_once_a_layer_inside_its_box(indices, name, layers, vacuum):
    structure = md.read(name)
    cell = structure.lattice.matrix
    slab = cut(structure.cart_coords, cell, indices, layers, vacuum)
    assert slab.image.shape == (len(structure), layers, 3)
    placed = structure.cart_coords[:, None] + slab.image @ cell
    u, v, third = slab.box @ cell
    normal = np.cross(u, v) / np.linalg.norm(np.cross(u, v))
    inside = (placed - slab.origin @ cell) @ np.linalg.inv(np.array([u, v, normal]))
    assert (inside[..., :2] > -1e-4).all() and (inside[..., :2] < 1 + 1e-4).all()
    assert inside[..., 2].min() > 0.5 * vacuum - 1e-4
    assert inside[..., 2].max() < layers * slab.spacing + 0.5 * vacuum + 1e-4
    assert third @ normal == pytest.approx(layers * slab.spacing + vacuum)
    assert len(np.unique(np.round(placed.reshape(-1, 3), 4), axis=0)) == placed.size // 3, "no two atoms in one place"
    # the thickness of a layer is the spacing of the planes
    assert slab.spacing == pytest.approx(structure.lattice.d_hkl(slab.hkl))


def test_rutile_110_is_cut_like_pymatgens_slab():
    from pymatgen.core.surface import SlabGenerator

    structure = md.read("rutile-TiO2.cif")
    slab = cut(structure.cart_coords, structure.lattice.matrix, (1, 1, 0), 2, 10.0)
    theirs = SlabGenerator(structure, (1, 1, 0), 2, 10.0, in_unit_planes=True, primitive=False, lll_reduce=True)
    area = np.linalg.norm(np.cross(*(slab.box @ structure.lattice.matrix)[:2]))
    assert area == pytest.approx(theirs.get_slabs()[0].surface_area)
    assert slab.spacing == pytest.approx(theirs._proj_height)


@pytest.mark.parametrize(
    ("given", "hkl"), [("1 1 0", (1, 1, 0)), ("1-10", (1, -1, 0)), ((2, 2, 0), (1, 1, 0)), ("0,0,2", (0, 0, 1))]
)
def test_miller_indices_are_read_as_they_are_written(given, hkl):
    assert miller(given) == hkl


@pytest.mark.parametrize("given", ["", "11", "a b c", (0, 0, 0), (1, 2), (1, 0.5, 0), (99, 0, 0), None, "1--0", 7])
def test_what_are_no_miller_indices_is_told(given):
    with pytest.raises(StructureError, match="Miller indices"):
        miller(given)


@pytest.mark.parametrize(
    ("layers", "vacuum", "words"),
    [(0, 10, "layers"), (1.5, 10, "layers"), (3, -1, "vacuum"), (3, float("nan"), "vacuum"), (99, 1, "layers")],
)
def test_bad_thickness_is_told(layers, vacuum, words):
    structure = md.read("Si.cif")
    with pytest.raises(StructureError, match=words):
        cut(structure.cart_coords, structure.lattice.matrix, (1, 1, 1), layers, vacuum)
