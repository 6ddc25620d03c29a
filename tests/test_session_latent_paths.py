"""Walking between two designs through the latent space: both ends exact, honest images, an edit that replays, files."""

import numpy as np
import pytest

import motifdesk as md
from motifdesk.codec.codes import GEOMETRY
from motifdesk.session import Session, latent_paths
from motifdesk.structures.arrays import AtomArrays, from_arrays, to_arrays
from motifdesk.structures.errors import SessionError


@pytest.fixture(scope="module")
def codec():
    return md.load_codec(device="cpu")


@pytest.fixture(scope="module")
def atlas(codec):
    return md.load_atlas(codec=codec)


@pytest.fixture
def session(codec, atlas):
    return Session(md.read("BaTiO3-tetragonal.cif", cell="primitive"), codec=codec, atlas=atlas)


@pytest.fixture(scope="module")
def cubic():
    return md.read("BaTiO3-cubic.cif", cell="primitive")


def distances(arrays: AtomArrays) -> np.ndarray:
    """All distances to the atoms of 3 x 3 x 3 cells, sorted: the same for one crystal, however it lies and is
    numbered."""
    shifts = np.array([[i, j, k] for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)]) @ arrays.cell
    delta = arrays.positions[None, :, None] + shifts[None, None] - arrays.positions[:, None, None]
    return np.sort(np.linalg.norm(delta, axis=-1).min(axis=-1).ravel())


def test_a_way_of_one_composition_is_continuous_and_exact_at_both_ends(session, cubic):
    path = session.latent_path("design", cubic, 11)
    start = session.state.arrays
    assert len(path) == 11 and path.exchange is None and path.reaches
    np.testing.assert_allclose(path.arrays[0].positions, start.positions, atol=1e-9)
    np.testing.assert_allclose(distances(path.arrays[-1]), distances(to_arrays(cubic)), atol=1e-6)
    assert all((image.numbers == start.numbers).all() for image in path.arrays)
    assert path.moved.max() < 0.1, "no jump between two images"
    assert path.residuals[0] < 1e-8 and path.residuals[-1] < 1e-8
    assert path.residuals.max() < 0.02
    # on the way it goes from one end to the other, and no image stands still
    codes = path.roots[:, GEOMETRY].astype(float)
    share = (codes - codes[0]) @ (codes[-1] - codes[0]) / np.square(codes[-1] - codes[0]).sum()
    assert (np.diff(share) > 0).all()


def test_an_end_that_is_a_step_of_the_history_is_that_step_atom_by_atom(session):
    session.strain(volume=1.06)
    path = session.latent_path(0, "design", 9)
    for image, node in ((path.arrays[0], 0), (path.arrays[-1], 1)):
        there = session.history[node].state.arrays
        np.testing.assert_allclose(image.cell, there.cell, atol=1e-6)
        apart = (image.positions - there.positions) @ np.linalg.inv(there.cell)
        np.testing.assert_allclose((apart - np.rint(apart)) @ there.cell, 0.0, atol=1e-6)


def test_a_less_symmetric_end_is_reached_from_below(session, cubic):
    """From the symmetric side the derivative towards the distortion vanishes; the way is walked from the other one."""
    rng = np.random.default_rng(0)
    given = to_arrays(cubic)
    shaken = AtomArrays(given.numbers, given.positions + rng.normal(scale=0.04, size=(5, 3)), given.cell)
    path = session.latent_path(cubic, from_arrays(shaken), 11)
    assert path.reaches
    np.testing.assert_allclose(distances(path.arrays[0]), distances(given), atol=1e-6)
    np.testing.assert_allclose(distances(path.arrays[-1]), distances(shaken), atol=1e-6)


def test_other_species_are_exchanged_in_the_middle_and_it_is_said(session):
    rutile = md.read("rutile-TiO2.cif", cell="primitive")
    path = session.latent_path("design", rutile, 9)
    assert path.exchange == 4 and path.reaches and "exchanged" in repr(path)
    assert [a.formula for a in path.arrays] == ["BaO3Ti"] * 4 + ["O2Ti"] * 5
    assert np.isnan(path.moved[4]) and np.isfinite(np.delete(path.moved, 4)).all()
    np.testing.assert_allclose(path.arrays[-1].positions, to_arrays(rutile).positions, atol=1e-6)
    assert path.at(0.42).formula == "BaO3Ti" and path.at(0.45).formula == "O2Ti", "nothing between the two"


def test_the_species_may_be_kept_and_then_the_end_is_not_the_other_design(session):
    path = session.latent_path("design", "NaCl.cif", 5, composition="keep")
    assert not path.reaches and path.exchange is None
    assert {a.formula for a in path.arrays} == {"BaO3Ti"}
    assert path.residuals[-1] > 1e-6


def test_what_an_image_says_of_itself_is_what_its_atoms_say(session, cubic, codec):
    path = session.latent_path("design", cubic, 11)
    for t in (0.3, 0.5, 0.37):
        state = session.along("design", cubic, t, 11)
        code = codec.encode([state.arrays], symmetry=False).root[0, GEOMETRY].astype(float)
        goal = path.goal(t).root[0, GEOMETRY].astype(float)
        assert state.latent.residual == pytest.approx(np.square(code - goal).mean(), rel=1e-3, abs=1e-9)
        assert state.latent.converged is (state.latent.residual <= 1e-8)
        landed = session.atlas.project(code_of(state))[0]
        np.testing.assert_allclose(state.latent.xy, landed, atol=1e-4)
        session.undo()


def code_of(state):
    from motifdesk.codec import Codes

    return Codes(root=state.latent.root[None])


def test_a_walk_is_an_edit_that_replays_in_a_new_session(session, cubic, codec, atlas, tmp_path):
    before = session.state
    session.along("design", cubic, 0.4, 7)
    session.along(0, "rutile-TiO2.cif", 0.75, 7)
    assert [n.edit.kind for n in session.history] == ["open", "along", "along"]
    assert session.state.formula == "TiO2" and session.state.selection.motif is None
    stored = [n.state.arrays for n in session.history]
    session.save(tmp_path / "walk.json")
    latent_paths._CACHE.clear()
    again = Session.load(tmp_path / "walk.json", codec=codec, atlas=atlas)
    for node, arrays in zip(again.history, stored, strict=True):
        np.testing.assert_allclose(node.state.arrays.positions, arrays.positions, atol=1e-9)
    replayed = again.replay()
    assert replayed.exact and max(replayed.deviations.values()) <= 1e-6
    session.undo(), session.undo()
    assert session.state.arrays is before.arrays


def test_a_live_walk_shows_images_and_leaves_one_step_or_none(session, cubic):
    with session.gesture("along") as gesture:
        seen = [gesture.update(t, cubic, session.committed.structure, n=7) for t in (1 / 6, 0.5, 2 / 3)]
    assert all(s.preview and s.reference is seen[0].reference for s in seen), "the design's own bonds stay on show"
    assert len(session.history) == 2 and session.state.latent.target_xy is not None
    gesture = session.gesture("along")
    gesture.update(0.5, cubic, n=7)
    gesture.cancel()
    assert len(session.history) == 2 and not session.state.preview


def test_images_are_written_with_what_they_are(session, cubic, tmp_path):
    files = session.export_path("design", cubic, tmp_path / "way", 5)
    assert [p.name for p in files] == [f"image-{k:02d}.cif" for k in range(5)]
    text = files[2].read_text()
    assert "t: 0.5" in text and "residual" in text and "latent path" in text
    middle = to_arrays(md.read(files[2]))
    np.testing.assert_allclose(
        distances(middle), distances(session.latent_path("design", cubic, 5).arrays[2]), atol=1e-4
    )
    with pytest.raises(SessionError, match="exists already"):
        session.export_path("design", cubic, tmp_path / "way", 5)
    for name, suffix in (("poscar", ".vasp"), ("extxyz", ".extxyz")):
        made = session.export_path("design", cubic, tmp_path / name, 3, format=name)
        assert [p.suffix for p in made] == [suffix] * 3


def test_progress_is_told_and_may_end_the_work(session):
    told = []
    session.latent_path("design", "SrTiO3.cif", 5, report=lambda done, total: told.append((done, total)))
    assert [d for d, _ in told] == [1, 2, 3] and {t for _, t in told} == {3}

    def stop(done, total):
        raise SessionError("enough", where="test")

    with pytest.raises(SessionError, match="enough"):
        session.latent_path("design", "SrTiO3.cif", 7, report=stop)
    state = session.state
    with pytest.raises(SessionError, match="enough"):
        session.along("design", "KCuF3.cif", 0.5, 7, report=stop)
    assert session.state is state and len(session.history) == 1


@pytest.mark.parametrize(
    ("what", "error"),
    [
        ({"t": 1.5}, "t = 1.5"),
        ({"t": float("nan")}, "not finite"),
        ({"n": 2}, "2 images"),
        ({"n": 1000}, "1000 images"),
        ({"composition": "both"}, "both"),
        ({"b": "benzene.xyz"}, "molecule"),
        ({"b": "nowhere.cif"}, "no such file"),
        ({"a": 7}, "history node"),
    ],
)
def test_bad_input_is_one_clear_error_and_nothing_is_lost(session, cubic, what, error):
    state = session.state
    given = {"a": "design", "b": cubic, "t": 0.5, "n": 5, **what}
    with pytest.raises(md.structures.errors.MotifDeskError, match=error) as caught:
        session.along(given.pop("a"), given.pop("b"), given.pop("t"), **given)
    assert caught.value.remedy and session.state is state and len(session.history) == 1


def test_a_molecule_walks_too(codec, atlas):
    session = Session("benzene.xyz", codec=codec, atlas=atlas)
    given = session.state.arrays
    bent = given.positions + np.random.default_rng(1).normal(scale=0.05, size=given.positions.shape)
    path = session.latent_path("design", from_arrays(AtomArrays(given.numbers, bent, None)), 7)
    assert path.arrays[0].cell is None
    gaps = lambda x: np.sort(np.linalg.norm(x[:, None] - x[None], axis=-1).ravel())  # noqa: E731
    np.testing.assert_allclose(gaps(path.arrays[-1].positions), gaps(bent), atol=1e-6)
