"""Dragging and decoding through the document, with a small stand-in for codec and map whose answers are known.

The stand-in's code is (size of the cell, x of the first atom); its map is that plane. The true codec and map are
tried in test_session_codec.py.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from motifdesk.codec.codes import ROOT_WIDTH, Codes
from motifdesk.session import Session
from motifdesk.session.motif_readouts import Sheet
from motifdesk.session.predicted_readouts import predicted_rows
from motifdesk.structures.arrays import AtomArrays, to_arrays
from motifdesk.structures.errors import MotifDeskError, SessionError


def rock_salt(edge=4.0) -> Structure:
    return Structure(Lattice.cubic(edge), ["Na", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])


@dataclass
class Frame:
    arrays: AtomArrays
    residual: float
    converged: bool
    root: np.ndarray


@dataclass
class Decoded:
    structure: Structure
    residual: float
    converged: bool
    source: str


def code(x, y):
    root = np.zeros((1, 486), np.float32)
    root[0, 10], root[0, 16] = 1, 1
    root[0, 102:104] = x, y
    return Codes(root)


class Follower:
    """Goes half of the way to the target in every step."""

    def __init__(self, structure, composition):
        self.arrays = to_arrays(structure)
        self.composition = composition

    def step(self, target, steps=2, anchor=None):
        if anchor is not None and not np.array_equal(anchor.numbers, self.arrays.numbers):
            self.arrays = anchor
        want = float(np.ravel(target.root)[102])
        edge = self.arrays.cell[0, 0]
        for _ in range(steps):
            edge = edge + 0.5 * (want - edge)
        self.arrays = AtomArrays(self.arrays.numbers, self.arrays.fractional * edge, np.eye(3) * edge)
        left = (edge - want) ** 2
        return Frame(self.arrays, left, left < 1e-6, code(edge, 0.0).root[0])


class Codec:
    version = "weights-1"

    def __init__(self):
        self.followers = 0

    def encode(self, structures):
        return code(structures[0].cell[0, 0], structures[0].positions[0, 0])

    def predict(self, codes):
        return {
            "formation_energy_per_atom": np.array([-codes.root[0, 102]]),
            "band_gap": np.array([np.nan]),
            "energy_per_atom": np.array([1.0]),
        }

    def follower(self, structure, composition="keep"):
        self.followers += 1
        return Follower(structure, composition)

    def decode(self, codes, *, seed=0, progress=None, converged=True):
        for k in range(5):
            if progress is not None:
                progress(k, 5)
        edge = float(codes.root[0, 102])
        rng = np.random.default_rng(seed)
        made = Structure(Lattice.cubic(edge + 1e-3 * rng.random()), ["K", "Br"], [[0, 0, 0], [0.5, 0.5, 0.5]])
        return [Decoded(made, 1e-9 if converged else 0.2, converged, "corpus")]


class Atlas:
    version = "map-1"
    xy = np.array([[4.0, 0.0], [8.0, 0.0]], np.float32)

    def arrays(self, index):
        return to_arrays([rock_salt(), Structure(Lattice.cubic(8.0), ["K", "Br", "Br"], np.eye(3) * 0.5)][index])

    def lift(self, xy, k=8):
        return code(*xy)

    def carry(self, home, start, xy, k=8):
        return self.lift(xy)

    def project(self, codes):
        return np.asarray(codes.root)[:, 102:104]


@pytest.fixture
def session():
    return Session(rock_salt(), codec=Codec(), atlas=Atlas())


def test_a_drag_is_one_edit_that_keeps_its_waypoints(session):
    with session.gesture("drag") as gesture:
        for x in (4.2, 4.4, 4.8):
            shown = gesture.update((x, 0.0))
            assert shown.preview and shown.latent.target_xy == (x, 0.0)
            assert shown.latent.xy[0] == pytest.approx(
                shown.arrays.cell[0, 0], abs=1e-6
            )  # where it is, not where asked
    assert session.codec.followers == 1  # one warm start, the same atoms all along
    edit = session.history[1].edit
    assert edit.kind == "drag" and edit.parameters["waypoints"] == [[4.2, 0.0], [4.4, 0.0], [4.8, 0.0]]
    assert edit.versions["codec"] == "weights-1" and edit.versions["atlas"] == "map-1"
    latent = session.state.latent
    assert latent.target_xy == (4.8, 0.0)
    # where it really landed is not where the probe asked to go
    assert latent.xy[0] == pytest.approx(session.state.arrays.cell[0, 0], abs=1e-6)
    assert abs(latent.xy[0] - 4.8) > 0.01 and not latent.converged
    assert not latent.stale and latent.root.shape == (ROOT_WIDTH,)
    assert latent.predictions["formation_energy_per_atom"] == pytest.approx(-latent.xy[0])
    assert "band_gap" not in latent.predictions  # NaN is not shown
    assert session.state.base == 1


def test_a_drag_replays_along_the_same_path(session, tmp_path):
    session.drag_to((5.0, 0.0))
    session.preview("drag", xy=(4.1, 0.0))
    session.preview("drag", xy=(4.6, 0.0))
    session.commit()
    again = Session.load(session.save(tmp_path / "s.json"), codec=Codec(), atlas=Atlas())
    assert again.state.latent.xy == session.state.latent.xy
    replay = again.replay()
    assert replay.exact and max(replay.deviations.values()) == 0.0


def test_replay_with_other_weights_keeps_the_stored_result_and_says_so(session, tmp_path):
    class Other(Codec):
        version = "weights-2"

        def follower(self, structure, composition="keep"):
            return Follower(rock_salt(3.0), composition)

    session.drag_to((5.0, 0.0), frames=2)
    path = session.save(tmp_path / "s.json")
    replay = Session.load(path, codec=Other(), atlas=Atlas()).replay()
    assert replay.mismatches[0].versions["codec"] == ("weights-1", "weights-2")
    assert (replay.session.state.arrays.positions == session.state.arrays.positions).all()


def test_cancelling_a_drag_leaves_no_trace(session):
    before = session.state
    gesture = session.gesture("drag", composition="follow")
    gesture.update((9.0, 0.0))
    gesture.cancel()
    assert (session.state.arrays.cell == before.arrays.cell).all()
    assert session.state.latent == before.latent and len(session.history) == 1


def test_following_the_composition_takes_over_other_atoms_and_drops_the_pick(session, tmp_path):
    session.select(atoms=[1])
    gesture = session.gesture("drag", composition="follow")
    assert gesture.update((4.5, 0.0)).formula == "NaCl" and session.state.selection.atoms == (1,)
    shown = gesture.update((7.0, 0.0))
    assert len(shown.arrays) == 3 and shown.selection.atoms == ()
    assert len(shown.structure) == 3  # graph and template belong to the new atoms
    state = gesture.commit()
    assert state.selection.atoms == () and state.formula == "KBr2"
    again = Session.load(session.save(tmp_path / "s.json"), codec=Codec(), atlas=Atlas())
    assert len(again.state.structure) == 3 and again.replay().exact
    session.undo()
    assert session.state.selection.atoms == (1,) and session.state.formula == "NaCl"


def test_a_preview_keeps_the_motif_graph_of_its_base(session):
    shown = session.preview("drag", xy=(4.5, 0.0))
    assert shown.reference is session.committed.reference
    assert session.commit().reference is not shown.reference


def test_a_drag_that_fails_leaves_the_last_good_frame_and_says_why(session):
    gesture = session.gesture("drag")
    gesture.update((4.4, 0.0))
    shown = session.state
    with pytest.raises(SessionError, match="finite"):
        gesture.update((float("nan"), 0.0))
    assert session.state is shown
    gesture.commit()
    assert session.history[1].edit.parameters["waypoints"] == [[4.4, 0.0]]


def test_drag_to_walks_from_where_the_design_lies(session):
    state = session.drag_to((5.0, 0.0), frames=4)
    way = [w[0] for w in session.history[1].edit.parameters["waypoints"]]
    assert way[:4] == pytest.approx([4.25, 4.5, 4.75, 5.0])
    assert len(way) > 4 and set(way[4:]) == {5.0}  # goes on at the target while that gains something
    assert state.latent.converged and state.latent.xy[0] == pytest.approx(5.0, abs=1e-3)
    assert state.latent.composition == "keep"
    with pytest.raises(SessionError, match="composition"):
        session.drag_to((5.0, 0.0), composition="change")


def test_a_decode_is_an_edit_with_progress(session):
    seen = []
    state = session.decode_at((6.0, 0.0), seed=3, progress=lambda *p: seen.append(p))
    assert len(seen) == 5
    assert state.formula == "KBr" and state.latent.source == "corpus" and state.latent.converged
    assert state.latent.target_xy == (6.0, 0.0)
    assert state.latent.xy[0] == pytest.approx(state.arrays.cell[0, 0], rel=1e-6)
    assert session.history[1].edit.seed == 3
    session.undo()
    assert session.state.formula == "NaCl"


def test_a_decode_replays_from_its_stored_code_and_seed(session, tmp_path):
    session.decode_at(code(6.0, 0.0), seed=3)
    session.strain(volume=1.1)
    path = session.save(tmp_path / "s.json")
    assert Session.load(path, codec=Codec(), atlas=None).replay().exact  # the code is stored: the map is not needed
    replay = Session.load(path, codec=Codec(), atlas=Atlas()).replay()
    assert replay.exact


def test_a_decode_can_be_cancelled_from_its_progress(session):
    def stop(done, total):
        if done == 2:
            session.cancel()

    with pytest.raises(SessionError, match="cancelled"):
        session.decode_at((6.0, 0.0), progress=stop)
    assert session.state.formula == "NaCl" and len(session.history) == 1


def test_an_edit_made_while_decoding_wins(session):
    def edit(done, total):
        if done == 2:
            session.strain(volume=1.1)

    with pytest.raises(SessionError, match="decode"):
        session.decode_at((6.0, 0.0), progress=edit)
    assert [n.edit.kind for n in session.history] == ["open", "strain"]


def test_an_unconverged_decode_is_never_called_sane(session):
    state = session.decode_at((6.0, 0.0), converged=False)
    assert state.latent.converged is False
    verdict = session.readouts("move").verdict
    assert not verdict.sane and "not converged" in str(verdict)


def test_locate_fills_the_latent_without_a_step_of_history(session):
    assert session.state.latent.root is None
    state = session.locate()
    assert state.latent.xy == pytest.approx((4.0, 0.0)) and not state.latent.stale
    assert len(session.history) == 1 and session.history[0].state.latent.xy == state.latent.xy
    session.strain(volume=1.1)
    assert session.state.latent.stale
    session.undo()
    assert not session.state.latent.stale


@pytest.mark.parametrize("target", [(1.0,), (1.0, 2.0, 3.0), "here", np.full(486, np.nan), [[1, 2], [3, 4]]])
def test_a_target_that_is_none_is_one_clear_error(session, target):
    with pytest.raises(ValueError) as caught:
        session.decode_at(target)
    assert isinstance(caught.value, MotifDeskError) and "\n" not in str(caught.value)
    assert len(session.history) == 1


def test_what_no_head_was_trained_on_is_not_predicted_and_no_gap_is_negative(session):
    def shown(structure, **values):
        arrays = to_arrays(structure)
        latent = replace(session.state.latent, predictions=values, stale=False)
        state = replace(session.state, arrays=arrays, latent=latent)
        sheet = Sheet()
        predicted_rows(sheet, state, session.services)
        return {row.key.removeprefix("predicted_"): row.number for row in sheet.rows}

    xenon = Structure(Lattice.cubic(6.2), ["Xe"], [[0, 0, 0]])
    assert shown(xenon, formation_energy_per_atom=8.2, band_gap=-1.0) == {}
    salt = Structure(Lattice.cubic(3.0), ["Cs", "Cl"], [[0, 0, 0], [0.5] * 3])
    assert shown(salt, formation_energy_per_atom=-1.5, band_gap=-1.0, heat_all=1.0) == {
        "formation_energy_per_atom": -1.5,
        "band_gap": 0.0,
    }


def test_predictions_and_where_it_landed_are_read_out(session):
    session.drag_to((5.0, 0.0))
    read_out = session.readouts("release")
    assert read_out["predicted_formation_energy_per_atom"].number == pytest.approx(-session.state.latent.xy[0])
    assert read_out["off_target"].number == pytest.approx(abs(session.state.latent.xy[0] - 5.0), abs=1e-6)
    assert "predicted_band_gap" not in read_out  # the stand-in predicts NaN
    assert "predicted_energy_per_atom" not in read_out  # that head knows carbon only
    session.strain(volume=1.1)
    assert "residual" not in session.readouts("move")  # no decode vouches for it any more
    session.preview("strain", volume=1.2)
    assert "predicted_formation_energy_per_atom" not in session.readouts("release")  # stale: not shown as current


def test_a_codec_that_cannot_be_used_is_said_in_the_readouts(session):
    class Broken(Codec):
        def encode(self, structures):
            raise MotifDeskError("the element Og is not known", where="codec")

    read_out = Session(rock_salt(), codec=Broken(), atlas=Atlas()).readouts("idle")
    assert "Og" in read_out["missing"].value


def test_a_drag_is_not_lost_when_its_end_cannot_be_placed(session):
    gesture = session.gesture("drag")
    gesture.update((4.5, 0.0))

    def broken(structures):
        raise MotifDeskError("atoms 0 and 1 are 0.05 A apart", where="codec")

    session.codec.encode = broken
    state = gesture.commit()
    assert state.node == 1 and state.latent.stale and "0.05 A apart" in state.notes[0]
    assert not session.readouts("move").verdict.sane


def test_what_is_picked_while_a_probe_is_dragged_stays_picked(session):
    gesture = session.gesture("drag")
    gesture.update((4.5, 0.0))
    session.select(atoms=[1])
    assert gesture.update((4.6, 0.0)).selection.atoms == (1,)
    assert gesture.commit().selection.atoms == (1,)


def test_a_replay_does_not_ask_the_map_again(session, tmp_path):
    """Codes lifted in another order differ in the last digit of float32, and a long path multiplies that."""

    class Shaky(Atlas):
        def lift(self, xy, k=8):
            return code(xy[0] + 1e-3, xy[1])

    session.drag_to((5.0, 0.0), frames=3)
    session.decode_at((5.0, 0.0))
    path = session.save(tmp_path / "s.json")
    assert Session.load(path, codec=Codec(), atlas=Shaky()).replay().exact
    exported = session.export(tmp_path / "s.cif").read_text()
    assert max(len(line) for line in exported.splitlines()) < 500  # codes stay in the session file
