"""The hand-written code and Jacobian against the network itself and against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from motifdesk.codec.images import find_edges
from motifdesk.codec.jacobian import VOIGT, GeometryMap
from motifdesk.codec.weights import encoder_arrays
from motifdesk.networks.batch import collate, neighbours
from motifdesk.networks.encoder import Encoder

torch_double = torch.float64


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        made = Encoder().double()
        made.code_mean.normal_()
        made.code_std.uniform_(0.5, 2.0)
    return made.requires_grad_(False)


def batch_of(rng: np.random.Generator, n: int, b: int, crystal: bool):
    numbers = rng.choice([8, 22, 56, 3], n)
    if not crystal:
        return numbers, torch.from_numpy(rng.normal(size=(b, n, 3)) * 1.5), None
    cells = np.stack([np.eye(3) * (12 * n) ** (1 / 3) + rng.normal(size=(3, 3)) * 0.4 for _ in range(b)])
    return numbers, torch.from_numpy(rng.random((b, n, 3)) @ cells), torch.from_numpy(cells)


def network_code(encoder: Encoder, numbers, positions, cells) -> torch.Tensor:
    triples = [(numbers, p.numpy(), None if cells is None else cells[k].numpy()) for k, p in enumerate(positions)]
    return encoder(collate(triples, cutoff=encoder.config.cutoff, dtype=torch_double))


CASES = [(5, 3, True), (1, 2, True), (7, 2, False), (12, 1, True), (1, 1, False), (9, 6, True)]


@pytest.mark.parametrize(("n", "b", "crystal"), CASES)
def test_code_equals_network(encoder, n, b, crystal):
    numbers, positions, cells = batch_of(np.random.default_rng(n), n, b, crystal)
    code, _ = GeometryMap(encoder_arrays(encoder), numbers)(positions, cells)
    assert (code - network_code(encoder, numbers, positions, cells)).abs().max() < 1e-11


@pytest.mark.parametrize(("n", "b", "crystal"), CASES)
def test_jacobian_equals_finite_differences_of_network(encoder, n, b, crystal):
    numbers, positions, cells = batch_of(np.random.default_rng(10 + n), n, b, crystal)
    geometry = GeometryMap(encoder_arrays(encoder), numbers)
    _, slope = geometry(positions, cells, jacobian=True)
    assert slope.shape == (b, 384, 3 * n + (6 if crystal else 0))
    blind = geometry(positions, cells, jacobian=True, blind_only=True)[1]
    assert torch.allclose(blind, slope[:, -128:], atol=1e-12)

    def moved(column: int, h: float):
        if column < 3 * n:
            shifted = positions.clone()
            shifted.view(b, -1)[:, column] += h
            return shifted, cells
        i, j = VOIGT[column - 3 * n]
        strain = torch.eye(3, dtype=torch_double)
        strain[i, j] += h
        if i != j:
            strain[j, i] += h
        return positions @ strain, cells @ strain

    # fourth order: the truncation error lies far below the 1e-8 asked for
    h = 2e-4
    columns = [*np.random.default_rng(0).choice(3 * n, min(3 * n, 6), replace=False), *range(3 * n, slope.shape[2])]
    for column in columns:
        values = [network_code(encoder, numbers, *moved(int(column), k * h)) for k in (1, -1, 2, -2)]
        numeric = (8 * (values[0] - values[1]) - (values[2] - values[3])) / (12 * h)
        scale = max(1.0, float(slope.abs().max()))
        assert (slope[..., column] - numeric).abs().max() / scale < 1e-8


def test_jacobian_equals_jacfwd_of_network(encoder):
    numbers, positions, _ = batch_of(np.random.default_rng(5), 6, 1, False)
    batch = collate([(numbers, positions[0].numpy(), None)], cutoff=encoder.config.cutoff, dtype=torch_double)
    centre, neighbour = batch.edge_index

    def code(x: torch.Tensor) -> torch.Tensor:
        from dataclasses import replace

        return encoder(replace(batch, edge_vec=x[neighbour] - x[centre]))[0]

    exact = torch.func.jacfwd(code)(positions[0]).flatten(1)
    slope = GeometryMap(encoder_arrays(encoder), numbers)(positions, None, jacobian=True)[1]
    assert (slope[0] - exact).abs().max() < 1e-10


def test_float32_is_close_and_stays_float32(encoder):
    numbers, positions, cells = batch_of(np.random.default_rng(2), 8, 2, True)
    arrays = encoder_arrays(encoder)
    exact = GeometryMap(arrays, numbers)(positions, cells, jacobian=True)
    quick = GeometryMap(arrays, numbers, dtype=torch.float32)(positions.float(), cells.float(), jacobian=True)
    for a, b in zip(exact, quick, strict=True):
        assert b.dtype == torch.float32
        assert (a - b).abs().max() < 1e-4 * max(1.0, float(a.abs().max()))


def test_a_reused_neighbour_list_changes_nothing(encoder):
    numbers, positions, cells = batch_of(np.random.default_rng(4), 10, 1, True)
    arrays = encoder_arrays(encoder)
    lazy = GeometryMap(arrays, numbers, skin=0.2)
    lazy(positions, cells)
    first = lazy._edges
    rng = np.random.default_rng(0)
    for size, reused in ((0.05, True), (0.5, False)):
        shifted = positions + size * torch.from_numpy(rng.uniform(-1, 1, positions.shape)) / 3
        stretched = cells * (1 + 0.02 * size)
        code = lazy(shifted, stretched)[0]
        assert (lazy._edges is first) is reused
        assert torch.allclose(code, GeometryMap(arrays, numbers)(shifted, stretched)[0], atol=1e-12)


def test_edges_equal_brute_force_for_skewed_and_tiny_cells():
    rng = np.random.default_rng(1)
    skewed = np.array([[3.0, 0, 0], [2.9, 0.8, 0], [1.0, 2.0, 4.0]])
    for cell in (np.diag([2.0, 3.0, 9.0]), skewed, rng.normal(size=(3, 3)) * 4):
        positions = rng.normal(size=(3, 3)) * 6  # far outside the cell as well
        reach = 5.01  # not a distance between lattice points
        edges = find_edges(torch.from_numpy(positions)[None], torch.from_numpy(cell)[None], torch.tensor([reach]))
        expected = neighbours(positions, cell, reach)
        ours = torch.cat([edges.centre[:, None], edges.neighbour[:, None], edges.shift.round().long()], 1).numpy()
        theirs = np.concatenate([np.transpose(expected[0]), expected[1]], axis=1)
        assert {tuple(row) for row in ours} == {tuple(row) for row in theirs.astype(int)}
        assert len(ours) == len(theirs)
        lengths = edges.vectors(torch.from_numpy(positions)[None], torch.from_numpy(cell)[None]).norm(dim=-1)
        assert lengths.max() < reach
