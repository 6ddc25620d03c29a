"""`read`: everything a person may point it at gives a checked structure or one clear error."""

import gzip
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core import DummySpecies, Lattice, Molecule, Structure

from motifdesk.structures import MotifDeskError, MotifDeskWarning, StructureError, examples, read, space_group

DATA = Path(__file__).parent / "data"
COD = sorted((DATA / "cod").glob("*.cif"))
DISORDERED = {"MgAl2O4-Spinel.cif", "Co.87Fe.11Ni.13As3-Skutterudite.cif", "Fe2.25Cl0.5H2.75-Fougerite.cif"}


def rock_salt(n: int = 1) -> Structure:
    return Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]) * (
        n,
        n,
        n,
    )


def fails(source, *words: str, **options) -> str:
    """The one-line message of the StructureError that reading `source` must raise."""
    with pytest.raises(StructureError) as caught:
        read(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert caught.value.remedy, message
    for word in words:
        assert word in message
    return message


# what must work


@pytest.mark.parametrize("name", examples())
def test_every_example_reads_by_its_bare_name(name):
    structure = read(name)
    assert structure.properties["motifdesk"]["source"] == name
    assert structure.is_ordered


def test_examples_have_their_published_space_groups():
    published = {
        "beta-Li2IrO3.cif": 70,
        "alpha-Li2IrO3.cif": 12,
        "Na2IrO3.cif": 12,
        "NaIrO3.cif": 63,
        "rutile-TiO2.cif": 136,
        "anatase-TiO2.cif": 141,
        "SrTiO3.cif": 221,
        "CaTiO3.cif": 62,
        "Si.cif": 227,
        "quartz-SiO2.cif": 154,
        "NaCl.cif": 225,
        "KCuF3.cif": 140,
        "BaTiO3-cubic.cif": 221,
        "BaTiO3-tetragonal.cif": 99,
        "BaTiO3-orthorhombic.cif": 38,
        "beryl.cif": 192,
        "chabazite.cif": 166,
        "Mn-formate.cif": 60,
        "Zn-oxalate-dihydrate.cif": 15,
    }
    assert {name: space_group(read(name), 0.01).number for name in published} == published
    assert set(examples()) == {*published, "benzene.xyz"}


@pytest.mark.parametrize(
    ("name", "site", "bonds"),
    [
        ("rutile-TiO2.cif", "Ti", [1.947] * 4 + [1.981] * 2),
        ("anatase-TiO2.cif", "Ti", [1.934] * 4 + [1.980] * 2),
        ("quartz-SiO2.cif", "Si", [1.605] * 2 + [1.614] * 2),
        ("KCuF3.cif", "Cu", [1.891] * 2 + [1.961] * 2 + [2.249] * 2),
    ],
)
def test_examples_have_their_published_bond_lengths(name, site, bonds):
    structure = read(name)
    centre = next(s for s in structure if s.specie.symbol == site)
    found = sorted(n.nn_distance for n in structure.get_neighbors(centre, 2.6))
    np.testing.assert_allclose(found, bonds, atol=1.1e-3)


def test_a_file_in_the_working_folder_wins_over_the_example(tmp_path, monkeypatch):
    rock_salt().to(filename=str(tmp_path / "Si.cif"))
    monkeypatch.chdir(tmp_path)
    assert read("Si.cif").reduced_formula == "NaCl"


@pytest.mark.parametrize("file", COD, ids=lambda p: p.stem)
def test_downloaded_cifs_read_or_say_that_they_are_disordered(file):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MotifDeskWarning)
        if file.name in DISORDERED:
            fails(file, file.name, 'disorder="majority"')
            structure = read(file, disorder="majority")
            assert structure.properties["motifdesk"]["simplified"]
        else:
            structure = read(file)
    assert structure.is_ordered
    assert structure.distance_matrix[np.triu_indices(len(structure), 1)].min() > 0.7


def test_sites_that_a_cif_leaves_out_are_announced():
    with pytest.warns(MotifDeskWarning, match="names H, but none of its sites"):
        structure = read(DATA / "cod" / "CaOH2-Portlandite.cif")
    assert structure.reduced_formula == "CaO2"
    assert any("incomplete" in n for n in structure.properties["motifdesk"]["notes"])


def test_symmetry_images_of_one_site_are_merged():
    chabazite = read(DATA / "cod" / "CHA.cif")  # coordinates 5e-5 off their special positions
    assert chabazite.composition.reduced_formula == "SiO2" and len(chabazite) == 108


def test_majority_says_what_it_did_at_the_callers_line():
    with pytest.warns(MotifDeskWarning, match="24 partly occupied sites") as caught:
        spinel = read(DATA / "cod" / "MgAl2O4-Spinel.cif", disorder="majority")
    assert Path(caught[0].filename) == Path(__file__)
    assert spinel.composition.as_dict() == {"Mg": 8, "Al": 16, "O": 32}


@pytest.mark.parametrize("name", ["POSCAR-212", "POSCAR-015-3", "POSCAR-129-3"])
def test_poscars_take_their_elements_from_comments(name):
    structure = read(DATA / "spglib" / name)
    assert structure.properties["motifdesk"]["format"] == "poscar"
    assert space_group(structure, 0.01).number == int(name.split("-")[1])


def test_a_poscar_without_elements_needs_them_named():
    file = DATA / "spglib" / "POSCAR-165"
    fails(file, "names no elements", "elements=")
    structure = read(file, elements=("La", "H"))
    assert structure.reduced_formula == "LaH3"
    assert space_group(structure).number == 165
    fails(file, "3 elements were given for 2 groups", elements=("La", "H", "O"))


def test_objects_are_copied_not_shared():
    given = rock_salt()
    structure = read(given)
    structure.perturb(0.1)
    assert given == rock_salt()
    assert read(Molecule(["C", "O"], [[0, 0, 0], [0, 0, 1.13]])).formula == "C1 O1"


def test_ase_atoms_become_structures_or_molecules():
    from ase.build import bulk, fcc111, molecule

    assert read(bulk("Cu")).reduced_formula == "Cu"
    assert not hasattr(read(molecule("C6H6")), "lattice")
    with pytest.warns(MotifDeskWarning, match="periodic in all three"):
        read(fcc111("Cu", (1, 1, 3), vacuum=8.0))
    fails(fcc111("Cu", (1, 1, 3)), "no vector there", "vacuum")


def test_an_extended_xyz_keeps_its_cell_and_a_plain_one_has_none(tmp_path):
    from ase.build import bulk, molecule
    from ase.io import write as ase_write

    file = tmp_path / "frames.extxyz"
    ase_write(file, [bulk("Cu"), bulk("Si")], format="extxyz")
    assert read(file).reduced_formula == "Si"
    assert read(file, index=0).reduced_formula == "Cu"
    fails(file, "no frame 2 among 2", index=2)
    plain = tmp_path / "benzene.xyz"
    ase_write(plain, molecule("C6H6"), format="xyz")
    assert read(plain).formula == "H6 C6"


def test_cells_change_without_moving_an_atom():
    given = read("beta-Li2IrO3.cif")
    primitive = read("beta-Li2IrO3.cif", cell="primitive")
    assert (len(given), len(primitive)) == (96, 24)
    fractional = given.lattice.get_fractional_coords(primitive.cart_coords)
    for site, point in zip(primitive, fractional, strict=True):
        difference = given.frac_coords - point
        distance = np.linalg.norm((difference - np.round(difference)) @ given.lattice.matrix, axis=1)
        k = int(distance.argmin())
        assert distance[k] < 1e-9 and given[k].specie == site.specie
    conventional = read(primitive, cell="conventional")
    assert len(conventional) == 96
    assert StructureMatcher(primitive_cell=False).get_rms_dist(given, conventional)[0] < 1e-9
    assert space_group(primitive).number == space_group(conventional).number == 70


def test_gzipped_files_and_latin_1_are_text(tmp_path):
    text = "# Universit\xe4t\n" + rock_salt().to(fmt="cif")
    (tmp_path / "a.cif").write_bytes(text.encode("latin-1"))
    with gzip.open(tmp_path / "b.cif.gz", "wb") as stream:
        stream.write(text.encode())
    assert read(tmp_path / "a.cif").matches(read(tmp_path / "b.cif.gz"))


def test_coordinates_of_many_digits_are_not_snapped_to_fractions(tmp_path):
    near_third = Structure(Lattice.cubic(9.0), ["Si", "O"], [[0.33336, 0.1, 0.2], [0.7, 0.6, 0.5]])
    file = tmp_path / "a.cif"
    near_third.to(filename=str(file))
    assert abs(read(file)[0].frac_coords[0] - 0.33336) < 1e-7


def test_file_names_are_text_not_markup(tmp_path):
    name = "<img src=x onerror=alert(1)>.cif"
    rock_salt().to(filename=str(tmp_path / name), fmt="cif")
    assert read(tmp_path / name).properties["motifdesk"]["source"] == name
    (tmp_path / "<b>.cif").write_text("nothing")
    assert "<b>.cif" in fails(tmp_path / "<b>.cif")


# what must fail, clearly


def test_missing_paths_offer_a_near_name(tmp_path):
    rock_salt().to(filename=str(tmp_path / "rock-salt.cif"))
    fails(tmp_path / "rocksalt.cif", "no such file", "rock-salt.cif")
    fails("rutile.cif", "Did you mean", "rutile-TiO2.cif")
    fails(tmp_path / "no" / "where.cif", "folder", "does not exist")
    fails(tmp_path, "folder")
    fails("a\0b.cif", "not a path")
    fails("", "not a path")
    fails("x" * 5000 + ".cif")
    fails("data_NaCl\n_cell_length_a 5.6\n", "text of a file")


@pytest.mark.parametrize("suffix", [".cif", ".vasp", ".xyz", ".extxyz", ".json"])
@pytest.mark.parametrize(
    "content", [b"", b" \n\n", b"garbage\n", b"\x7fELF\0\1\2" * 99, bytes(range(256)) * 16], ids=repr
)
def test_empty_binary_and_senseless_files(tmp_path, suffix, content):
    file = tmp_path / f"bad{suffix}"
    file.write_bytes(content)
    message = fails(file, file.name)
    if not content.strip():
        assert "empty" in message
    if b"\0" in content:
        assert "binary" in message
    assert len(message) < 900


def test_unknown_suffixes_list_the_known_ones(tmp_path):
    file = tmp_path / "structure.docx"
    file.write_text("hello")
    fails(file, ".docx", ".cif", ".vasp")
    file = tmp_path / "structure"
    file.write_text("hello")
    fails(file, "no format")


def test_partial_occupancy_names_the_sites():
    structure = Structure(Lattice.cubic(4), [{"Mg": 0.7, "Fe": 0.3}, "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    fails(structure, "partial occupancy", "site 0", "Mg:0.7", "majority")
    with pytest.warns(MotifDeskWarning, match="most frequent occupant"):
        assert read(structure, disorder="majority").reduced_formula == "MgO"
    empty = Structure(Lattice.cubic(4), [{"Mg": 0.3}], [[0, 0, 0]])
    fails(empty, "empty more often", disorder="majority")


@pytest.mark.parametrize("suffix", [".cif", ".vasp", ".xyz", ".json"])
def test_ten_thousand_atoms_are_refused_before_parsing(tmp_path, suffix, monkeypatch):
    n = 10_000
    fractions = np.random.default_rng(0).random((n, 3))
    file = tmp_path / f"large{suffix}"
    rows = [" ".join(f"{x:.6f}" for x in p) for p in fractions]
    if suffix == ".cif":
        head = "data_x\n" + "".join(f"_cell_length_{a} 60\n" for a in "abc")
        head += "".join(f"_cell_angle_{a} 90\n" for a in ("alpha", "beta", "gamma"))
        head += "loop_\n_atom_site_label\n_atom_site_fract_x\n_atom_site_fract_y\n_atom_site_fract_z\n"
        file.write_text(head + "\n".join(f"Si{k} {row}" for k, row in enumerate(rows)) + "\n")
    elif suffix == ".vasp":
        file.write_text(f"x\n1.0\n60 0 0\n0 60 0\n0 0 60\nSi\n{n}\ndirect\n" + "\n".join(rows) + "\n")
    elif suffix == ".xyz":
        file.write_text(f"{n}\n\n" + "\n".join(f"Si {row}" for row in rows) + "\n")
    else:
        site = {"species": [{"element": "Si", "occu": 1}], "abc": [0, 0, 0]}
        file.write_text(json.dumps({"lattice": {"matrix": (np.eye(3) * 60).tolist()}, "sites": [site] * n}))

    def never(*args, **kwargs):
        raise AssertionError("the structure was built before it was counted")

    monkeypatch.setattr(Structure, "__init__", never)
    monkeypatch.setattr(Molecule, "__init__", never)
    fails(file, "10,000 atoms", "5,000", "max_atoms=")


def test_large_objects_are_refused_and_the_limit_can_be_lifted():
    fails(rock_salt(2), "64 atoms", max_atoms=63)
    assert len(read(rock_salt(2), max_atoms=64)) == 64


@pytest.mark.parametrize("specie", ["X", "Xa", "Qq"])
def test_dummy_species(specie, tmp_path):
    structure = Structure(Lattice.cubic(4), [DummySpecies(specie), "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    fails(structure, "dummy species", "site 0")
    file = tmp_path / "a.xyz"
    file.write_text("2\n\nX 0 0 0\nO 0 0 2\n")
    fails(file, "line 3", "dummy species")
    (tmp_path / "a.json").write_text(structure.to_json())
    fails(tmp_path / "a.json", "dummy species")


def test_two_atoms_on_one_site_also_across_the_cells_border():
    lattice = Lattice.from_parameters(4, 5, 6, 70, 80, 100)
    message = fails(
        Structure(lattice, ["Na", "Na", "Cl"], [[0, 0, 0], [0.99999, 1e-5, 0], [0.5, 0.5, 0.5]]), "one site"
    )
    assert "site 0" in message and "site 1" in message
    fails(Molecule(["C", "O", "H"], [[0, 0, 0], [0, 0, 0.1], [3, 0, 0]]), "C (site 0) and O (site 1)", "0.100 A")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_coordinates_that_are_no_numbers(value, tmp_path):
    positions = [[0, 0, 0], [0, 0, value]]
    fails(Structure(Lattice.cubic(5), ["Na", "Cl"], positions), "site 1", "not a number")
    (tmp_path / "a.xyz").write_text(f"2\n\nH 0 0 0\nH 0 0 {value}\n")
    fails(tmp_path / "a.xyz", "site 1")
    (tmp_path / "a.vasp").write_text(f"x\n1.0\n5 0 0\n0 5 0\n0 0 5\nNa Cl\n1 1\ndirect\n0 0 0\n0 0 {value}\n")
    fails(tmp_path / "a.vasp")
    text = rock_salt().to(fmt="cif").replace("0.50000000  0.50000000  0.50000000", f"0.5 0.5 {value}")
    (tmp_path / "a.cif").write_text(text)
    if str(value) in text:
        fails(tmp_path / "a.cif", "_atom_site_fract_z")


def test_flat_and_wrong_cells(tmp_path):
    (tmp_path / "a.vasp").write_text("x\n1.0\n5 0 0\n0 5 0\n5 5 0\nNa\n1\ndirect\n0 0 0\n")
    fails(tmp_path / "a.vasp", "flat")
    (tmp_path / "b.vasp").write_text("x\n1.0\n5 0 0\n0 five 0\n0 0 5\nNa\n1\ndirect\n0 0 0\n")
    fails(tmp_path / "b.vasp", "line 4", "'five'")


def test_truncated_files_say_so(tmp_path):
    (tmp_path / "a.xyz").write_text("3\n\nH 0 0 0\nH 0 0 1\n")
    fails(tmp_path / "a.xyz", "promises 3 atoms")
    (tmp_path / "a.json").write_text(rock_salt().to_json()[:500])
    fails(tmp_path / "a.json", "not JSON")
    text = read_text("beta-Li2IrO3.cif")
    (tmp_path / "a.cif").write_text(text[: len(text) // 3])
    fails(tmp_path / "a.cif")


def read_text(name: str) -> str:
    from motifdesk.data import path

    return path("examples", name).read_text()


def test_json_runs_no_code_from_the_file(tmp_path, monkeypatch):
    data = rock_salt().as_dict()
    data["sites"][0]["properties"] = {"evil": {"@module": "antigravity", "@class": "fly"}, "tag": 3}
    data["properties"] = {"evil": {"@module": "antigravity", "@class": "fly"}}
    (tmp_path / "a.json").write_text(json.dumps(data))
    import sys

    structure = read(tmp_path / "a.json")
    assert "antigravity" not in sys.modules
    assert structure[0].properties["tag"] == 3 and "evil" not in structure.properties


@pytest.mark.parametrize("thing", [None, 42, b"bytes", [1, 2], object()])
def test_things_that_are_no_structure(thing):
    with pytest.raises(StructureError):
        read(thing)


def test_wrong_options_are_named():
    fails("Si.cif", "cell='primitiv'", cell="primitiv")
    fails("Si.cif", "disorder='any'", disorder="any")


def test_errors_are_value_errors_that_survive_pickling():
    import pickle

    error = MotifDeskError("the cell is flat.", where="<a>\n\x1b[31m.cif", remedy="read(...) it again.")
    assert isinstance(error, ValueError)
    assert str(error) == "<a> [31m.cif: the cell is flat. read(...) it again."
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
