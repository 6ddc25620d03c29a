"""The document with the true follower and decoder (untrained weights: the mathematics is the same, no file is
needed)."""

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from motifdesk.session import Session

pytest.importorskip("torch")


def rutile(c=2.96, u=0.305) -> Structure:
    return Structure.from_spacegroup("P4_2/mnm", Lattice.tetragonal(4.594, c), ["Ti", "O"], [[0, 0, 0], [u, u, 0]])


class Line:
    """A map whose points (x, 0) are rutiles with another c axis; placing a code finds the nearest of a row of them."""

    version = "line"
    grid = np.linspace(2.8, 3.2, 21)

    def __init__(self, codec):
        self.codec = codec
        self.codes = codec.encode([rutile(c) for c in self.grid])

    def lift(self, xy, k=8):
        return self.codec.encode([rutile(xy[0])])

    def carry(self, home, start, xy, k=8):
        return self.lift(xy)

    def project(self, codes):
        gap = ((codes.geometry[:, None] - self.codes.geometry[None]) ** 2).sum(-1)
        return np.stack([self.grid[gap.argmin(1)], np.zeros(len(codes))], axis=1)


@pytest.fixture(scope="module")
def codec():
    from motifdesk.codec import Codec

    return Codec.untrained()


@pytest.fixture(scope="module")
def line(codec):
    return Line(codec)


@pytest.fixture
def session(codec, line):
    return Session(rutile(), codec=codec, atlas=line, name="rutile")


def test_a_drag_moves_the_same_atoms_smoothly_and_lands_near(session):
    frames = [session.state.arrays]
    with session.gesture("drag") as gesture:
        for c in np.linspace(2.96, 3.10, 8):
            frames.append(gesture.update((float(c), 0.0)).arrays)
    for a, b in zip(frames, frames[1:], strict=False):
        assert (a.numbers == b.numbers).all()
        assert np.linalg.norm(b.positions - a.positions, axis=1).max() <= 0.5
    state = session.state
    assert abs(state.latent.xy[0] - 3.10) <= 0.05
    edges = np.sort(state.structure.lattice.abc)
    assert edges[0] > 3.0  # c followed the map
    assert state.graph.motif_at(0).formula == "TiO6"


def test_a_true_drag_replays_to_a_millionth_of_an_angstrom(session, tmp_path, codec, line):
    for c in (3.0, 3.05, 3.0, 3.1):
        session.preview("drag", (c, 0.0))
    session.commit()
    session.strain(volume=1.01)
    path = session.save(tmp_path / "s.json")
    replay = Session.load(path, codec=codec, atlas=line).replay()
    assert replay.exact, replay
    assert max(replay.deviations.values()) <= 1e-6


def test_a_code_decodes_back_to_its_structure(session, codec):
    from pymatgen.analysis.structure_matcher import StructureMatcher

    small = Structure(Lattice.cubic(2.9), ["Cs", "Cl"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    seen = []
    state = session.decode_at(codec.encode([small]), proposals=("corpus",), progress=seen.append)
    assert seen and {"stage", "residual"} <= set(seen[0])
    assert state.formula == "CsCl" and state.selection.motif is None
    if state.latent.converged:  # the certificate is the promise
        assert StructureMatcher(stol=0.2).fit(state.structure, small)
    assert session.history[1].edit.versions["codec"] == codec.version


@pytest.fixture(scope="module")
def bundled():
    from motifdesk.data import path

    if not (path("weights", "codec.safetensors").exists() and path("atlas", "atlas.npz").exists()):
        pytest.skip("no bundled weights or map")
    return Session("SrTiO3.cif")


def test_the_bundled_map_can_be_dragged_over_and_replayed_by_another_session(bundled, tmp_path):
    session = bundled
    start = session.locate().latent
    assert np.isfinite(start.xy).all() and np.isfinite(list(start.predictions.values())).all()
    session.atlas.warm(start.xy)  # codes of another batch: the replay must not depend on it
    with session.gesture("drag") as gesture:
        for k in range(1, 6):
            shown = gesture.update((start.xy[0] + 0.1 * k, start.xy[1] + 0.05 * k))
            assert np.isfinite(shown.latent.xy).all()
    state = session.state
    assert state.formula == "SrTiO3" and state.latent.residual is not None
    again = session.codec.encode([state.arrays])
    np.testing.assert_allclose(state.latent.root, again.root[0], atol=1e-4)
    assert state.latent.xy == pytest.approx(session.atlas.project(again)[0], abs=1e-3)
    read_out = session.readouts("idle")
    assert "predicted_formation_energy_per_atom" in read_out and "nearest_0" in read_out
    assert " ± " in read_out["predicted_formation_energy_per_atom"].value
    assert " ± " in session.readouts("release")["predicted_band_gap"].value  # calibrated by now
    replay = Session.load(session.save(tmp_path / "s.json")).replay()
    assert replay.exact, replay


def test_following_the_composition_over_the_bundled_map_takes_other_atoms(bundled):
    session = bundled
    session.goto(0)
    atlas = session.atlas
    goal = next(
        k
        for k in range(len(atlas))
        if atlas.columns["source"][k] == "perov_5" and "Sr" not in str(atlas.columns["formula"][k])
    )
    gesture = session.gesture("drag", composition="follow")
    shown = gesture.update(atlas.xy[goal])
    np.testing.assert_array_equal(shown.arrays.numbers, atlas.arrays(goal).numbers)
    assert shown.formula != "SrTiO3" and len(shown.structure) == len(shown.arrays)
    gesture.cancel()
    assert session.state.formula == "SrTiO3"
