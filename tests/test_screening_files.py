"""The files of a campaign: the plan, the store, the report and the shortlist, where something is wrong with them."""

import os
import sqlite3
import stat

import pytest
from ase.build import bulk, molecule

from motifdesk.cli import main
from motifdesk.screening import Campaign, Plan, ScreeningError, Store
from motifdesk.screening.candidate import Candidate, Energy
from motifdesk.screening.energies.hull import Hull
from motifdesk.screening.exporting import export_shortlist, optimade, vasp_input
from motifdesk.screening.finishing import _mark_system
from motifdesk.screening.listing import Listing
from motifdesk.screening.opening import opened
from motifdesk.structures import to_arrays, write

PLAN = """
[campaign]
store = "it.sqlite"
workers = 0
map = false
[[generate]]
kind = "files"
files = ["NaCl.cif"]
[checks]
novelty = {own = ["NaCl.cif"]}
"""


@pytest.fixture
def folder(tmp_path):
    there = tmp_path / "there"
    there.mkdir()
    write(bulk("NaCl", "rocksalt", a=5.64), there / "NaCl.cif")
    (there / "plan.toml").write_text(PLAN)
    return there


def test_a_folder_moved_with_its_plan_and_store_is_the_same_campaign(folder, tmp_path):
    first = Campaign(folder / "plan.toml")
    assert first.run().made == 1
    first.close()
    moved = folder.rename(tmp_path / "elsewhere")
    assert Campaign(moved / "plan.toml").run().made == 0


def test_looking_at_the_status_makes_no_store(folder, capsys):
    assert main(["screen", str(folder / "plan.toml"), "--status"]) == 0
    assert "0 of 1 candidates" in capsys.readouterr().out
    assert not list(folder.glob("*.sqlite*"))


@pytest.mark.parametrize(
    ("option", "make", "words"),
    [
        ("--report", lambda p: p.mkdir(), "a folder, no file"),
        ("--export", lambda p: p.write_text(""), "a file, no folder"),
        ("--export", lambda p: (p.mkdir(), (p / "old.cif").write_text("")), "the folder is not empty"),
    ],
)
def test_what_cannot_be_written_at_the_end_is_refused_at_the_beginning(folder, capsys, option, make, words):
    make(folder / "target")
    assert main(["screen", str(folder / "plan.toml"), option, str(folder / "target")]) == 2
    assert words in capsys.readouterr().err and not (folder / "it.sqlite").exists()


def test_a_report_that_cannot_be_written_is_one_sentence(folder, capsys):
    (folder / "file").write_text("")
    assert main(["screen", str(folder / "plan.toml"), "--quiet", "--report", str(folder / "file" / "r.html")]) == 2
    assert "the report cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('kind = "famly"', "plan.toml: kind of generator famly"),
        ('kind = "modes"\nstructure = "NaCl.cif"\nirreps = [4]', "plan.toml: generator modes: irreps = "),
        (
            'kind = "modes"\nstructure = "NaCl.cif"\nsupercell = [0, 1, 1]',
            "plan.toml: generator modes: .0, 1, 1. is no",
        ),
        ('kind = "neighbourhood"\ndesign = "none.cif"\ncount = 1', "plan.toml: generator neighbourhood: none.cif"),
        ('kind = "substitution"\nchemical_system = ["Na", ["O"]]\ncount = 1', "no elements"),
    ],
)
def test_a_generator_that_is_refused_is_named_with_its_file_and_place(folder, table, words):
    (folder / "plan.toml").write_text(PLAN.replace('kind = "files"\nfiles = ["NaCl.cif"]', table))
    with pytest.raises(ScreeningError, match=words) as caught:
        Campaign(folder / "plan.toml")
    assert "None" not in str(caught.value)


# ------------------------------------------------------------------------------------------------------- the store


@pytest.mark.parametrize(("version", "words"), [(7, "version 7.*later MotifDesk"), (0, "no store"), (1, "lacks the")])
def test_a_database_that_is_no_store_of_this_version_is_left_as_it_is(tmp_path, version, words):
    with sqlite3.connect(tmp_path / "other.sqlite") as db:
        db.execute("CREATE TABLE mine (a)")
        db.execute(f"PRAGMA user_version={version}")
    before = (tmp_path / "other.sqlite").read_bytes()
    for read_only in (False, True):
        with pytest.raises(ScreeningError, match=words if version or not read_only else "version 0"):
            Store(tmp_path / "other.sqlite", read_only=read_only)
    assert (tmp_path / "other.sqlite").read_bytes() == before, "its journal's mode among others"


def test_a_store_is_made_whole_or_not_at_all(tmp_path):
    path = tmp_path / "it.sqlite"
    with pytest.raises(ScreeningError):  # as a kill between two tables
        opened(path, "CREATE TABLE candidates (a); no SQL", False)
    assert len(Store(path)) == 0


def test_a_damaged_store_is_named_with_a_remedy(folder):
    campaign = Campaign(folder / "plan.toml")
    campaign.run()
    campaign.close()
    whole = (folder / "it.sqlite").read_bytes()
    (folder / "it.sqlite").write_bytes(whole[:4096] + b"x" * (len(whole) - 4096))
    with pytest.raises(ScreeningError, match="store is damaged.*copy"):
        Campaign(folder / "plan.toml")
    with (
        pytest.raises(ScreeningError, match="store is damaged.*copy"),
        Store(folder / "it.sqlite", read_only=True) as s,
    ):
        s.counts()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_store_in_a_folder_that_cannot_be_written_is_read_and_its_campaign_refused(folder):
    campaign = Campaign(folder / "plan.toml")
    campaign.run()
    campaign.close()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert len(Store(folder / "it.sqlite", read_only=True)) == 1
        assert len(Listing(folder / "it.sqlite")) == 1
        with pytest.raises(ScreeningError, match="cannot be written"):
            Store(folder / "new.sqlite")
    finally:
        folder.chmod(stat.S_IRWXU)


def test_a_file_the_lock_cannot_be_put_beside_is_one_sentence(tmp_path):
    store = Store(tmp_path / "it.sqlite")
    (tmp_path / "it.sqlite.lock").mkdir()
    with pytest.raises(ScreeningError, match="cannot be locked"):
        store.lock()


# ----------------------------------------------------------------------------------------------- the shortlist


def test_molecules_are_handed_over_as_molecules_and_spoil_nothing(tmp_path):
    store = Store(tmp_path / "it.sqlite")
    made = (to_arrays(bulk("NaCl", "rocksalt", a=5.64)), to_arrays(molecule("H2O")))
    store.put([Candidate("files", 0, k, {"kind": "files"}, a) for k, a in enumerate(made)])
    folder = export_shortlist(store, tmp_path / "out", inputs=True)
    assert sorted(p.suffix for p in folder.glob("000*")) == [".cif", ".xyz"]
    assert len(list((folder / "vasp").iterdir())) == len(list((folder / "espresso").iterdir())) == 1
    water = store.get("files", 0, 1)
    with pytest.raises(ScreeningError, match="no cell"):
        vasp_input(water, tmp_path / "no")
    attributes = optimade([water])["data"][0]["attributes"]
    assert attributes["dimension_types"] == [0, 0, 0] and attributes["nperiodic_dimensions"] == 0


def test_the_shortlist_says_when_its_store_was_written(folder, tmp_path):
    import json
    from datetime import datetime

    campaign = Campaign(Plan.read(folder / "plan.toml"))
    campaign.run()
    answer = json.loads((export_shortlist(campaign.store, tmp_path / "out") / "optimade.json").read_text())
    when = datetime.fromisoformat(answer["data"][0]["attributes"]["last_modified"])
    assert abs((datetime.now(when.tzinfo) - when).total_seconds()) < 3600
    assert answer["meta"]["implementation"]["name"] == "MotifDesk"


def test_a_compound_far_below_the_hull_is_told_to_lack_a_competitor(tmp_path):
    store = Store(tmp_path / "it.sqlite")
    salt = to_arrays(bulk("NaCl", "rocksalt", a=5.64))
    for k, per_atom in enumerate((-3.5, -1.1)):
        store.put(Candidate("files", 0, k, {}, salt, energy=Energy("any", per_atom)))
    elements = [(to_arrays(bulk(s, "bcc", a=4.0)).numbers, -1.0) for s in ("Na", "Cl")]
    _mark_system(store, "Cl-Na", Hull([11, 17], elements), [])
    notes = [c.energy.note for c in store]
    assert "are missing from the corpora" in notes[0] and "are missing from the corpora" not in notes[1]


def test_recipes_tell_the_whole_plan(folder, tmp_path):
    import json

    campaign = Campaign(folder / "plan.toml")
    campaign.run()
    plan = json.loads((export_shortlist(campaign.store, tmp_path / "out") / "recipes.json").read_text())["plan"]
    (made,) = plan["generate"]
    assert (made["name"], made["seed"], made["options"]["files"]) == ("files", 0, ["NaCl.cif"])
    assert made["kind"].endswith(":FilesGenerator")
    assert plan["motifdesk"] and plan["checks"] == {"novelty": {"own": ["NaCl.cif"]}}


def test_what_failed_is_made_again_when_that_is_asked_for_and_only_then(folder, capsys):
    (folder / "plan.toml").write_text(PLAN.replace('["NaCl.cif"]\n[', '["NaCl.cif", "late.cif"]\n['))
    command = ["screen", str(folder / "plan.toml"), "--quiet"]
    assert main(command) == 0 and "1 error, 1 passed" in capsys.readouterr().out
    (folder / "late.cif").write_bytes((folder / "NaCl.cif").read_bytes())
    assert main(command) == 0 and "0 made now" in capsys.readouterr().out
    assert main([*command, "--retry"]) == 0
    said = capsys.readouterr().out
    assert "2 passed" in said and "1 made now" in said


def test_workers_and_a_scheduler_together_are_refused(folder, capsys):
    assert main(["screen", str(folder / "plan.toml"), "--workers", "1", "--scheduler", "tcp://127.0.0.1:9"]) == 2
    assert "one of them" in capsys.readouterr().err


def test_files_added_to_a_folder_are_made_and_none_twice(folder):
    salts = folder / "salts"
    salts.mkdir()
    for name in ("b.cif", "c.cif"):
        (salts / name).write_bytes((folder / "NaCl.cif").read_bytes())
    (folder / "plan.toml").write_text(PLAN.replace('["NaCl.cif"]\n[', '["salts"]\n['))
    assert Campaign(folder / "plan.toml").run().made == 2
    (salts / "d.cif").write_bytes((folder / "NaCl.cif").read_bytes())
    assert Campaign(folder / "plan.toml").run().made == 1
    (salts / "a.cif").write_bytes((folder / "NaCl.cif").read_bytes())
    with pytest.raises(ScreeningError, match="files of generator files were others.*after the others"):
        Campaign(folder / "plan.toml")
