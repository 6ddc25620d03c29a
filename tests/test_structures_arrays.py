"""Arrays, symmetry, cells, near pairs and the bundled corpora."""

import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure

from motifdesk.data import path
from motifdesk.structures import (
    AtomArrays,
    Corpus,
    StructureError,
    corpora,
    corpus,
    development_split,
    equivalent_sites,
    from_arrays,
    read,
    space_group,
    symmetry_operations,
    to_arrays,
)
from motifdesk.structures.arrays import element_symbols
from motifdesk.structures.cells import in_cell
from motifdesk.structures.checks import close_pairs


def test_arrays_keep_order_and_come_back_with_their_dress():
    structure = read("beta-Li2IrO3.cif", cell="primitive")
    structure.add_oxidation_state_by_element({"Li": 1, "Ir": 4, "O": -2})
    structure.add_site_property("tag", list(range(24)))
    arrays = to_arrays(structure)
    assert arrays.formula == "IrLi2O3" and len(arrays) == 24
    np.testing.assert_allclose(arrays.positions, arrays.fractional @ arrays.cell)
    assert from_arrays(arrays, like=structure) == structure
    numbers = arrays.numbers.copy()
    numbers[0] = 11
    changed = from_arrays(AtomArrays(numbers, arrays.positions, arrays.cell), like=structure)
    assert str(changed[0].specie) == "Na" and str(changed[1].specie) == "Li+"
    with pytest.raises(StructureError, match="24"):
        from_arrays(AtomArrays([1], [[0, 0, 0]]), like=structure)


def test_symbols_are_pymatgens():
    from pymatgen.core import Element

    assert list(element_symbols()[1:]) == [Element.from_Z(z).symbol for z in range(1, 119)]


def test_arrays_are_read_only_copies():
    positions = np.zeros((1, 3))
    arrays = AtomArrays([6], positions)
    positions[:] = 1
    assert arrays.positions.sum() == 0
    with pytest.raises(ValueError):
        arrays.positions[0, 0] = 1


@pytest.mark.parametrize(
    ("numbers", "positions", "cell", "said"),
    [
        ([], np.empty((0, 3)), None, "no atom"),
        ([1, 1], [[0, 0, 0]], None, "do not fit"),
        ([0], [[0, 0, 0]], None, "atomic number 0"),
        ([119], [[0, 0, 0]], None, "atomic number 119"),
        ([1], [[0, 0, np.nan]], None, "position of atom 0"),
        ([1], [[0, 0, 0]], np.ones((3, 3)), "no volume"),
        ([1], [[0, 0, 0]], np.eye(3) * np.nan, "finite"),
    ],
)
def test_impossible_arrays_are_refused(numbers, positions, cell, said):
    with pytest.raises(StructureError, match=said):
        AtomArrays(numbers, positions, cell)


def test_disordered_structures_have_no_arrays():
    with pytest.raises(StructureError, match="site 0.*partly occupied"):
        to_arrays(Structure(Lattice.cubic(3), [{"Fe": 0.5, "Ni": 0.5}], [[0, 0, 0]]))


def test_operations_map_the_crystal_onto_itself():
    for name in ("quartz-SiO2.cif", "beta-Li2IrO3.cif", "CaTiO3.cif"):
        structure = read(name)
        rotations, translations = symmetry_operations(structure, 0.01)
        fractional, numbers = structure.frac_coords, np.array([s.specie.Z for s in structure])
        for w, t in zip(rotations, translations, strict=True):
            image = fractional @ w.T + t  # x' = W x + w on columns
            difference = image[:, None] - fractional[None]
            distance = np.linalg.norm((difference - np.round(difference)) @ structure.lattice.matrix, axis=-1)
            target = distance.argmin(1)
            assert distance.min(1).max() < 0.02
            assert sorted(target) == list(range(len(structure))) and (numbers[target] == numbers).all()
            # metric kept: W is an isometry of the lattice
            metric = structure.lattice.matrix @ structure.lattice.matrix.T
            np.testing.assert_allclose(w.T @ metric @ w, metric, atol=1e-6)


def test_equivalent_sites_are_the_wyckoff_orbits():
    orbits = equivalent_sites(read("beta-Li2IrO3.cif"))
    assert sorted(np.unique(orbits, return_counts=True)[1].tolist()) == [16, 16, 16, 16, 32]
    orbits = equivalent_sites(read("beta-Li2IrO3.cif", cell="primitive"))
    assert sorted(np.unique(orbits, return_counts=True)[1].tolist()) == [4, 4, 4, 4, 8]


def test_the_tolerance_decides_on_broken_symmetry():
    tilted = read("SrTiO3.cif") * (2, 2, 2)
    k = next(k for k, s in enumerate(tilted) if s.specie.symbol == "Ti")
    tilted.translate_sites([k], [0, 0, 0.05], frac_coords=False)
    assert space_group(tilted, 0.2).number == 221
    assert space_group(tilted, 0.001).number == 99
    for tolerance in (0, -1, np.nan):
        with pytest.raises(StructureError, match="tolerance"):
            space_group(tilted, tolerance)
    with pytest.raises(StructureError, match="molecule has no space group"):
        space_group(read("benzene.xyz"))


def test_space_groups_agree_with_the_corpus_labels():
    mp = corpus("mp_20")
    some = range(0, len(mp), 137)
    agree = [space_group(mp[k], 0.1).number == mp.labels["spacegroup_number"][k] for k in some]
    # the labels were found at symprec 0.1 by pymatgen with an angle tolerance: a few differ
    assert np.mean(agree) > 0.9


@settings(max_examples=30, deadline=None)
@given(
    cell=st.tuples(*[st.floats(2.0, 9.0)] * 3, *[st.floats(60.0, 120.0)] * 3),
    seed=st.integers(0, 2**31),
    n=st.integers(2, 25),
)
def test_close_pairs_vs_pymatgens_distance_matrix(cell, seed, n):
    a, b, c = np.radians(cell[3:])
    if 1 - np.cos(a) ** 2 - np.cos(b) ** 2 - np.cos(c) ** 2 + 2 * np.cos(a) * np.cos(b) * np.cos(c) < 0.1:
        return  # no such parallelepiped, or nearly flat
    lattice = Lattice.from_parameters(*cell)
    fractional = np.random.default_rng(seed).uniform(-1, 2, (n, 3))
    cutoff = 0.45 * float(1 / np.linalg.norm(np.linalg.inv(lattice.matrix), axis=0).max())
    pairs, distances = close_pairs(fractional @ lattice.matrix, lattice.matrix, cutoff)
    matrix = lattice.get_all_distances(fractional, fractional)
    expected = {(i, j) for i in range(n) for j in range(i + 1, n) if matrix[i, j] < cutoff - 1e-9}
    assert {tuple(p) for p in pairs.tolist()} == expected
    np.testing.assert_allclose(distances, [matrix[i, j] for i, j in pairs], atol=1e-8)


def test_a_supercell_and_back():
    structure = read("rutile-TiO2.cif")
    large = in_cell(structure, np.array([[2, 1, 0], [0, 1, 0], [0, 0, 2]]))
    assert len(large) == 24 and large.matches(structure)
    small = in_cell(large, np.linalg.inv(np.array([[2, 1, 0], [0, 1, 0], [0, 0, 2]])))
    assert len(small) == 6
    np.testing.assert_allclose(small.lattice.matrix, structure.lattice.matrix, atol=1e-9)


# corpora


@pytest.mark.parametrize("name", corpora())
def test_corpora_are_whole_and_their_ids_unique(name):
    c = corpus(name)
    assert len(set(c.ids)) == len(c)
    assert 0.03 < c.development.mean() < 0.07
    for k in (0, len(c) // 2, -1):
        arrays = c[k]
        assert len(arrays) == c.natoms[k] and (arrays.numbers == c.numbers(k)).all()
        structure = c.structure(k)
        pairs, _ = close_pairs(arrays.positions, arrays.cell, 0.6)
        assert not len(pairs)
        assert structure.properties["motifdesk"]["source"] == f"{name}/{c.ids[k]}"
    assert c.index(str(c.ids[7])) == 7
    with pytest.raises(IndexError):
        c[len(c)]
    with pytest.raises(StructureError, match="no structure with the id"):
        c.index("nothing")


def test_the_qm9_part_has_all_sizes_and_benzene():
    qm9 = corpus("qm9")
    assert len(qm9) <= 8000
    assert set(range(4, 28)) <= set(qm9.natoms.tolist())
    assert qm9[qm9.index("gdb-214")].formula == "C6H6"


def test_the_development_split_depends_on_the_id_alone():
    ids = [f"mp-{k}" for k in range(500)]
    split = development_split(ids)
    assert (development_split(ids[::-1])[::-1] == split).all()
    assert development_split(["mp-1190434", "gdb-214"]).tolist() == [False, False]


def test_damaged_corpora_are_refused(tmp_path):
    with pytest.raises(StructureError, match="mp_20"):
        corpus("mp20")
    with pytest.raises(StructureError, match="no such"):
        Corpus.load(tmp_path / "a.npz")
    (tmp_path / "a.npz").write_bytes(path("corpora", "qm9.npz").read_bytes()[:1000])
    with pytest.raises(StructureError, match="a.npz"):
        Corpus.load(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", natoms=np.array([1]))
    with pytest.raises(StructureError, match="missing"):
        Corpus.load(tmp_path / "b.npz")


def test_data_files_have_their_sources_and_stay_small():
    sources = path("SOURCES.md").read_text()
    for folder in ("corpora", "examples"):
        for file in path(folder).iterdir():
            assert f"`{file.name}`" in sources, file
    for file in path().rglob("*"):
        if file.is_file():
            assert file.stat().st_size <= 8_000_000, file
    assert {"CC-BY-4.0.txt", "CC0-1.0.txt"} <= {p.name for p in path("licenses").iterdir()}
    for name in re.findall(r"`(\S+\.(?:npz|cif|xyz))`", sources):
        assert any(path().rglob(name)), name


def test_the_room_opens_without_heavy_libraries():
    heavy = ("pymatgen", "ase", "torch", "scipy", "moyopy")
    code = f"import sys, motifdesk.structures; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
