"""Ten thousand steps: those not used for a while lie on the shelf and come back as they were; memory, messages and
quick answers do not grow with the history."""

import gc
import json
import tracemalloc
import weakref

import numpy as np
import pytest
from pymatgen.core import Structure

from motifdesk.desk.history import describe_history, listed
from motifdesk.session import Session
from motifdesk.session.history import Edit, History, Node, Nodes
from motifdesk.session.recording import to_json
from motifdesk.session.shelf import MOST_HOT, Shelf
from motifdesk.structures import read


def a_session(**options):
    return Session(read("Si.cif"), codec=None, atlas=None, **options)


def away(session):
    """Nodes whose content is on the shelf only."""
    nodes = session.history.nodes
    return [k for k in nodes if nodes.slot(k).content is None]


def press_on(session, steps=2 * MOST_HOT + 20):
    """So many small steps that what came before is shelved."""
    for k in range(steps):
        session.strain(volume=1.001 if k % 2 else 1 / 1.001)
    gc.collect()


def test_every_step_comes_back_bit_for_bit_on_its_base_structure():
    session = Session(read("rutile-TiO2.cif"), codec=None, atlas=None)
    session.select(0, scope="orbit")
    keys = [m.key for m in session.state.modes][:3]
    for k in range(12):
        session.distort({keys[k % 3]: 0.01 * (k + 1)})
    session.select(1, atoms=[2, 3])
    session.distort({keys[0]: 0.1, keys[1]: -0.2}, keep="request")
    session.substitute([0], "Sn")
    session.add_site("H", [1.1, 1.1, 1.1])
    session.delete_sites([1])
    session.supercell([1, 1, 2])
    session.name_step(3, "the third")
    kept = [
        (n.edit, n.state.arrays, n.state.selection, dict(n.state.amplitudes), dict(n.state.achieved), n.state.cost)
        for n in session.history
    ]
    facts = [(n.state.base, n.state.label, n.state.keep, n.state.notes, n.state.structure) for n in session.history]
    before = to_json("x", "y", session.history)["nodes"]
    press_on(session)
    assert set(away(session)) >= set(range(1, len(kept))) and 0 not in away(session)
    nodes = [session.history[k] for k in range(len(kept))]
    for node, (edit, arrays, selection, amplitudes, achieved, cost) in zip(nodes, kept, strict=True):
        state = node.state
        assert node.edit == edit and node.name == edit.name and node.kind == edit.kind
        for name in ("numbers", "positions", "cell"):
            assert getattr(state.arrays, name).tobytes() == getattr(arrays, name).tobytes()
        assert (state.selection, dict(state.amplitudes), dict(state.achieved), state.cost) == (
            selection, amplitudes, achieved, cost,
        )  # fmt: skip
    for node, fact in zip(nodes, facts, strict=True):
        state = node.state
        assert (state.base, state.label, state.keep, state.notes, state.structure) == fact and state.node == node.id
    references = {id(n.state.reference) for n in nodes[:14]}
    assert len(references) == 1, "distortions of one structure share what is known about it"
    after = to_json("x", "y", session.history)["nodes"][: len(before)]
    # the parent of what came next has a child and a way forward now
    assert json.dumps(after[:-1]) == json.dumps(before[:-1])
    session.goto(5)
    session.distort({keys[2]: 0.3})
    assert session.state.base == 0 and session.history[5].children == (6, len(session.history) - 1)
    session.undo()
    assert session.state.arrays.positions.tobytes() == kept[5][1].positions.tobytes()


def test_labels_site_properties_and_members_come_back_too():
    structure = Structure([[4, 0, 0], [0, 4, 0], [0, 0, 4]], ["Na+", "Cl-"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    structure.add_site_property("spin", [1, -2])
    session = Session(structure, codec=None, atlas=None)
    session.add_site("H", [2.0, 0.0, 0.0])
    session.delete_sites([2])
    session.build("perovskite")
    family = session.state.built
    press_on(session, 5)
    awkward = structure.copy()
    awkward.properties["array"] = np.arange(3)  # no JSON: held
    session.set_structure(awkward)
    press_on(session)
    assert {1, 2, 3, 9} <= set(away(session))
    back = session.history[2].state.structure
    assert [str(s.specie) for s in back] == ["Na+", "Cl-"] and back.site_properties["spin"] == [1, -2]
    built = session.history[3].state.built
    assert built.recipe == family.recipe and built.holds(session.history[3].state.arrays)
    assert session.history[8].state.built.family == family.family and session.history[9].state.built is None
    assert session.history[9].state.structure.properties["array"].tolist() == [0, 1, 2]


def test_what_somebody_holds_is_what_comes_back():
    session = a_session()
    session.strain(volume=1.02)
    held = session.state
    held = session.history[held.node].state
    press_on(session)
    assert 1 in away(session) and session.history[1].state is held
    reference = weakref.ref(held.reference)
    del held
    session.goto(100)
    press_on(session)
    assert reference() is None, "nobody's base structure is let go"


def test_an_earlier_snapshot_stays_what_it_was():
    session = a_session()
    session.strain(volume=1.02)
    old = session.history
    session.select(atoms=[3])
    assert session.history[1].state.selection.atoms == (3,) and old[1].state.selection.atoms == ()
    press_on(session)
    assert session.history[1].state.selection.atoms == (3,) and old[1].state.selection.atoms == ()
    assert len(old) == 2 and old[1].children == () and session.history[1].children == (2,)


def test_a_full_disk_keeps_the_steps_in_memory_and_saving_says_so_itself(monkeypatch, tmp_path):
    session = a_session()
    monkeypatch.setattr(Shelf, "append", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left")))
    press_on(session)
    assert away(session) == []
    path = session.save(tmp_path / "x.motifdesk.json")
    again = Session.load(path, codec=None, atlas=None)
    assert len(again.history) == len(session.history)
    monkeypatch.undo()
    press_on(session)
    assert len(away(session)) > MOST_HOT


def test_a_saved_long_session_is_the_session(tmp_path):
    session = a_session()
    press_on(session)
    session.goto(7)
    session.strain(volume=1.05)
    session.undo()
    session.undo()
    loaded = Session.load(session.save(tmp_path / "x.motifdesk.json"), codec=None, atlas=None)
    assert [n.name for n in loaded.history] == [n.name for n in session.history]
    for a, b in zip(loaded.history, session.history, strict=True):
        assert (a.parent, a.children, a.forward) == (b.parent, b.children, b.forward)
        assert a.state.arrays.positions.tobytes() == b.state.arrays.positions.tobytes()
    assert loaded.redo().arrays.positions.tobytes() == session.redo().arrays.positions.tobytes()
    assert loaded.replay().exact


def test_a_thousand_steps_keep_little():
    session = a_session()
    press_on(session, 3 * MOST_HOT)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        press_on(session, 1000)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 700_000, f"{grown} bytes"


@pytest.mark.parametrize("shape", ["trunk", "comb", "bush"])
def test_what_the_page_is_sent_does_not_grow_with_the_history(shape):
    state = a_session().state
    history = History.start(Edit("Open", "open"), state)
    sizes = []
    for k in range(1, 3000):
        # a comb: a branch at each step; a bush: three thousand attempts from one step
        parent = {"trunk": k - 1, "comb": max(0, k - 2 + k % 2), "bush": min(k - 1, 5)}[shape]
        history = history.added(Node(k, parent, Edit(f"step {k}", "strain", parent=parent), state))
        if k in (1000, 2000, 2999):
            described = describe_history(history)
            ids = [r["id"] for r in described["nodes"] if "id" in r]
            assert history.current in ids and ids[0] == 0 and len(set(ids)) == len(ids)
            sizes.append(len(json.dumps(described)))
            assert len(listed(history)) <= len(ids) + 1
    assert sizes[-1] < 40_000 and sizes[-1] < 1.15 * sizes[0]
    gaps = [r["gap"] for r in described["nodes"] if "gap" in r]
    assert gaps, "there is a way to what is left out"
    there = describe_history(history, gaps[0])["nodes"]
    assert gaps[0] in [r.get("id") for r in there]


def test_links_of_the_tree():
    state = a_session().state
    nodes = Nodes()
    above = {0: None, 1: 0, 2: 1, 3: 1, 4: 0, 5: 4, 6: 5}
    kinds = ["open", "strain", "supercell", "distort", "set_structure", "strain", "distort"]
    for (k, parent), kind in zip(above.items(), kinds, strict=True):
        nodes = nodes.added(Node(k, parent, Edit(f"{k}", kind, parent=parent), state))
    assert [nodes.children(k) for k in nodes] == [(1, 4), (2, 3), (), (), (5,), (6,), ()]
    assert [nodes.forward(k) for k in nodes] == [4, 3, None, None, 5, 6, None]
    assert list(nodes.up(6)) == [6, 5, 4, 0] and [nodes.setting(k) for k in nodes] == [0, 0, 2, 0, 4, 4, 4]
    history = History(nodes, 3)
    assert [n.id for n in history.leaves()] == [2, 3, 6] and history.common(3, 6) == 0 and history.common(2, 3) == 1
    assert [history.moved(k).last(("open", "supercell")).id for k in nodes] == [0, 0, 2, 0, 0, 0, 0]
    assert history.moved(2).nodes.forward(1) == 2 and nodes.forward(1) == 3, "a tree is never changed"
    with pytest.raises(ValueError, match="out of order"):
        nodes.added(Node(9, 0, Edit("x", "strain"), state))
    with pytest.raises(ValueError, match="leads to"):
        nodes.leading({1: 6})
    assert 7 not in nodes and "a" not in nodes
