"""How far off the known structures a code lies: a calibrated percentile, and neighbours found near the last ones."""

import numpy as np
import pytest

import motifdesk as md
from motifdesk.atlas.manifold import FAR, held_out, left_out, manifold_of
from motifdesk.session import Session
from motifdesk.structures.arrays import AtomArrays


@pytest.fixture(scope="module")
def atlas():
    return md.load_atlas(codec=md.load_codec(device="cpu"))


@pytest.fixture(scope="module")
def manifold(atlas):
    return manifold_of(atlas)


@pytest.mark.parametrize("kind", ["crystals", "molecules"])
def test_held_out_structures_come_out_uniform(atlas, manifold, kind):
    molecule = atlas.columns["source"] == "qm9"
    rows = np.flatnonzero(held_out(atlas) & (molecule if kind == "molecules" else ~molecule))
    known = getattr(manifold, kind)
    assert len(rows) > 300
    share = np.sort(np.searchsorted(known, left_out(atlas, rows)) / len(known))
    deviation = np.abs(share - (np.arange(len(share)) + 0.5) / len(share)).max()
    # Kolmogorov and Smirnov's 1 % limit for two samples of these sizes
    assert deviation < 1.63 * np.sqrt(1 / len(share) + 1 / len(known))


def test_nonsense_is_far_and_noise_moves_a_crystal_away_step_by_step(atlas, manifold):
    rng = np.random.default_rng(1)
    rows = rng.choice(np.flatnonzero(np.isin(atlas.columns["source"], ["mp_20", "mpts_52"])), 24, replace=False)
    crystals = [atlas.arrays(int(i)) for i in rows]

    def typical(moved) -> np.ndarray:
        made = [AtomArrays(a.numbers, moved(a), a.cell) for a in crystals]
        return manifold.percentile(atlas.codec.encode(made, symmetry=False))

    nonsense = typical(lambda a: rng.random((len(a.numbers), 3)) @ a.cell)
    assert (nonsense >= FAR).mean() > 0.75 and np.median(nonsense) > 98.0
    medians = [
        np.median(typical(lambda a, s=s: a.positions + rng.normal(scale=s, size=a.positions.shape)))
        for s in (0.0, 0.2, 0.5)
    ]
    assert medians[0] < medians[1] < medians[2] and medians[0] < 70.0 and medians[2] > 90.0


def test_the_words_say_what_the_number_counts(manifold, atlas):
    home = manifold.place(atlas.codec.encode([md.read("rutile-TiO2.cif")]))[0]
    assert home.level == "near" and "known crystals" in home.words and home.ratio < 1.5
    far = manifold._place(1e3, crystal=True)
    assert far.level == "far" and far.percentile == 100.0 and far.words.startswith("off:")
    assert "molecules" in manifold._place(5.0, crystal=False).words


def test_design_and_target_have_a_row_each_and_the_target_of_an_old_drag_none(atlas):
    session = Session(md.read("BaTiO3-tetragonal.cif", cell="primitive"), codec=atlas.codec, atlas=atlas)
    idle = session.readouts("idle")
    assert idle["manifold"].number == pytest.approx(manifold_of(atlas).percentile(session.state.latent.root[None])[0])
    assert "manifold_target" not in idle
    x, y = session.state.latent.xy
    with session.gesture("drag") as drag:
        drag.update((x + 1.0, y + 1.0))
        shown = session.readouts("move")
        assert {"manifold", "manifold_target"} <= {row.key for row in shown.rows}
        target = session.state.latent.target_root
        assert shown["manifold_target"].number == pytest.approx(manifold_of(atlas).percentile(target[None])[0])
    session.strain(volume=1.01)
    assert "manifold" not in session.readouts("move"), "where it lies now is not known yet"


def test_neighbours_found_near_the_last_ones_are_the_neighbours(atlas):
    """The shortcut of a moving pointer must never miss one."""
    rng = np.random.default_rng(3)
    latent = atlas._latent.astype(float)
    for start in (atlas._latent[100], atlas._latent[20_000] + 0.5):
        point = start.astype(float)
        for _ in range(25):
            point = point + rng.normal(scale=0.06, size=point.shape)
            near, exact = atlas._candidates(point.astype(np.float32), 9)
            order = np.lexsort((near, exact))[:9]
            away = np.linalg.norm(latent - point.astype(np.float32), axis=1)
            assert set(near[order]) == set(np.argsort(away)[:9])
            np.testing.assert_allclose(np.sort(exact[order]), np.sort(away)[:9], rtol=1e-5, atol=1e-5)
    assert len(near) < len(atlas) // 8, "the shortcut is taken"
