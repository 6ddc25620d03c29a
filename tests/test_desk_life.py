"""A desk's life without a browser: saved by itself, continued, compared, linked, listened to, and never growing."""

import json
import os
import threading

import ipywidgets
import numpy as np
import pytest
from ipywidgets.widgets import widget as registry

import motifdesk as md
from motifdesk.desk import link
from motifdesk.desk import lives as life
from motifdesk.desk.history import describe_history
from motifdesk.session import Session
from motifdesk.session.history import Edit, History, Node


def say(desk, op, n=1, **content):
    """What the page would send."""
    desk._on_message(desk._input, {"op": op, "n": n, **content}, None)


def by_hand(desk, percent):
    """The volume handle, moved and let go."""
    say(desk, "strain", key="volume", value=percent)
    say(desk, "release", what="strain")


def a_desk(**words):
    return md.Desk(words.pop("design", "rutile-TiO2.cif"), **{"codec": None, "atlas": None, **words})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ------------------------------------------------------------------------------------------------------ autosave


def test_a_desk_that_no_page_shows_writes_nothing(folder):
    desk = a_desk()
    say(desk, "ready")
    desk.session.strain(volume=1.02)
    by_hand(desk, 103.0)
    assert desk.settle(20)
    desk.close()
    assert os.listdir(folder) == [] and desk.saved_as is None


def test_on_a_page_saving_begins_with_the_first_step_made_by_hand(folder, monkeypatch):
    monkeypatch.setattr("motifdesk.desk.autosave.a_page_is_there", lambda: True)
    monkeypatch.setenv("JPY_SESSION_NAME", str(folder / "rutile study.ipynb"))
    desk = a_desk()
    say(desk, "ready")
    desk.session.strain(volume=1.02)  # a cell does it again when it is run again
    say(desk, "undo")
    say(desk, "redo")
    assert desk.settle(20)
    by_hand(desk, 103.0)
    assert desk.settle(20)
    assert os.listdir(folder) == ["rutile-study-rutile-TiO2.motifdesk.json"]
    assert desk._output.kept["text"].startswith("saved ") and desk._output.kept["level"] == "good"
    assert len(Session.load(desk.saved_as, codec=None, atlas=None).history) == 3
    desk.session.strain(volume=0.9)
    desk.close()  # writes what is not written yet
    assert len(Session.load(desk.saved_as, codec=None, atlas=None).history) == 4


def test_autosave_can_be_off_and_turned_on(folder, monkeypatch):
    monkeypatch.setattr("motifdesk.desk.autosave.a_page_is_there", lambda: True)
    desk = a_desk(autosave=False)
    by_hand(desk, 103.0)
    assert desk.settle(20) and os.listdir(folder) == [] and not desk.autosave
    say(desk, "autosave", on=True)
    assert desk.settle(20) and desk.saved_as is not None and desk.saved_as.exists()
    desk.autosave = False
    before = desk.saved_as.read_bytes()
    by_hand(desk, 104.0)
    desk.close()
    assert desk.saved_as.read_bytes() == before


def test_what_was_saved_is_offered_and_continued_only_when_asked(folder):
    first = a_desk(autosave="mine.motifdesk.json")
    by_hand(first, 103.0)
    by_hand(first, 104.0)
    design = first.session.state.arrays.positions
    identity = first.session.identity
    first.close()
    again = a_desk(autosave="mine.motifdesk.json")
    say(again, "ready")
    assert again.settle(20)
    offers = again._output.kept["offers"]
    assert [name for name, _ in offers] == ["mine.motifdesk.json"] and "2 steps" in offers[0][1]
    assert len(again.session.history) == 1, "nothing is continued unasked"
    say(again, "resume", which=0)
    assert (again.session.state.arrays.positions == design).all() and again.session.identity == identity
    assert again._output.kept["offers"] == [] and "2 steps" in again._output.kept["text"]
    assert len(again._output.history["nodes"]) == 3 and again._output.header["can_undo"]
    again.close()
    third = a_desk(autosave="mine.motifdesk.json", resume=True)
    assert (third.session.state.arrays.positions == design).all()
    third.close()
    assert os.listdir(folder) == ["mine.motifdesk.json"]


def test_starting_anew_leaves_the_saved_file_and_saves_beside_it(folder):
    first = a_desk(autosave="mine.motifdesk.json")
    by_hand(first, 103.0)
    first.close()
    before = (folder / "mine.motifdesk.json").read_bytes()
    again = a_desk(autosave="mine.motifdesk.json")
    say(again, "ready")
    assert again.settle(20)
    say(again, "anew")
    assert again._output.kept["offers"] == []
    by_hand(again, 90.0)
    again.close()
    assert (folder / "mine.motifdesk.json").read_bytes() == before
    assert again.saved_as.name == "mine-2.motifdesk.json"


def test_a_folder_that_cannot_be_written_to_is_one_message_and_saving_goes_on_later(folder):
    place = folder / "later"
    desk = a_desk(autosave=place / "x.motifdesk.json")
    by_hand(desk, 103.0)
    assert desk.settle(20)
    by_hand(desk, 104.0)
    assert desk.settle(20)
    assert [m for m in desk.messages if "not saved" in m] == list(desk.messages) and len(desk.messages) == 1
    assert desk._output.kept["level"] == "bad"
    place.mkdir()
    by_hand(desk, 105.0)
    assert desk.settle(20)
    assert desk._output.kept["level"] == "good" and len(Session.load(desk.saved_as, codec=None).history) == 4
    desk.close()


def test_a_session_made_by_other_versions_says_so_on_the_desk(folder):
    session = Session("rutile-TiO2.cif", codec=None, atlas=None)
    session.strain(volume=1.02)
    data = json.loads(session.save("old.json").read_text())
    data["nodes"][1]["edit"]["versions"]["moyopy"] = "0.0.1"
    (folder / "old.json").write_text(json.dumps(data))
    desk = a_desk(design=Session.load("old.json", codec=None, atlas=None))
    assert len(desk.messages) == 1 and "moyopy 0.0.1" in desk.messages[0] and "replay" in desk.messages[0]
    desk.close()


def test_edits_without_end_are_saved_now_and_then(folder, monkeypatch):
    monkeypatch.setattr("motifdesk.desk.autosave._LONGEST_S", 0.2)
    desk = a_desk(autosave="x.motifdesk.json")
    stop = threading.Event()

    def edit():
        while not stop.is_set():
            desk.session.strain(volume=1.0005)

    thread = threading.Thread(target=edit)
    thread.start()
    try:
        for _ in range(200):
            if desk.saved_as is not None:
                break
            stop.wait(0.1)
    finally:
        stop.set()
        thread.join()
    assert desk.saved_as is not None, "a rest that never comes must not put the saving off for ever"
    desk.close()
    assert len(Session.load("x.motifdesk.json", codec=None).history) == len(desk.session.history)


# -------------------------------------------------------------------------------------------- comparing and naming


def test_two_branches_side_by_side_and_one_is_taken():
    desk = a_desk()
    desk.session.strain(volume=1.02)
    say(desk, "goto", node=0)
    desk.session.strain(volume=0.98)
    desk.session.substitute([0], "Sn")
    say(desk, "name_step", node=1, name="wide")
    say(desk, "compare")
    assert desk.settle(20)
    shown = desk._output.compare
    assert (shown["a"]["node"], shown["b"]["node"]) == (1, 3) and shown["b"]["current"] and not shown["a"]["current"]
    assert shown["a"]["called"] == "wide" and shown["b"]["edits"] == ["Volume x 0.98", "Put Sn on site 0"]
    assert shown["head"] == "the atoms are not the same" and "arrows" not in shown["a"]
    assert len(shown["a"]["points"]) == 3 * len(shown["a"]["colour"]) and len(shown["a"]["corners"]) == 24
    rows = {row[0]: row for row in shown["rows"]}
    assert not rows["Formula"][5] and rows["Cell a"][1] == "Å" and rows["Cell a"][4].startswith("-")
    found = desk.compare(0, 1)
    assert found.volume_ratio == pytest.approx(1.02) and "volume x 1.02" in repr(found)
    say(desk, "goto", node=1)
    say(desk, "compare", close=True)
    assert desk._output.compare == {} and desk.session.state.node == 1
    for wrong in ((1, 9), (0, None)):
        with pytest.raises(md.MotifDeskError):
            desk.compare(*wrong)
    desk.compare()
    desk.close()


def test_arrows_lead_from_a_to_b():
    desk = a_desk()
    moved = desk.session.state.structure
    moved.translate_sites([3], [0.0, 0.0, 0.12], frac_coords=False)
    desk.session.set_structure(moved)
    desk.compare(0, 1)
    shown = desk._output.compare
    arrows = np.array(shown["a"]["arrows"]).reshape(-1, 3)
    longest = int(np.argmax(np.linalg.norm(arrows, axis=1)))
    assert longest == 3 and arrows[3] == pytest.approx([0.0, 0.0, 1.0], abs=0.01)
    # the drift of all six atoms is no displacement
    assert shown["movers"][0] == ["O3", "0.100 Å"] and shown["a"]["factor"] == 10.0 and "largest 0.100" in shown["head"]
    desk.close()


def long_history(count, forks=()):
    """A history of one trunk of `count` steps with a branch of three steps at each of `forks`."""
    state = Session("Si.cif", codec=None, atlas=None).state
    history = History.start(Edit("Open", "open"), state)
    for k in range(1, count):
        history = history.added(Node(k, k - 1, Edit(f"step {k}", "strain", parent=k - 1), state))
    number = count
    for fork in forks:
        above = fork
        for _ in range(3):
            history = history.added(Node(number, above, Edit(f"branch {number}", "strain", parent=above), state))
            above, number = number, number + 1
    return history.moved(count - 1)


def test_a_long_history_shows_what_lies_around_the_design_and_the_way_to_the_rest():
    history = long_history(5000, forks=(4990, 100))
    rows = describe_history(history)["nodes"]
    assert len(rows) < 200 and rows[0]["id"] == 0
    assert [r["id"] for r in rows if r.get("current")] == [4999] and {5000, 5001, 5002} < {r.get("id") for r in rows}
    gap = next(r for r in rows if "gap" in r)
    assert [r["name"] for r in rows if r.get("fork")] == ["step 4991"]
    earlier = describe_history(history, gap["gap"])["nodes"]
    assert gap["gap"] in [r.get("id") for r in earlier] and not any(r.get("current") for r in earlier)
    assert all(r["on_path"] for r in earlier if "id" in r)
    assert len(describe_history(long_history(40, forks=(5, 20)))["nodes"]) == 46, "a short one is whole"


def test_the_list_can_be_looked_at_elsewhere_until_the_design_moves_on():
    desk = a_desk()
    for _ in range(110):
        desk.session.strain(volume=1.0001)
    gap = next(r["gap"] for r in desk._output.history["nodes"] if "gap" in r)
    say(desk, "window", around=gap)
    assert gap in [r.get("id") for r in desk._output.history["nodes"]]
    desk.session.strain(volume=1.0001)
    assert gap not in [r.get("id") for r in desk._output.history["nodes"]]
    desk.close()


# -------------------------------------------------------------------------------------------- listening and linking


def test_callbacks_hear_of_steps_and_their_errors_are_told_on_the_desk():
    desk = a_desk()
    steps, all_changes, traits = [], [], []
    end = desk.on_change(lambda change: steps.append(change.action))
    desk.on_change(all_changes.append, previews=True)
    desk.observe(lambda change: traits.append(change["new"]), names="_dom_classes")  # ipywidgets' own goes on working
    desk.add_class("mine")
    assert traits and "mine" in traits[-1]
    desk.session.preview("strain", volume=1.01)
    desk.session.preview("strain", volume=1.02)
    desk.session.commit()
    assert steps == ["edit"] and [c.action for c in all_changes] == ["preview", "preview", "edit"]
    end()

    def broken(change):
        raise RuntimeError("my <b>callback</b>")

    desk.on_change(broken)
    desk.session.undo()
    assert steps == ["edit"] and any("my <b>callback</b>" in m for m in desk.messages)
    with pytest.raises(md.MotifDeskError, match="function"):
        desk.on_change("nothing to call")
    desk.close()
    count = len(all_changes)
    desk.session.redo()
    assert len(all_changes) == count


def test_two_desks_on_one_session_show_one_design_and_are_edited_from_either():
    one = a_desk()
    two = md.Desk(one.session)
    say(one, "pick", kind="motif", motif=0)
    assert two._output.highlight["picked"] == 0
    by_hand(two, 103.0)
    assert one._output.positions == two._output.positions and one._output.history == two._output.history
    say(one, "undo")
    assert two._output.header["can_redo"]
    one.close()
    by_hand(two, 105.0)
    assert two.session.state.arrays.volume == pytest.approx(1.05 * two.session.history[0].state.arrays.volume)
    two.close()


def test_linked_desks_share_pick_and_camera_until_unlinked():
    one, two, alien = a_desk(), a_desk(design="rutile-TiO2.cif"), a_desk(design="Si.cif")
    linked = link(one, two, alien)
    assert set(one._output.cameras) == {two.key, alien.key}
    say(one, "pick", kind="motif", motif=1)
    say(one, "scope", scope="orbit")
    pick = two.session.state.selection
    assert (pick.motif, pick.scope) == (1, "orbit")
    assert alien.session.state.selection.motif is None, "silicon has no such motif"
    say(two, "pick", kind="none")
    assert one.session.state.selection.motif is None
    linked.close()
    assert one._output.cameras == [] == two._output.cameras
    say(one, "pick", kind="motif", motif=0)
    assert two.session.state.selection.motif is None
    with pytest.raises(md.MotifDeskError, match="itself"):
        link(one, one)
    for desk in (one, two, alien):
        desk.close()


def test_a_cell_run_again_closes_the_desk_it_showed_before_and_no_other(monkeypatch):
    cell, count = ["a"], [1]

    monkeypatch.setattr(life, "running_cell", lambda: cell[0])
    monkeypatch.setattr(life, "run_number", lambda: count[0])
    life._BY_CELL.clear()
    first, twin = a_desk(), a_desk()
    for made in (first, twin):
        made._repr_mimebundle_()
    cell[0] = "b"
    elsewhere = a_desk()
    twin._repr_mimebundle_()  # shown in another cell as well
    count[0], cell[0] = 2, "a"
    again = md.Desk(first.session)
    assert first._closed and not twin._closed and not elsewhere._closed
    by_hand(again, 102.0)
    assert len(first.session.history) == 2, "the session survives"
    for desk in (twin, elsewhere, again):
        desk.close()
    life._BY_CELL.clear()


# ------------------------------------------------------------------------------------------------------ endurance


def test_three_hundred_edits_make_no_more_messages_widgets_or_threads_than_they_must(monkeypatch, folder):
    desk = a_desk(autosave="x.motifdesk.json")
    desk.session.select(0, scope="orbit")
    key = next(m.key for m in desk.session.state.modes if "breathing" in m.label)
    sizes = []
    send = ipywidgets.Widget._send

    def counted(widget, content, buffers=None):
        sizes.append(len(json.dumps(content, default=str)))
        send(widget, content, buffers)

    monkeypatch.setattr(ipywidgets.Widget, "_send", counted)
    parts = []
    for part in range(3):
        for k in range(100):
            desk.session.distort({key: 0.001 * (k % 7 + 1) + 1e-5 * part})
        assert desk.settle(30)
        parts.append((len(sizes), sum(sizes), len(registry._instances), threading.active_count()))
        sizes.clear()
    (_, _, widgets, threads), (messages2, bytes2, _, _), (messages3, bytes3, widgets3, threads3) = parts
    assert widgets3 == widgets and threads3 <= threads + 1
    assert messages3 <= 1.3 * messages2 + 20, "messages per edit do not grow"
    assert bytes3 <= 1.3 * bytes2 + 20_000, "nor do they get longer"
    assert len(desk._output.history["nodes"]) < 200 and len(desk.session.history) == 301
    desk.close()
