"""A session that saves itself: whose file is whose, what is continued, what happens to files that are neither."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from motifdesk.session import Session
from motifdesk.session.keeping import Keeper, keeper_of
from motifdesk.structures.errors import SessionError
from motifdesk.structures.write import replace_file

ROOT = Path(__file__).resolve().parent.parent
_ROCK_SALT = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])


def a_session(**words) -> Session:
    return Session(_ROCK_SALT.copy(), codec=None, atlas=None, **words)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_is_named_after_notebook_and_design_and_written_again(folder):
    session = a_session(name="rock / <salt>")
    session.strain(volume=1.1)
    keeper = keeper_of(session, notebook="my book")
    assert keeper_of(session) is keeper
    path = keeper.save()
    assert path.name == "my-book-rock-salt.motifdesk.json" and path.parent == folder
    session.strain(volume=1.1)
    assert keeper.save() == path
    assert len(Session.load(path, codec=None, atlas=None).history) == 3
    assert os.listdir(folder) == [path.name]


def test_no_file_of_another_session_is_written_over(folder):
    (folder / "NaCl.motifdesk.json").write_text("my notes")
    first, second = a_session(), a_session()
    for session in (first, second):
        session.strain(volume=1.1)
    names = [Keeper(first).save().name, Keeper(second).save().name]
    assert names == ["NaCl-2.motifdesk.json", "NaCl-3.motifdesk.json"]
    assert (folder / "NaCl.motifdesk.json").read_text() == "my notes"


def test_a_new_kernel_finds_what_was_made_of_the_same_input_and_goes_on_in_the_same_file(folder):
    before = a_session()
    before.strain(volume=1.1)
    before.substitute([0], "K")
    path = Keeper(before).save()
    now = a_session()
    other = Session(Structure(Lattice.cubic(5.7), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]]), codec=None, atlas=None)
    other.name = "NaCl"
    other.strain(volume=1.2)
    Keeper(other).save()
    keeper = Keeper(now)
    found = keeper.found()
    assert [(k.path, k.steps, k.last) for k in found] == [(path, 2, "Put K on site 0")]
    seen = []
    now.observe(lambda change: seen.append(change.action))
    now.adopt(keeper.take(found[0].path))
    assert seen == ["adopt"] and now.identity == before.identity
    assert (now.state.arrays.positions == before.state.arrays.positions).all()
    now.undo()
    now.strain(volume=0.9)
    assert keeper.save() == path and not keeper.warnings
    assert len(Session.load(path, codec=None, atlas=None).history) == 4
    assert keeper.found() == [], "its own file is nothing to continue"


def test_two_kernels_that_continue_one_file_part_and_neither_loses_a_step(folder):
    start = a_session()
    start.strain(volume=1.1)
    path = Keeper(start).save()
    sessions = [a_session(), a_session()]
    keepers = [Keeper(s) for s in sessions]
    for session, keeper in zip(sessions, keepers, strict=True):
        session.adopt(keeper.take(path))
    sessions[0].substitute([0], "K")
    assert keepers[0].save() == path
    sessions[1].substitute([0], "Rb")
    aside = keepers[1].save()
    assert aside != path and "another kernel" in keepers[1].warnings[0]
    kinds = [Session.load(p, codec=None, atlas=None).state.formula for p in (path, aside)]
    assert "K" in kinds[0] and "Rb" in kinds[1]
    assert sessions[0].identity != sessions[1].identity


@pytest.mark.parametrize("damage", ["cut", "schema", "foreign"])
def test_a_file_that_cannot_be_read_is_kept_and_told_in_one_sentence(folder, damage):
    session = a_session()
    session.strain(volume=1.1)
    path = Keeper(session).save()
    text = path.read_text()
    broken = {
        "cut": text[: len(text) // 2],
        "schema": text.replace('"schema": 1', '"schema": 99'),
        "foreign": json.dumps({"format": "something else"}),
    }[damage]
    path.write_text(broken)
    fresh = a_session()
    fresh.strain(volume=1.2)
    keeper = Keeper(fresh)
    assert keeper.found() == [] and len(keeper.warnings) == 1
    assert path.name in keeper.warnings[0] and "\n" not in keeper.warnings[0]
    saved = keeper.save()
    kept = folder / f"{path.name}.damaged" if damage == "cut" else path
    assert kept.read_text() == broken
    assert saved != kept and len(Session.load(saved, codec=None, atlas=None).history) == 2


def test_a_full_disk_leaves_the_last_good_file(folder, monkeypatch):
    session = a_session()
    session.strain(volume=1.1)
    keeper = Keeper(session)
    path = keeper.save()
    good = path.read_bytes()
    session.strain(volume=1.1)

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(SessionError, match=r"No space left.*Make room"):
        keeper.save()
    assert path.read_bytes() == good and os.listdir(folder) == [path.name]
    fresh = a_session(name="new")
    fresh.strain(volume=1.1)
    with pytest.raises(SessionError, match="No space left"):
        Keeper(fresh).save()
    assert os.listdir(folder) == [path.name], "a file that could not be written leaves no empty one"
    monkeypatch.undo()
    keeper.save()
    assert len(Session.load(path, codec=None, atlas=None).history) == 3


def test_a_folder_that_is_not_there_is_one_clear_error(tmp_path):
    session = a_session()
    session.strain(volume=1.1)
    with pytest.raises(SessionError, match="folder"):
        Keeper(session, tmp_path / "nowhere" / "x.motifdesk.json").save()


def test_a_file_is_written_whole_or_not_at_all_from_pieces(tmp_path):
    target = tmp_path / "x"
    replace_file(target, (b"%d" % k for k in range(3)))
    assert target.read_bytes() == b"012"

    def broken():
        yield b"half"
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        replace_file(target, broken())
    assert target.read_bytes() == b"012" and os.listdir(tmp_path) == ["x"]


def test_what_was_saved_by_itself_replays_in_a_new_process(folder):
    session = a_session()
    session.strain([[0.01, 0.002, 0], [0.002, 0, 0], [0, 0, -0.013]])
    session.substitute({1: "K"})
    session.name_step(2, "with potassium")
    path = Keeper(session).save()
    script = (
        "import sys, json\n"
        "from motifdesk.session import Session\n"
        "s = Session.load(sys.argv[1], codec=None, atlas=None); r = s.replay()\n"
        "print(json.dumps([r.exact, max(r.deviations.values()), dict(r.session.history.names), "
        "r.session.state.arrays.positions.tolist(), dict(s.other_versions)]))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", script, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    exact, worst, names, positions, other = json.loads(done.stdout)
    assert exact and worst <= 1e-6 and names == {"2": "with potassium"} and other == {}
    assert np.abs(np.array(positions) - session.state.arrays.positions).max() <= 1e-6


def test_versions_that_made_a_session_and_are_others_now_are_named(folder):
    session = a_session()
    session.strain(volume=1.1)
    data = json.loads(Keeper(session).save().read_text())
    data["nodes"][1]["edit"]["versions"]["numpy"] = "1.0"
    (folder / "old.json").write_text(json.dumps(data))
    loaded = Session.load(folder / "old.json", codec=None, atlas=None)
    assert list(loaded.other_versions) == ["numpy"] and loaded.other_versions["numpy"][0] == "1.0"


def test_names_of_steps_survive_saving_undo_and_export(folder):
    session = a_session()
    session.strain(volume=1.1)
    versions = []
    session.observe(lambda change: versions.append((change.action, change.state.version)))
    session.name_step(1, "  the   <b>big</b> one\n")
    assert session.history.names == {1: "the <b>big</b> one"} and versions[0][0] == "name"
    session.undo()
    session.strain(volume=0.9)
    assert session.history.names == {1: "the <b>big</b> one"}
    session.goto(1)
    assert "the <b>big</b> one" in session.export(folder / "x.json").read_text()
    loaded = Session.load(Keeper(session).save(), codec=None, atlas=None)
    assert loaded.history.names == session.history.names
    session.name_step(1, "")
    assert not session.history.names
    with pytest.raises(SessionError, match="no history node"):
        session.name_step(9, "x")
