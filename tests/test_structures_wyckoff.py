"""Wyckoff positions: multiplicity in the conventional cell, whatever cell the crystal is given in."""

from __future__ import annotations

from collections import Counter

import pytest

import motifdesk as md
from motifdesk.structures.errors import StructureError
from motifdesk.structures.symmetry import wyckoff_positions


@pytest.mark.parametrize("name", ["rutile-TiO2.cif", "quartz-SiO2.cif", "BaTiO3-cubic.cif", "CaTiO3.cif", "beryl.cif"])
def test_they_are_those_that_spglib_names(name):
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    structure = md.read(name)
    theirs = SpacegroupAnalyzer(structure, 0.01).get_symmetrized_structure()
    wanted = Counter()
    for sites, symbol in zip(theirs.equivalent_indices, theirs.wyckoff_symbols, strict=True):
        wanted[symbol] += len(sites)
    assert Counter(wyckoff_positions(structure)) == wanted


@pytest.mark.parametrize("name", ["beta-Li2IrO3.cif", "KCuF3.cif", "Si.cif"])
def test_the_primitive_cell_and_a_supercell_tell_the_same(name):
    whole = set(wyckoff_positions(md.read(name)))
    assert set(wyckoff_positions(md.read(name, cell="primitive"))) == whole
    assert set(wyckoff_positions(md.read(name, cell="primitive") * (2, 1, 1))) == whole


def test_a_molecule_has_none():
    with pytest.raises(StructureError, match="molecule"):
        wyckoff_positions(md.read("benzene.xyz"))
