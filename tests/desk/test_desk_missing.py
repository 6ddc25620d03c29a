"""What is missing here: the desk asks on a thread of its own, shows what belongs to the design, accepts as an edit."""

import threading

import numpy as np
import pytest
from pymatgen.core import Molecule

from motifdesk.codec import missing as door


@pytest.fixture
def slow(monkeypatch):
    """Answers wait until they are let through."""
    entered, opened = threading.Event(), threading.Event()
    answer = door.propose_missing

    def held(*args):
        entered.set()
        assert opened.wait(30)
        return answer(*args)

    monkeypatch.setattr(door, "propose_missing", held)
    return entered, opened


def deleted(page, atom: int):
    where = page.session.state.arrays.positions[atom]
    page.send("pick", kind="atom", site=atom, motif=None, shift=False).send("delete")
    return where


def asked(page):
    page.send("missing", what="ask")
    assert page.desk.settle()
    return page.out.missing


def test_a_deleted_hydrogen_is_proposed_and_accepted(opened):
    page = opened("benzene.xyz")
    where = deleted(page, 9)
    assert page.session.state.formula == "C6H5"
    shown = asked(page)
    assert shown["state"] == "shown"
    first = shown["proposals"][0]
    assert first["element"] == "H" and first["ghost"] and first["percent"].endswith(" %")
    assert np.linalg.norm(np.array(first["position"]) - where) < 0.2
    page.send("missing", what="accept", id=shown["id"], index=0)
    assert page.session.state.formula == "C6H6"
    assert page.edits() == ["open", "delete_sites", "add_site"]
    assert page.out.missing["state"] == "none"
    page.send("undo")
    assert page.session.state.formula == "C6H5"


def test_proposals_go_when_the_design_changes_or_they_are_dismissed(opened):
    page = opened("benzene.xyz")
    deleted(page, 9)
    shown = asked(page)
    page.send("undo")
    assert page.out.missing["state"] == "none"
    page.send("missing", what="accept", id=shown["id"], index=0)
    assert page.session.state.formula == "C6H6" and "earlier design" in page.desk.messages[-1]
    page.send("redo")
    shown = asked(page)
    page.send("pick", kind="atom", site=1, motif=None, shift=False)
    assert page.out.missing == shown, "a click changes no design"
    page.send("missing", what="dismiss")
    assert page.out.missing["state"] == "none" and page.edits() == ["open", "delete_sites"]


def test_an_answer_for_an_older_design_is_never_shown(opened, slow):
    entered, let_through = slow
    page = opened("benzene.xyz")
    deleted(page, 9)
    page.send("missing", what="ask")
    assert entered.wait(30)
    assert page.out.missing["state"] == "asking"
    page.session.delete_sites(0)
    assert page.out.missing["state"] == "none"
    let_through.set()
    assert page.desk.settle()
    assert page.out.missing["state"] == "none"


def test_what_the_network_cannot_answer_is_one_sentence(opened):
    page = opened(Molecule(["S", "H", "H"], [[0, 0, 0], [1.3, 0, 0], [0, 1.3, 0]]))
    assert asked(page)["state"] == "none"
    assert page.desk.messages == (
        "H2S: the missing-atom network for molecules has not seen S. It knows H, C, N and O; substitute the element "
        "first, or place the atom by hand.",
    )


def test_nothing_is_deleted_when_nothing_is_picked(opened):
    page = opened("benzene.xyz").send("delete")
    assert page.edits() == ["open"] and page.desk.messages == ()
