"""`write`: what was written reads back the same, and a write that fails changes nothing."""

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Molecule, Structure

from motifdesk.structures import StructureError, dumps, examples, read, to_arrays, write

DATA = Path(__file__).parent / "data"
FILES = [*examples(), *(f"cod/{n}.cif" for n in ("AgCl-Chlorargyrite", "AgO", "Be3Al2SiO36-Beryl", "CHA"))]
FILES += ["cod/Pu-Plutonium-alpha.cif", "spglib/POSCAR-212", "spglib/POSCAR-015-3", "spglib/POSCAR-129-3"]


def get(name: str):
    return read(DATA / name) if "/" in name else read(name)


def assert_same_crystal(a, b, tolerance: float = 1e-6) -> None:
    """Same species in the same order; positions equal modulo lattice vectors, in the same setting of the cell."""
    assert [s.specie.symbol for s in a] == [s.specie.symbol for s in b]
    np.testing.assert_allclose(a.lattice.abc, b.lattice.abc, atol=tolerance)
    np.testing.assert_allclose(a.lattice.angles, b.lattice.angles, atol=1e-5)
    difference = a.frac_coords - b.frac_coords
    assert np.abs((difference - np.round(difference)) @ a.lattice.matrix).max() < tolerance


@pytest.mark.parametrize("format", ["cif", "vasp", "extxyz", "xyz", "json"])
@pytest.mark.parametrize("name", FILES)
def test_files_come_back_the_same_in_every_format(name, format, tmp_path):
    structure = get(name)
    if not hasattr(structure, "lattice"):
        if format in ("cif", "vasp"):
            pytest.skip("a molecule has no cell")
        back = read(write(structure, tmp_path / f"a.{format}"))
        assert np.abs(back.cart_coords - structure.cart_coords).max() < 1e-6
        assert back.formula == structure.formula
        return
    back = read(write(structure, tmp_path / f"a.{format}", provenance={"edit": "none", "amplitude": 0.05}))
    assert_same_crystal(structure, back)
    if format != "cif":  # CIF keeps lengths and angles, not the orientation
        np.testing.assert_allclose(back.lattice.matrix, structure.lattice.matrix, atol=1e-6)


cells = st.tuples(*[st.floats(2.5, 12.0)] * 3, *[st.floats(65.0, 115.0)] * 3)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cell=cells, seed=st.integers(0, 2**31), n=st.integers(1, 6), format=st.sampled_from(["cif", "vasp", "xyz", "json"])
)
def test_any_cell_comes_back_to_a_millionth_of_an_angstrom(cell, seed, n, format, tmp_path):
    lattice = Lattice.from_parameters(*cell)
    rng = np.random.default_rng(seed)
    # a jittered grid, shifted out of the cell: far enough apart, and not wrapped
    grid = np.array([[i, j, k] for i in (0, 0.5) for j in (0, 0.5) for k in (0, 0.5)])[:n]
    fractional = grid + rng.uniform(-0.03, 0.03, (n, 3)) + rng.integers(-2, 3, (n, 3))
    structure = Structure(lattice, rng.choice(["Li", "O", "Ir", "H"], n).tolist(), fractional)
    file = tmp_path / f"a.{format}"
    assert_same_crystal(structure, read(write(structure, file, overwrite=True)))


def test_json_keeps_oxidation_states_labels_and_properties(tmp_path):
    structure = read("rutile-TiO2.cif")
    structure.add_oxidation_state_by_element({"Ti": 4, "O": -2})
    structure.add_site_property("tag", list(range(len(structure))))
    back = read(write(structure, tmp_path / "a.json"))
    assert [str(s.specie) for s in back] == [str(s.specie) for s in structure]
    assert back.site_properties["tag"] == list(range(len(structure)))
    assert [s.label for s in back] == [s.label for s in structure]
    assert Structure.from_file(tmp_path / "a.json").matches(structure)  # plain pymatgen reads it, too


def test_other_programs_read_what_is_written(tmp_path):
    from ase.io import read as ase_read

    structure = read("beta-Li2IrO3.cif", cell="primitive")
    for name in ("a.cif", "a.vasp", "a.extxyz"):
        atoms = ase_read(write(structure, tmp_path / name, provenance="drag '\"=\\ Lattice=3\nsecond line"))
        assert atoms.get_chemical_formula() == "Ir4Li8O12"
        assert abs(atoms.get_volume() - structure.volume) < 1e-6


def test_a_symmetrised_cif_holds_the_operations(tmp_path):
    text = write(read("Si.cif"), tmp_path / "a.cif", symmetry_tolerance=1e-3).read_text()
    assert "Fd-3m" in text
    assert len(read(tmp_path / "a.cif")) == 8


def test_provenance_is_one_comment_line_per_entry():
    said = {"edit": "Eg\nstretch", "who": "J\xfcrgen <b>"}
    text = dumps(read("Si.cif"), "cif", provenance=said)
    head = [line for line in text.splitlines() if line.startswith("#")]
    assert "# edit: Eg stretch" in head and "# who: J?rgen <b>" in head
    assert text.splitlines()[len(head)].startswith("data_")


def test_an_existing_file_is_kept_unless_told(tmp_path):
    file = write(read("Si.cif"), tmp_path / "a.cif")
    before = file.read_text()
    with pytest.raises(StructureError, match="exists already.*overwrite=True"):
        write(read("NaCl.cif"), file)
    assert file.read_text() == before
    write(read("NaCl.cif"), file, overwrite=True)
    assert read(file).reduced_formula == "NaCl"
    assert os.listdir(tmp_path) == ["a.cif"]


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    file = write(read("Si.cif"), tmp_path / "a.cif")
    before = file.read_text()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StructureError, match="No space left"):
        write(read("NaCl.cif"), file, overwrite=True)
    assert file.read_text() == before
    assert os.listdir(tmp_path) == ["a.cif"]


def test_a_folder_that_cannot_hold_files(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    structure = read("Si.cif")
    with pytest.raises(StructureError, match="does not exist"):
        write(structure, tmp_path / "file" / "a.cif")
    with pytest.raises(StructureError, match="does not exist"):
        write(structure, tmp_path / "nowhere" / "a.cif")
    (tmp_path / "folder.cif").mkdir()
    with pytest.raises(StructureError, match="folder"):
        write(structure, tmp_path / "folder.cif", overwrite=True)
    with pytest.raises(StructureError, match="cannot be written"):
        write(structure, tmp_path / ("x" * 400 + ".cif"))

    import tempfile

    def denied(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "mkstemp", denied)
    with pytest.raises(StructureError, match="Permission denied.*may write"):
        write(structure, tmp_path / "a.cif")


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_folder(tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    try:
        with pytest.raises(StructureError, match="may write"):
            write(read("Si.cif"), folder / "a.cif")
        assert not list(folder.iterdir())
    finally:
        folder.chmod(0o755)


def test_formats_that_cannot_hold_the_structure(tmp_path):
    with pytest.raises(StructureError, match="no cell"):
        write(read("benzene.xyz"), tmp_path / "a.cif")
    mixed = Structure(Lattice.cubic(4), [{"Mg": 0.5, "Fe": 0.5}], [[0, 0, 0]])
    with pytest.raises(StructureError, match="partial occupancy"):
        write(mixed, tmp_path / "a.vasp")
    write(mixed, tmp_path / "a.json")
    with pytest.raises(StructureError, match="suffix '.docx'"):
        write(read("Si.cif"), tmp_path / "a.docx")
    with pytest.raises(StructureError, match="'pdb' is not known"):
        write(read("Si.cif"), tmp_path / "a.cif", format="pdb")
    broken = Molecule(["H", "H"], [[0, 0, 0], [0, 0, np.nan]])
    with pytest.raises(StructureError, match="not a number"):
        write(broken, tmp_path / "a.xyz")
    with pytest.raises(StructureError, match="is not a structure"):
        write("Si", tmp_path / "a.cif")
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_arrays_and_ase_atoms_are_written_as_well(tmp_path):
    from ase.build import bulk

    arrays = to_arrays(read("NaCl.cif"))
    np.testing.assert_allclose(to_arrays(read(write(arrays, tmp_path / "a.vasp"))).cell, arrays.cell, atol=1e-9)
    assert read(write(bulk("Cu"), tmp_path / "b.json")).reduced_formula == "Cu"
