"""Files given as a name and bytes: what is a structure is read, what is not is one error that names the file as the
person knows it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pymatgen.core import Lattice, Structure
from pymatgen.io.cif import CifWriter

import motifdesk as md
from motifdesk.session.opening import MOST_BYTES, pasted_name, plain_name, read_bytes
from motifdesk.structures.errors import MotifDeskError, SessionError, StructureError

EXAMPLES = Path(md.__file__).parent / "data" / "examples"
CIF = (EXAMPLES / "BaTiO3-orthorhombic.cif").read_bytes()
WATER = "3\nwater\nO 0 0 0.12\nH 0 0.76 -0.48\nH 0 -0.76 -0.48\n"


@pytest.fixture
def session() -> md.Session:
    made = md.Session("BaTiO3-tetragonal.cif", codec=None, atlas=None)
    made.strain(volume=1.02)
    return made


def test_a_file_reads_as_from_the_disk():
    opened = read_bytes("BaTiO3-orthorhombic.cif", CIF)
    direct = md.read("BaTiO3-orthorhombic.cif")
    np.testing.assert_array_equal(opened.structure.cart_coords, direct.cart_coords)
    assert opened.name == "BaTiO3-orthorhombic.cif" and opened.notes == ()


def test_a_saved_session_reads_as_the_design_it_was_left_at(session, tmp_path):
    data = session.save(tmp_path / "x.json").read_bytes()
    opened = read_bytes("x.json", data)
    np.testing.assert_allclose(opened.structure.cart_coords, session.state.arrays.positions, atol=1e-12)
    assert "2 steps" in opened.notes[0]
    for broken, words in (
        (data[: len(data) // 3], "cut off"),
        (data.replace(b'"schema": 1', b'"schema": 9'), "session schema 9"),
        (data.replace(b'"cell": [', b'"cell": ["a", ', 1), "damaged"),
    ):
        with pytest.raises(SessionError, match=f"x.json.*{words}"):
            read_bytes("x.json", broken)


def test_a_file_with_shared_sites_opens_and_says_what_was_decided():
    mixed = Structure.from_spacegroup(
        "Pm-3m", Lattice.cubic(3.9), [{"Sr": 0.7, "Ba": 0.3}, "Ti", "O"], [[0, 0, 0], [0.5] * 3, [0.5, 0.5, 0]]
    )
    opened = read_bytes("mixed.cif", str(CifWriter(mixed)).encode())
    assert opened.structure.composition.reduced_formula == "SrTiO3"
    (note,) = opened.notes
    assert note.startswith("mixed.cif: 1 partly occupied site ") and "Ba0.3 Sr0.7" in note


def test_a_magnetic_cif_opens_and_keeps_its_moments_in_json(tmp_path):
    spins = Structure(Lattice.cubic(4.4), ["Mn", "O"], [[0, 0, 0], [0.5] * 3], site_properties={"magmom": [5.0, 0.0]})
    opened = read_bytes("MnO.mcif", str(CifWriter(spins, write_magmoms=True)).encode())
    assert opened.structure.composition.reduced_formula == "MnO" and opened.notes == ()
    session = md.Session(opened.structure, codec=None, atlas=None)
    again = md.read(session.export(tmp_path / "MnO.json"))
    np.testing.assert_allclose(np.abs(np.array(again.site_properties["magmom"], float)).max(), 5.0)


def test_a_step_named_after_its_file_replays(session, tmp_path):
    before = len(session.history)
    session.set_structure(read_bytes("my crystal.cif", CIF).structure, name="my crystal.cif")
    assert session.state.label == "Open my crystal.cif" and len(session.history) == before + 1
    again = md.Session.load(session.save(tmp_path / "s.json"), codec=None, atlas=None)
    assert again.state.label == "Open my crystal.cif"
    assert again.replay().exact
    session.undo()
    assert session.state.label != "Open my crystal.cif"


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("notes.txt", b"hello", "suffix '.txt'"),
        ("x.cif", b"", "empty"),
        ("x.cif", b"\0\1\2\3" * 50, "binary"),
        ("..", CIF, "tells no format"),
        ("x.json", b"[1, 2]", "x.json"),
        ("big.xyz", b"20000\n\n" + b"Si 0 0 0\n" * 20000, "20,000 atoms"),
        ("huge.cif", b" " * (MOST_BYTES + 1), "MB"),
    ],
)
def test_what_is_no_structure_is_one_error_about_the_file(name, data, words):
    with pytest.raises(StructureError, match=words) as caught:
        read_bytes(name, data)
    assert "\n" not in str(caught.value) and "motifdesk-" not in str(caught.value)


@settings(deadline=None)
@given(st.text(max_size=400))
def test_a_name_is_never_a_path(name):
    plain = plain_name(name)
    assert plain == Path(plain).name and plain not in ("", ".", "..") and len(plain) <= 110
    assert plain.isprintable() and "/" not in plain and "\\" not in plain


@settings(deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["a.cif", "POSCAR", "a.xyz", "a.json", "a.extxyz", "a.cif.gz"]))
@example(b"\xa0", "a.extxyz")  # white space to text, none to bytes
def test_no_bytes_raise_anything_but_the_one_error(data, name):
    try:
        read_bytes(name, data)
    except MotifDeskError as error:
        assert "motifdesk-" not in str(error)


def test_pasted_text_is_known_by_its_look():
    poscar = "cubic\n1.0\n4 0 0\n0 4 0\n0 0 4\nPo\n1\nDirect\n0 0 0\n"
    kinds = {CIF.decode(): ".cif", WATER: ".xyz", poscar: ".vasp"}
    kinds[json.dumps(md.read("BaTiO3-tetragonal.cif").as_dict())] = ".json"
    for text, suffix in kinds.items():
        name = pasted_name(text)
        assert name == f"pasted{suffix}" and len(read_bytes(name, text.encode()).structure) > 0
    for text in ("", "https://example.org", "a letter\nof two lines"):
        with pytest.raises(StructureError, match="no structure"):
            pasted_name(text)
