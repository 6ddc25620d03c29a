"""Opening a desk: crystals, molecules, bad input, and what is imported on the way."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ipywidgets.widgets.widget import _instances
from pymatgen.core import Lattice, Structure

import motifdesk as md
from motifdesk.desk import Desk
from motifdesk.structures.errors import MotifDeskError


def test_a_desk_says_what_is_on_it(opened, rutile):
    page = opened(rutile)
    assert repr(page.desk) == "Desk(TiO2, 6 atoms)"
    assert page.out.header["formula"] == "TiO2"
    assert page.out.scene["count"] >= 6
    assert page.shows(page.session.state)
    assert page.out.export["name"].endswith(".cif")
    assert page.out.handles["motif"] is None and page.out.handles["motifs"]


def test_a_molecule_opens_and_picks(opened):
    page = opened("benzene.xyz")
    assert repr(page.desk) == "Desk(C6H6, 12 atoms, molecule)"
    assert page.out.handles["cell"] == []
    assert [f[0] for f in page.out.export["formats"]] == ["xyz", "extxyz", "json", "png", "gif"]
    assert page.shows(page.session.state)
    carbon = int(np.flatnonzero(page.session.state.arrays.numbers == 6)[0])
    page.send("pick", kind="atom", site=carbon, motif=None, shift=False)
    assert page.out.highlight["atoms"] == [carbon]
    assert page.out.handles["motif"] is not None
    sliders = [s for g in page.out.handles["groups"] for s in g["sliders"]]
    page.slide(sliders[0]["key"], 0.05).send("release", what="distort")
    assert page.edits() == ["open", "distort"] and page.shows(page.session.state)
    assert page.desk.messages == ()


def test_a_crystal_of_one_kind_of_atom_opens_and_picks(opened):
    page = opened("Si.cif")
    page.send("pick", kind="atom", site=0, motif=None, shift=False)
    state = page.session.state
    assert state.selection.motif is not None and state.modes
    assert page.out.highlight["picked"] == state.selection.motif
    mode = state.modes[0].key
    page.slide(mode, 0.03).send("release", what="distort")
    assert page.session.state.amplitudes == {mode: 0.03} and page.shows(page.session.state)
    assert page.desk.messages == ()


def test_the_map_and_the_codec_load_once_the_page_is_ready(opened, rutile):
    page = opened(rutile, codec="lazy", atlas="lazy")
    assert page.out.header["status"] == "" and not page.out.map_ready
    assert not page.session.services.codec_loaded and not page.session.services.atlas_loaded
    page.send("probe", x=0.0, y=0.0)  # too early: answered, and nothing happens
    assert page.out.ack == page.sent and page.edits() == ["open"]
    page.open_map()
    latent = page.session.state.latent
    assert page.out.overlay["landed"] == pytest.approx(latent.xy, abs=1e-6)
    assert len(page.desk.map.figure.data[0].x) == len(page.session.atlas.xy)
    assert page.out.header["status"] == "" and page.out.mapbar["status"] == ""
    keys = {row["key"] for row in page.out.readouts["rows"]}
    assert {"formula", "space_group_0.01", "nearest_0", "landed"} <= keys
    assert not page.out.stale


def test_a_map_that_cannot_be_had_is_said_and_the_rest_works(opened, rutile):
    page = opened(rutile)  # no codec, no atlas
    page.send("ready")
    assert page.desk.settle()
    assert not page.out.map_ready and page.out.header["status"] == "no map"
    assert page.out.mapbar["status"]
    page.pick("TiO6")
    page.slide(page.slider("breathing")["key"], 0.04).send("release", what="distort")
    assert page.edits() == ["open", "distort"]


def test_opening_imports_no_heavy_library():
    """umap compiles for half a minute at its first import; matplotlib and numba pay nothing back here."""
    script = (
        "import json, sys, motifdesk as md\n"
        "desk = md.Desk('rutile-TiO2.cif')\n"
        "early = sorted(sys.modules)\n"
        "desk._on_message(None, {'op': 'ready', 'n': 1}); assert desk.settle(); assert desk._output.map_ready\n"
        "desk.close(); print(json.dumps([early, sorted(sys.modules)]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    visible, whole = (set(m.partition(".")[0] for m in found) for found in json.loads(done.stdout.splitlines()[-1]))
    heavy = {"umap", "numba", "matplotlib", "sklearn"}
    assert not whole & heavy
    assert not visible & {"torch", "e3nn"}, "the structure is shown before the codec is there"


def big() -> Structure:
    cell = Structure(Lattice.cubic(3.0), ["Fe"], [[0, 0, 0]])
    return cell.make_supercell([25, 20, 20])


def half_occupied(folder: Path) -> Path:
    path = folder / "half.cif"
    Structure(Lattice.cubic(4.0), [{"Na": 0.5, "K": 0.5}, "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]).to(str(path))
    return path


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "missing.cif", "missing.cif"),
        (lambda folder: written(folder / "empty.cif", b""), "empty"),
        (lambda folder: written(folder / "binary.cif", bytes(range(256)) * 20), "binary.cif"),
        (half_occupied, "occupan"),
        (lambda folder: big(), "10000"),
        (lambda folder: Structure(Lattice.cubic(4), ["X", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]), "X"),
        (lambda folder: Structure(Lattice.cubic(4), ["O", "O"], [[0, 0, 0], [0, 0, 0.001]]), "O"),
        (lambda folder: None, "None"),
    ],
    ids=["missing", "empty", "binary", "partial occupancy", "10,000 atoms", "dummy species", "one site twice", "None"],
)
def test_bad_input_is_one_error_before_anything_is_shown(tmp_path, make, words):
    source = make(tmp_path)
    before = set(_instances)
    with pytest.raises(MotifDeskError) as caught:
        Desk(source, codec=None, atlas=None)
    assert words.lower() in str(caught.value).replace(",", "").lower()
    assert set(_instances) == before


def test_a_bad_replacement_leaves_the_desk_as_it_was(opened, rutile, tmp_path):
    page = opened(rutile)
    shown, scene = page.out.positions, page.out.scene["id"]
    with pytest.raises(MotifDeskError):
        page.session.set_structure(tmp_path / "missing.cif")
    assert page.out.positions == shown and page.out.scene["id"] == scene and page.edits() == ["open"]


def test_an_export_is_named_after_what_was_opened_last():
    from motifdesk.desk.export import describe_export

    session = md.Session("SrTiO3.cif", codec=None, atlas=None)
    assert describe_export(session)["name"] == "SrTiO3-design.cif"
    session.set_structure("Si.cif", name="my silicon.cif.gz")
    session.strain(volume=1.02)
    assert describe_export(session)["name"] == "my-silicon-design.cif"
    session.set_structure("NaCl.cif")
    assert describe_export(session)["name"] == "NaCl-design.cif"
    session.undo()
    assert describe_export(session)["name"] == "my-silicon-design.cif"
    session.substitute([0], "Ge")
    assert describe_export(session)["name"] == "Si7Ge-design.cif"


def test_an_export_without_a_suffix_gets_that_of_its_format(tmp_path, monkeypatch):
    from motifdesk.desk.export import as_text, write_file

    monkeypatch.chdir(tmp_path)
    session = md.Session("Si.cif", codec=None, atlas=None)
    assert write_file(session, "x", "cif", False).name == "x.cif"
    assert write_file(session, "POSCAR", "poscar", False).name == "POSCAR"
    assert as_text(session, "y", "json")[0] == "y.json"
    with pytest.raises(MotifDeskError, match="x.cif.*exists already"):
        write_file(session, "x", "cif", False)
