"""The desk without a browser: what it publishes, what the page's messages do, threads, errors, disposal."""

import gc
import subprocess
import sys
import threading

import numpy as np
import pytest
from ipywidgets.widgets import widget as registry
from ipywidgets.widgets.widget import _instances

import motifdesk as md
from motifdesk.desk import scene
from motifdesk.desk.channels import Input, script
from motifdesk.desk.history import describe_history
from motifdesk.desk.workers import Latest


@pytest.fixture(autouse=True, scope="module")
def nothing_stays_open():
    """Other files' tests may follow in this process, and look whether their own desks have left anything."""
    yield
    for widget in list(_instances.values()):
        if isinstance(widget, md.Desk):
            widget.close()


@pytest.fixture
def desk():
    made = md.Desk(md.read("beta-Li2IrO3.cif", cell="primitive"))
    yield made
    made.close()


def say(desk, op, n=1, **content):
    """What the page would send."""
    desk._on_message(desk._input, {"op": op, "n": n, **content}, None)


def pick(desk, scope="motif"):
    index = next(m.index for m in desk.session.state.graph.motifs if m.formula == "IrO6")
    say(desk, "pick", kind="motif", motif=index)
    say(desk, "scope", scope=scope)
    mode = next(m for m in desk.session.state.modes if m.irrep == "Eg" and m.block == "stretch")
    return index, mode


def slide(desk, mode, value, n=1):
    chosen = desk.session.state.selection
    say(desk, "distort", n=n, key=mode.key, value=value, scope=chosen.scope, motif=chosen.motif)


def published(desk):
    """Positions [N, 3] and cell [3, 3] as the page has them."""
    numbers = np.frombuffer(desk._output.positions, dtype="<f4")
    return numbers[:-9].reshape(-1, 3), numbers[-9:].reshape(3, 3)


def assert_published(desk):
    arrays = desk.session.state.arrays
    positions, cell = published(desk)
    np.testing.assert_allclose(positions, arrays.positions, atol=1e-5)
    np.testing.assert_allclose(cell, arrays.cell, atol=1e-5)


def test_repr_is_one_stable_line(desk):
    assert repr(desk) == "Desk(Li2IrO3, 24 atoms)"
    assert repr(md.Desk(md.read("benzene.xyz"))) == "Desk(C6H6, 12 atoms, molecule)"


def test_opening_a_desk_imports_no_heavy_library():
    code = (
        "import sys, motifdesk as md; md.Desk(md.read('beta-Li2IrO3.cif', cell='primitive'));"
        "print([m for m in ('torch', 'e3nn', 'umap', 'numba', 'sklearn', 'matplotlib.pyplot') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_polyhedra_are_whole_at_the_faces_of_the_cell(desk):
    state = desk.session.state
    drawn = desk._output.scene
    at = scene.points(drawn, state.arrays.positions, state.arrays.cell)
    np.testing.assert_allclose(at[:24], state.arrays.positions)
    assert {p["kind"] for p in drawn["polyhedra"]} == {"IrO6"}
    for polyhedron in drawn["polyhedra"]:
        centre, *ligands = polyhedron["members"]
        lengths = np.linalg.norm(at[ligands] - at[centre], axis=1)
        assert len(ligands) == 6 and lengths.max() < 2.2, "an oxygen of another cell was left where it is"
        assert len(polyhedron["tri"]) == 24 and len(polyhedron["edge"]) == 24
        assert set(polyhedron["tri"]) == set(ligands)
        middle = at[ligands].mean(axis=0)
        for a, b, c in at[polyhedron["tri"]].reshape(-1, 3, 3):
            assert np.dot(np.cross(b - a, c - a), a - middle) > 0, "a face looks inward"
    pairs = np.array(drawn["bonds"]).reshape(-1, 2)
    assert len(pairs) == 24 and np.linalg.norm(at[pairs[:, 0]] - at[pairs[:, 1]], axis=1).max() < 2.2


def test_octahedra_on_the_corners_of_the_cell_are_drawn_on_every_corner():
    structure = md.read("NaCl.cif", cell="conventional")
    drawn = md.Desk(structure)._output.scene
    assert all(len(p["edge"]) == 24 for p in drawn["polyhedra"])
    corner = [p for p in drawn["polyhedra"] if p["centre"] in [k for k, s in enumerate(drawn["site"]) if s == 0]]
    assert len(corner) == 8 and len({p["motif"] for p in corner}) == 1 and len(drawn["site"]) > len(structure)


def test_hidden_kinds_appear_when_picked_and_when_asked_for(desk):
    lithium = next(m.index for m in desk.session.state.graph.motifs if m.formula == "LiO6")
    say(desk, "pick", kind="motif", motif=lithium)
    assert [p["motif"] for p in desk._output.scene["polyhedra"] if p["kind"] == "LiO6"] == [lithium]
    say(desk, "kind", kind="LiO6", shown=True)
    assert sum(p["kind"] == "LiO6" for p in desk._output.scene["polyhedra"]) >= 8
    say(desk, "kind", kind="IrO6", shown=False)
    assert {p["kind"] for p in desk._output.scene["polyhedra"]} == {"LiO6"}
    before = len(desk._output.scene["site"])
    say(desk, "repeat", repeat=[2, 1, 1])
    assert len(desk._output.scene["site"]) > 1.5 * before and len(desk.session.state.arrays.numbers) == 24


def test_a_slider_previews_and_its_release_is_one_step(desk):
    _, mode = pick(desk)
    scene_id, frame = desk._output.scene["id"], desk._output.frame
    for n, value in enumerate((0.05, 0.1, 0.15), 10):
        slide(desk, mode, value, n)
        assert desk.session.state.preview and desk._output.ack == n
        assert_published(desk)
    say(desk, "release", what="distort")
    assert [n.edit.kind for n in desk.session.history.path()] == ["open", "distort"]
    assert desk.session.state.amplitudes == {mode.key: 0.15}
    assert desk._output.scene["id"] == scene_id, "the same bonds must move in place"
    assert desk._output.frame > frame
    sliders = {s["key"]: s["value"] for g in desk._output.handles["groups"] for s in g["sliders"]}
    assert sliders[mode.key] == 0.15
    slide(desk, mode, -0.2)
    say(desk, "cancel", what="distort")
    assert desk.session.state.amplitudes == {mode.key: 0.15} and not desk.session.state.preview
    say(desk, "reset")
    assert not desk.session.state.amplitudes and len(desk.session.history) == 3


def test_the_volume_handle_counts_from_the_structure_as_opened(desk):
    start = desk.session.state.arrays.volume
    for value in (104.0, 102.0):
        say(desk, "strain", key="volume", value=value)
        say(desk, "release", what="strain")
        assert desk.session.state.arrays.volume == pytest.approx(start * value / 100)
        assert desk._output.handles["cell"][0]["value"] == pytest.approx(value)
    assert_published(desk)


def test_edits_from_python_show_at_once(desk):
    _, mode = pick(desk, "orbit")
    desk.session.distort({mode: 0.08})
    assert_published(desk)
    assert desk._output.header["can_undo"] and "Jahn-Teller" in desk._output.header["undo_name"]
    assert [n.get("current", False) for n in desk._output.history["nodes"]] == [False, True]
    first = desk._output.scene["id"]
    desk.session.substitute([0], "Na")
    assert desk._output.scene["id"] != first and desk._output.scene["symbol"][0] == "Na"
    say(desk, "undo")
    say(desk, "undo")
    assert_published(desk)
    assert len(desk._output.history["nodes"]) == 3


def test_a_branch_is_drawn_beside_its_sibling(desk):
    desk.session.strain(volume=1.02)
    say(desk, "goto", node=0)
    desk.session.strain(volume=0.98)
    nodes = describe_history(desk.session.history)["nodes"]
    assert [(n["id"], n["depth"], n["on_path"]) for n in nodes] == [(0, 0, True), (1, 1, False), (2, 0, True)]


def test_errors_become_one_message_and_leave_the_design(desk):
    before = desk.session.state
    say(desk, "goto", node=99)
    say(desk, "pick", kind="motif", motif=4000)
    say(desk, "strain", key="volume", value=1e9)
    say(desk, "distort", key="m0:motif:nonsense", value=0.1, scope="motif", motif=None)
    say(desk, "distort", key="<img src=x onerror=alert(1)>", value=float("nan"), scope="motif", motif=None)
    say(desk, "nothing of the kind")
    assert 3 <= len(desk.messages) <= 4 and all("\n" not in text for text in desk.messages)
    assert desk.session.state.arrays is before.arrays and len(desk.session.history) == 1
    first = desk._output.messages[0]["id"]
    say(desk, "dismiss", id=first)
    assert first not in [m["id"] for m in desk._output.messages]


def test_bad_input_raises_before_anything_is_shown(tmp_path):
    empty = tmp_path / "empty.cif"
    empty.write_text("")
    widgets = set(registry._instances)
    with pytest.raises(md.MotifDeskError, match="empty.cif"):
        md.Desk(empty)
    assert set(registry._instances) - widgets == set()


def test_export_says_where_or_why_not(desk, tmp_path):
    target = tmp_path / "design.cif"
    say(desk, "export", name=str(target), format="cif", overwrite=False)
    assert desk._output.export["level"] == "good" and str(target) in desk._output.export["text"]
    assert md.read(target).composition == desk.session.state.structure.composition
    content = target.read_bytes()
    say(desk, "export", name=str(target), format="cif", overwrite=False)
    assert desk._output.export["level"] == "bad" and target.read_bytes() == content
    say(desk, "export", name="  ", format="cif", overwrite=False)
    assert desk._output.export["level"] == "bad"
    say(desk, "download", name="../../x.cif", format="cif")
    assert desk._output.download["name"] == "x.cif" and "data_" in desk._output.download["text"]
    assert not desk.messages


def test_messages_on_another_thread_while_cells_edit(desk):
    """ipykernel 7 calls back on its own thread, concurrently with cells; in the end everything agrees."""
    _, mode = pick(desk)
    failures = []

    def page():
        try:
            for n in range(40):
                slide(desk, mode, 0.002 * n, n)
                if n % 8 == 7:
                    say(desk, "release", what="distort")
        except Exception as error:  # pragma: no cover - the failure itself
            failures.append(error)

    thread = threading.Thread(target=page)
    thread.start()
    for k in range(12):
        try:
            desk.session.strain(volume=1.0 + 0.001 * (-1) ** k)
            desk.session.undo()
        except md.MotifDeskError:  # "overtaken by a newer gesture", or nothing left to undo: said, not silent
            continue
    thread.join(60)
    say(desk, "release", what="distort")
    assert not thread.is_alive() and not failures
    assert_published(desk)
    current = [n["id"] for n in desk._output.history["nodes"] if n.get("current")]
    assert current == [desk.session.history.current]


def test_the_input_wire_is_never_written_by_python(desk, monkeypatch):
    def written(*_, **__):
        raise AssertionError("Python wrote on the page's wire: a busy cell would freeze the interface")

    monkeypatch.setattr(Input, "send_state", written)
    monkeypatch.setattr(Input, "send", written)
    _, mode = pick(desk)
    slide(desk, mode, 0.1)
    say(desk, "release", what="distort")
    say(desk, "undo")
    desk.session.strain(volume=1.01)
    assert not desk.messages


def test_a_map_drag_follows_and_its_release_lands(desk):
    say(desk, "ready")
    assert desk.settle(120) and desk._output.map_ready, desk._output.mapbar
    here = desk._output.overlay["landed"]
    assert here == pytest.approx(list(desk.session.state.latent.xy))
    start = desk.session.state.arrays.positions
    for n in range(1, 4):
        say(desk, "probe", n=100 + n, x=here[0] + 0.1 * n, y=here[1])
    say(desk, "release", n=104, what="probe")
    assert desk.settle(60) and desk._output.ack == 104
    state = desk.session.state
    assert [n.edit.kind for n in desk.session.history.path()] == ["open", "drag"] and not state.preview
    assert np.abs(state.arrays.positions - start).max() > 1e-3
    assert_published(desk)
    assert desk._output.overlay["target"] == pytest.approx([here[0] + 0.3, here[1]])
    assert len(desk._output.overlay["trail"]) == 2
    rows = {row["key"]: row for row in desk._output.readouts["rows"]}
    assert rows["residual"]["value"] and not desk._output.stale


def test_close_leaves_nothing_behind():
    md.Desk(md.read("Si.cif")).close()  # nglview makes one colour registry for all
    gc.collect()
    widgets, threads = set(registry._instances), set(threading.enumerate())
    desk = md.Desk(md.read("rutile-TiO2.cif"))
    say(desk, "ready")
    session = desk.session
    desk.close()
    desk.close()
    assert {type(registry._instances[k]).__name__ for k in set(registry._instances) - widgets} == set()
    assert not [t for t in set(threading.enumerate()) - threads if t.name.startswith("motifdesk")]
    assert not session._observers
    session.strain(volume=1.01)  # the document lives on


def test_a_molecule_has_no_cell_and_no_polyhedra():
    desk = md.Desk(md.read("benzene.xyz"))
    assert not desk._output.scene["cell"] and not desk._output.scene["polyhedra"]
    assert len(desk._output.scene["bonds"]) == 24 and desk._output.handles["cell"] == []
    assert [f[0] for f in desk._output.export["formats"]][0] == "xyz"
    desk.close()


def test_newest_request_wins_and_close_ends_the_thread():
    gate, done = threading.Event(), []

    def work(request):
        done.append(request)
        gate.wait(5)

    slot = Latest(work, "motifdesk-test")
    slot.put(0)
    while not done:
        pass
    for k in range(1, 6):
        slot.put(k)
    gate.set()
    assert slot.settle(5) and done == [0, 5]
    slot.close()
    assert "motifdesk-test" not in [t.name for t in threading.enumerate()]


def test_the_bridge_sets_text_never_html():
    assert "innerHTML" not in script() and "insertAdjacentHTML" not in script() and "eval(" not in script()
