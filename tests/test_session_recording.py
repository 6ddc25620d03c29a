"""A saved session loses nothing, replays in a new process, and refuses what is not one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from motifdesk.session import Session
from motifdesk.session.engine import WORKERS
from motifdesk.structures import read
from motifdesk.structures.errors import MotifDeskError, SessionError

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def session():
    structure = Structure.from_spacegroup(
        "P4_2/mnm", Lattice.tetragonal(4.594, 2.959), ["Ti", "O"], [[0, 0, 0], [0.305, 0.305, 0]]
    )
    session = Session(structure, codec=None, atlas=None, name="rutile")
    session.strain(volume=1.0 / 3.0 + 0.7)
    session.strain([[0.01, 0.002, 0], [0.002, 0, 0], [0, 0, -0.013]])
    session.substitute([0], "Sn")
    session.undo()
    session.substitute({1: "Zr"})
    session.symmetrize(0.3)
    session.undo()
    return session


def assert_same_history(a, b):
    assert [n.id for n in a.history] == [n.id for n in b.history]
    assert a.history.current == b.history.current
    for one, two in zip(a.history, b.history, strict=True):
        assert one.edit == two.edit
        assert (one.parent, one.children, one.forward) == (two.parent, two.children, two.forward)
        assert (one.state.arrays.positions == two.state.arrays.positions).all()
        assert (one.state.arrays.cell == two.state.arrays.cell).all()
        assert (one.state.arrays.numbers == two.state.arrays.numbers).all()
        assert one.state.base == two.state.base and one.state.amplitudes == two.state.amplitudes


def test_a_saved_session_comes_back_bit_for_bit(session, tmp_path):
    path = session.save(tmp_path / "rutile.json")
    again = Session.load(path, codec=None, atlas=None)
    assert again.name == "rutile"
    assert_same_history(session, again)
    again.redo()  # the way forward is remembered
    assert again.state.node == 5
    again.strain(volume=1.01)  # and work goes on
    assert again.state.node == 6


def test_site_properties_and_oxidation_states_survive(tmp_path):
    structure = Structure(
        Lattice.cubic(4.2), ["Mg2+", "O2-"], [[0, 0, 0], [0.5, 0.5, 0.5]], site_properties={"magmom": [0.5, -0.25]}
    )
    session = Session(structure, codec=None, atlas=None)
    session.strain(volume=1.1)
    again = Session.load(session.save(tmp_path / "s.json"), codec=None, atlas=None)
    assert again.state.structure.site_properties["magmom"] == [0.5, -0.25]
    assert str(again.state.structure[0].specie) == "Mg2+"


def test_saving_again_replaces_the_same_session_only(session, tmp_path):
    path = tmp_path / "rutile.json"
    session.save(path)
    session.strain(volume=1.02)
    session.save(path)
    assert len(Session.load(path, codec=None, atlas=None).history) == len(session.history)
    other = Session(session.state.structure, codec=None, atlas=None)
    with pytest.raises(SessionError, match="not this session"):
        other.save(path)
    foreign = tmp_path / "notes.json"
    foreign.write_text("my notes")
    with pytest.raises(SessionError, match="overwrite"):
        session.save(foreign)
    assert foreign.read_text() == "my notes"
    assert sorted(os.listdir(tmp_path)) == ["notes.json", "rutile.json"]
    with pytest.raises(SessionError, match="folder"):
        session.save(tmp_path / "nowhere" / "s.json")


def test_replay_recomputes_every_edit(session):
    replay = session.replay()
    assert replay.exact and max(replay.deviations.values()) <= 1e-6
    assert_same_history(session, replay.session)


def test_replay_in_a_new_process_gives_the_same_structures(session, tmp_path):
    path = session.save(tmp_path / "rutile.json")
    script = (
        "import sys, json\n"
        "from motifdesk.session import Session\n"
        "session = Session.load(sys.argv[1], codec=None, atlas=None)\n"
        "replay = session.replay()\n"
        "assert replay.exact, replay\n"
        "print(json.dumps([n.state.arrays.positions.tolist() for n in replay.session.history]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    for node, positions in zip(session.history, json.loads(done.stdout), strict=True):
        assert np.abs(node.state.arrays.positions - np.array(positions)).max() <= 1e-6


def test_a_result_that_no_longer_comes_out_is_kept_and_the_versions_are_named(session, tmp_path):
    data = json.loads(session.save(tmp_path / "s.json").read_text())
    node = data["nodes"][1]
    node["arrays"]["positions"][2][0] += 0.01
    node["edit"]["versions"]["numpy"] = "1.0"
    (tmp_path / "old.json").write_text(json.dumps(data))
    old = Session.load(tmp_path / "old.json", codec=None, atlas=None)
    replay = old.replay()
    assert not replay.exact
    first = replay.mismatches[0]
    assert first.node == 1 and first.deviation == pytest.approx(0.01)
    assert list(first.versions) == ["numpy"] and first.versions["numpy"][0] == "1.0"
    kept = replay.session.history[1].state
    assert (kept.arrays.positions == old.history[1].state.arrays.positions).all()
    assert "replayed differently" in kept.notes[0]


def test_an_edit_that_fails_in_replay_keeps_its_stored_result(session, monkeypatch):
    def broken(cls, *args):
        raise SessionError("no such operation any more")

    monkeypatch.setattr(WORKERS["symmetrize"], "replay", classmethod(broken))
    replay = session.replay()
    assert [m.node for m in replay.mismatches] == [5]
    assert "no such operation" in str(replay.mismatches[0])
    stored = session.history[5].state.arrays.positions
    assert (replay.session.history[5].state.arrays.positions == stored).all()


def damage(text: str) -> dict[str, str]:
    data = json.loads(text)

    def changed(**changes):
        return json.dumps({**data, **changes})

    first, *others = data["nodes"]
    return {
        "empty": "",
        "cut": text[: len(text) // 2],
        "last brace": text[:-1],
        "words": "this is not a session",
        "list": "[]",
        "other format": json.dumps({"format": "something"}),
        "schema": changed(schema=99),
        "current": changed(current=77),
        "no nodes": changed(nodes=[]),
        "orphan": changed(nodes=others),
        "loop": changed(nodes=[first, {**others[0], "parent": 3}]),
        "kind": changed(nodes=[first, {**others[0], "edit": {**others[0]["edit"], "kind": "eval"}}]),
        "nan": text.replace(repr(first["arrays"]["positions"][1][0]), "NaN", 1),
        "ragged": changed(nodes=[{**first, "arrays": {**first["arrays"], "positions": [[0, 0]]}}]),
        "elements": changed(nodes=[{**first, "arrays": {**first["arrays"], "numbers": [999] * 6}}]),
        "source": changed(source={"lattice": 3}),
        "deep": "[" * 100_000,
    }


DAMAGES = [
    *("empty", "cut", "last brace", "words", "list", "other format", "schema", "current", "no nodes", "orphan"),
    *("loop", "kind", "nan", "ragged", "elements", "source", "deep"),
]


@pytest.mark.parametrize("how", DAMAGES)
def test_a_file_that_is_not_a_whole_session_is_one_clear_error(session, tmp_path, how):
    text = session.save(tmp_path / "good.json").read_text()
    path = tmp_path / "bad.json"
    path.write_text(damage(text)[how])
    with pytest.raises(SessionError) as caught:
        Session.load(path)
    assert "bad.json" in str(caught.value) and "\n" not in str(caught.value)
    if how == "schema":
        assert "99" in str(caught.value) and "motifdesk" in str(caught.value)


def test_binary_and_missing_files_are_one_clear_error(tmp_path):
    path = tmp_path / "weights.bin"
    path.write_bytes(bytes(range(256)) * 4)
    for bad in (path, tmp_path / "missing.json", tmp_path):
        with pytest.raises(SessionError):
            Session.load(bad)


@pytest.mark.parametrize("suffix", [".cif", ".json", ".vasp", ".extxyz"])
def test_an_exported_file_reads_back_with_its_recipe(session, tmp_path, suffix):
    from pymatgen.analysis.structure_matcher import StructureMatcher

    path = session.export(tmp_path / f"design{suffix}")
    rms = StructureMatcher().get_rms_dist(read(path), session.state.structure)
    assert rms is not None and rms[0] < 1e-4
    text = path.read_text()
    for word in ("substitute", "Zr", "rutile", session.identity, "pymatgen"):
        assert word in text
    with pytest.raises(MotifDeskError, match="exists"):
        session.export(path)
    session.export(path, overwrite=True)


def test_an_export_shows_the_committed_design_not_a_preview(session, tmp_path):
    volume = session.state.arrays.volume
    session.preview("strain", volume=1.5)
    assert read(session.export(tmp_path / "a.cif")).volume == pytest.approx(volume, rel=1e-6)
