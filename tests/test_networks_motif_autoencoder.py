"""Shells to codes and back: exact counts and species, broken symmetry, both hands, bad input, training."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from motifdesk.data import path
from motifdesk.networks import NetworkError
from motifdesk.networks.clusters import Clusters, pack
from motifdesk.networks.compositions import read_compositions
from motifdesk.networks.motif_autoencoder import MotifAutoencoder, MotifConfig, load_motif_weights, save_motif_weights
from motifdesk.networks.motif_training import MotifTraining, load_shells, train_motifs
from motifdesk.networks.testing import random_rotation

PHI = (1 + 5**0.5) / 2
OCTAHEDRON = np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], float)
ICOSAHEDRON = np.array([np.roll([0, s, t * PHI], k) for k in range(3) for s in (1, -1) for t in (1, -1)]) / 1.9
CUBOCTAHEDRON = np.array([np.roll([0, s, t], k) for k in range(3) for s in (1, -1) for t in (1, -1)]) / 2**0.5
CUBE = np.array([(a, b, c) for a in (1, -1) for b in (1, -1) for c in (1, -1)]) / 3**0.5
#: The eight Tetris pieces; the first two are mirror images of each other.
TETRIS = [
    [(0, 0, 0), (0, 0, 1), (1, 0, 0), (1, 1, 0)],
    [(0, 0, 0), (0, 0, 1), (1, 0, 0), (1, -1, 0)],
    [(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0)],
    [(0, 0, 0), (0, 0, 1), (0, 0, 2), (0, 0, 3)],
    [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)],
    [(0, 0, 0), (0, 0, 1), (0, 0, 2), (0, 1, 0)],
    [(0, 0, 0), (0, 0, 1), (0, 0, 2), (0, 1, 1)],
    [(0, 0, 0), (1, 0, 0), (1, 1, 0), (2, 1, 0)],
]


@pytest.fixture(scope="module")
def model() -> MotifAutoencoder:
    return load_motif_weights(path("weights", "motifs.safetensors"))[0]


def deviation(a: tuple, b: tuple) -> float:
    """Root mean square distance of two shells after the best pairing; infinity when count or species differ."""
    (z, x), (w, y) = a, b
    if sorted(z) != sorted(w):
        return np.inf
    cost = ((x[:, None] - y[None]) ** 2).sum(-1) + 1e3 * (np.asarray(z)[:, None] != np.asarray(w)[None])
    return float(np.sqrt(cost[linear_sum_assignment(cost)].mean()))


def returned(model: MotifAutoencoder, shells: list[tuple]) -> tuple[list[tuple], torch.Tensor]:
    made = model.decode(model.encode(pack(shells)))
    return made.clusters.split(), made.misfit


@pytest.mark.parametrize("shape", [OCTAHEDRON, CUBE, ICOSAHEDRON, CUBOCTAHEDRON], ids=["6", "8", "12i", "12c"])
def test_a_perfect_figure_comes_back_in_any_orientation(model: MotifAutoencoder, shape: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    shells = [(np.full(len(shape), 8), 2.0 * shape @ random_rotation(rng).T) for _ in range(4)]
    back, misfit = returned(model, shells)
    assert max(deviation(a, b) for a, b in zip(shells, back, strict=True)) < 1e-3
    assert float(misfit.max()) < 1e-8


def test_both_hands_come_back_as_themselves(model: MotifAutoencoder) -> None:
    rng = np.random.default_rng(2)
    corners = np.array([(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)]) / 3**0.5
    for numbers in ([9, 17, 35, 53], [1, 6, 7, 8]):
        z = np.array(numbers)
        left = (z, 1.7 * corners @ random_rotation(rng).T)
        right = (z, -left[1])
        (made_left, made_right), _ = returned(model, [left, right])
        assert deviation(left, made_left) < 1e-3 and deviation(right, made_right) < 1e-3
        assert deviation(left, right) > 0.5


def test_tetris_pieces_come_back_from_their_middle(model: MotifAutoencoder) -> None:
    rng = np.random.default_rng(4)
    pieces = [np.array(p, float) - np.mean(p, axis=0) for p in TETRIS]
    shells = [(np.full(4, 6), 1.5 * p @ random_rotation(rng).T) for p in pieces]
    back, _ = returned(model, shells)
    assert max(deviation(a, b) for a, b in zip(shells, back, strict=True)) < 1e-3


def test_every_element_is_told_from_every_other(model: MotifAutoencoder) -> None:
    shells = [(np.array([z]), np.array([[0.0, 0.6, 1.9]])) for z in range(1, 95)]
    shells += [(np.array([z, z % 94 + 1]), np.array([[0, 0, 1.8], [0, 1.9, -0.3]])) for z in range(1, 95)]
    back, _ = returned(model, shells)
    assert max(deviation(a, b) for a, b in zip(shells, back, strict=True)) < 1e-3


def test_up_to_four_elements_are_read_exactly_from_a_sum(model: MotifAutoencoder) -> None:
    rng = np.random.default_rng(6)
    table = model.labels.double()
    sets = [rng.choice(94, size=rng.integers(1, 5), replace=False) for _ in range(12)]
    truth = torch.zeros(12, 94, dtype=torch.int64)
    for row, chosen in zip(truth, sets, strict=True):
        row[torch.from_numpy(chosen)] = torch.from_numpy(rng.integers(1, 4, len(chosen)))
    found, misfit = read_compositions(truth.double() @ table, truth.sum(1), table)
    assert torch.equal(found, truth)
    assert float(misfit.max()) < 1e-10


def test_shells_of_crystals_that_were_not_trained_on_come_back(model: MotifAutoencoder) -> None:
    from motifdesk.codec.shells import shells_of
    from motifdesk.structures.corpora import corpus

    shells = []
    for name in ("mp_20", "mpts_52", "qm9"):
        data = corpus(name)
        for k in np.flatnonzero(data.development)[20:30]:
            shells += [(s.numbers, s.offsets) for s in shells_of(data.structure(int(k)))[:3] if len(s)]
    back, misfit = returned(model, shells)
    apart = np.array([deviation(a, b) for a, b in zip(shells, back, strict=True)])
    assert (apart < 0.05).mean() >= 0.98
    assert np.all(misfit.numpy()[apart > 0.05] > 1e-7)  # what failed says so


def test_a_disturbed_code_gives_a_slightly_disturbed_shell(model: MotifAutoencoder) -> None:
    shell = (np.full(6, 8), 2.0 * OCTAHEDRON)
    code = model.encode(pack([shell] * 8))
    noisy = code + 0.01 * torch.randn(code.shape, generator=torch.Generator().manual_seed(1))
    made = model.decode(noisy).clusters.split()
    assert max(deviation(shell, m) for m in made) < 0.02


def test_an_empty_shell_is_a_code_too(model: MotifAutoencoder) -> None:
    clusters = Clusters(torch.zeros(2, 3, dtype=torch.int64), torch.zeros(2, 3, 3))
    made = model.decode(model.encode(clusters))
    assert [len(z) for z, _ in made.clusters.split()] == [0, 0]


@pytest.mark.parametrize(
    ("shell", "words"),
    [
        (([8] * 15, np.random.default_rng(0).normal(size=(15, 3)) * 4), "at most 14"),
        (([8, 95], [[0, 0, 1], [0, 1, 0]]), "95"),
        (([8, 8], [[0, 0, 1], [0, np.nan, 0]]), "not finite"),
        (([8, 8], [[0, 0, 1], [0, 0, 1.001]]), "apart"),
        (([8], [[0, 0, 1], [0, 1, 0]]), "1 species for 2"),
    ],
)
def test_bad_shells_are_refused_by_name(shell: tuple, words: str) -> None:
    with pytest.raises(NetworkError, match=words) as error:
        pack([([8], [[0, 0, 1]]), shell])
    assert "cluster 1" in str(error.value)


def test_bad_codes_and_weights_are_refused(model: MotifAutoencoder, tmp_path) -> None:
    with pytest.raises(NetworkError, match="expected"):
        model.decode(torch.zeros(2, model.width + 1))
    with pytest.raises(NetworkError, match="NaN"):
        model.decode(torch.full((1, model.width), torch.nan))
    with pytest.raises(NetworkError, match="no such file"):
        load_motif_weights(tmp_path / "none.safetensors")
    with pytest.raises(NetworkError, match="format"):
        load_motif_weights(path("weights", "codec.safetensors"))
    copy = tmp_path / "motifs.safetensors"
    data = bytearray(path("weights", "motifs.safetensors").read_bytes())
    data[-5] ^= 0x10
    copy.write_bytes(bytes(data))
    with pytest.raises(NetworkError, match="sha256"):
        load_motif_weights(copy)


def small_shells() -> Clusters:
    rng = np.random.default_rng(0)
    shells = []
    for k in range(60):
        shape = (OCTAHEDRON, CUBE, OCTAHEDRON[:4])[k % 3]
        x = 2.0 * shape @ random_rotation(rng).T + rng.normal(size=shape.shape) * 0.1
        shells.append((rng.choice([8, 9, 16], len(shape)), x))
    return pack(shells)


def test_training_is_deterministic_and_goes_on_where_it_stopped(tmp_path) -> None:
    shape = MotifConfig(channels=6, labels=12, scalars=6, tensors=3, l_max=3, radial=10)
    config = MotifTraining(steps=6, batch=8, checkpoint=3)
    shells = small_shells()
    whole = train_motifs(shells, tmp_path / "a", config, shape, progress=False)
    train_motifs(shells, tmp_path / "b", config, shape, progress=False)
    # as if killed after the checkpoint of step 3
    (tmp_path / "b" / "checkpoint.safetensors").unlink()

    class Stop(Exception):
        pass

    import motifdesk.networks.motif_training as training

    saved = training._save

    def save_and_stop(*args: object) -> None:
        saved(*args)
        raise Stop

    training._save = save_and_stop
    try:
        with pytest.raises(Stop):
            train_motifs(shells, tmp_path / "b", config, shape, progress=False)
    finally:
        training._save = saved
    again = train_motifs(shells, tmp_path / "b", config, shape, progress=False)
    assert again["sha256"] == whole["sha256"]
    model, sha = load_motif_weights(tmp_path / "b" / "motifs.safetensors")
    assert sha == whole["sha256"] and model.config == shape
    rows = [json.loads(line) for line in (tmp_path / "a" / "log.jsonl").read_text().splitlines()]
    assert {"step", "loss", "position", "signal", "species"} <= set(rows[0])
    with pytest.raises(NetworkError, match="other settings"):
        train_motifs(shells, tmp_path / "b", MotifTraining(steps=9, batch=8), shape, progress=False)
    with pytest.raises(NetworkError, match="no shells"):
        train_motifs(shells[:0], tmp_path / "c", config, shape, progress=False)


def test_shell_files_are_checked(tmp_path) -> None:
    with pytest.raises(NetworkError, match="no such file"):
        load_shells(tmp_path / "none.npz")
    np.savez(tmp_path / "bad.npz", count=np.array([1]))
    with pytest.raises(NetworkError, match="no file of shells"):
        load_shells(tmp_path / "bad.npz")
    np.savez(tmp_path / "short.npz", count=np.array([2]), Z=np.array([8]), offset=np.zeros((1, 3)), development=[True])
    with pytest.raises(NetworkError, match="lengths"):
        load_shells(tmp_path / "short.npz")


def test_weights_survive_the_disk(tmp_path, model: MotifAutoencoder) -> None:
    sha = save_motif_weights(tmp_path / "w.safetensors", model, {"note": 1})
    again, found = load_motif_weights(tmp_path / "w.safetensors")
    assert found == sha
    shells = pack([(np.full(6, 8), 2.0 * OCTAHEDRON)])
    assert torch.equal(again.encode(shells), model.encode(shells))
