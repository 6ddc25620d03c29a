"""The encoder's symmetry, smoothness, and agreement with its written mathematics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from e3nn import o3

from motifdesk.networks.basis import envelope, radial_basis
from motifdesk.networks.batch import collate
from motifdesk.networks.encoder import Encoder, EncoderConfig
from motifdesk.networks.errors import NetworkError
from motifdesk.networks.testing import assert_equivariant

RNG = np.random.default_rng(11)
SKEWED = np.array([[3.6, 0.0, 0.0], [3.0, 3.5, 0.0], [-2.0, 1.4, 4.0]])
PEROVSKITE = np.array([[0, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
GENERAL = np.array([[0.1, 0.2, 0.3], [0.6, 0.7, 0.1], [0.4, 0.1, 0.8], [0.9, 0.5, 0.6]])
STRUCTURES = {
    "perovskite": (np.array([38, 22, 8, 8, 8]), PEROVSKITE * 3.9, np.eye(3) * 3.9),
    "skewed": (np.array([3, 8, 77, 8]), GENERAL @ SKEWED, SKEWED),
    "one atom": (np.array([29]), np.array([[0.3, 0.1, 0.2]]), np.array([[0, 1.8, 1.8], [1.8, 0, 1.8], [1.8, 1.8, 0]])),
    "tiny cell": (np.array([1, 1]), np.array([[0.0, 0, 0], [0.4, 0.5, 0.6]]), np.diag([0.8, 1.0, 1.2])),
    "molecule": (np.array([6, 1, 9, 17, 35]), RNG.normal(size=(5, 3)) * 1.5, None),
    "lone atom": (np.array([18]), np.zeros((1, 3)), None),
}


def small(seed=0, **settings) -> Encoder:
    torch.manual_seed(seed)
    return Encoder(EncoderConfig(**settings))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_codes_are_equivariant(dtype):
    assert_equivariant(small().to(dtype), STRUCTURES.values())


def test_assert_equivariant_notices_a_broken_encoder():
    encoder = small()
    harmonics = encoder.harmonics.forward
    encoder.harmonics.forward = lambda v: harmonics(v) * (1 + 0.01 * torch.tanh(v[:, :1]))
    with pytest.raises(AssertionError, match="under rotation"):
        assert_equivariant(encoder, [STRUCTURES["skewed"]])


def test_two_hundred_atoms_and_a_supercell_share_one_code():
    z, x, cell = STRUCTURES["skewed"]
    grid = np.stack(np.meshgrid(*[np.arange(k) for k in (5, 5, 2)], indexing="ij"), -1).reshape(-1, 3)
    big = (np.tile(z, len(grid)), (x[None] + (grid @ cell)[:, None]).reshape(-1, 3), np.diag([5.0, 5, 2]) @ cell)
    assert len(big[0]) == 200
    with torch.no_grad():
        a, b = small()(collate([STRUCTURES["skewed"], big]))
    assert torch.allclose(a, b, atol=2e-6)


def test_batching_does_not_change_codes():
    encoder, everything = small().double(), list(STRUCTURES.values())
    with torch.no_grad():
        together = encoder(collate(everything, dtype=torch.float64))
        alone = torch.cat([encoder(collate([s], dtype=torch.float64)) for s in everything])
    assert torch.allclose(together, alone, atol=1e-12)


def test_convolution_equals_the_sum_it_stands_for():
    encoder = small().double()
    batch = collate([STRUCTURES["skewed"], STRUCTURES["molecule"]], dtype=torch.float64)
    with torch.no_grad():
        fast = encoder.convolve(batch)
        c = encoder.config
        slow = torch.zeros_like(fast)
        table = torch.cat([encoder.species, torch.ones(119, 1, dtype=torch.float64)], 1)
        for e in range(batch.num_edges):
            i, j = batch.edge_index[:, e]
            vector = batch.edge_vec[e] / batch.scale[batch.batch[i]]
            radial = radial_basis(vector.norm()[None], c.cutoff)[0]
            angular = o3.spherical_harmonics([0, 1, 2, 3], vector, True, "component")
            slow[i] += torch.einsum("c,n,m->cnm", table[batch.numbers[j]], radial, angular) / c.norm
        assert torch.allclose(fast, slow, atol=1e-12)
        mixed = encoder.from_density(fast, batch.numbers)["tensors_aware"]
        a = fast[:, :-1, :, 4:9].reshape(len(fast), -1, 5)  # l = 2, rows (channel, n)
        by_hand = torch.einsum("num,uk->nkm", a, encoder.mixing_matrices()["aware"][2])
        assert torch.allclose(mixed[:, 48 * 4 : 48 * 9].view(-1, 48, 5), by_hand, atol=1e-12)


def test_radial_basis_and_two_derivatives_vanish_at_the_cutoff():
    x = torch.tensor([1.0 - 1e-4, 1.0 + 1e-4], dtype=torch.float64)
    assert envelope(x)[0] < 1e-9 and envelope(x)[1] == 0
    d = torch.linspace(0.05, 2.59, 400, dtype=torch.float64, requires_grad=True)
    slope = torch.autograd.grad(radial_basis(d, 2.6).sum(), d)[0]
    step = 1e-6
    numeric = (radial_basis(d + step, 2.6) - radial_basis(d - step, 2.6)).sum(1) / (2 * step)
    assert torch.allclose(slope, numeric.detach(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["perovskite", "skewed", "molecule"])
def test_gradient_agrees_with_finite_differences(name):
    encoder = small().double()
    z, x, cell = STRUCTURES[name]
    weights = torch.from_numpy(RNG.normal(size=encoder.config.width))

    def value(positions):
        with torch.no_grad():
            return float(encoder(collate([(z, positions, cell)], dtype=torch.float64))[0] @ weights)

    batch = collate([(z, x, cell)], dtype=torch.float64)
    batch.edge_vec.requires_grad_(True)
    (pull,) = torch.autograd.grad(encoder(batch)[0] @ weights, batch.edge_vec)
    gradient = torch.zeros(len(z), 3, dtype=torch.float64)
    gradient.index_add_(0, batch.edge_index[1], pull).index_add_(0, batch.edge_index[0], -pull)
    direction = RNG.normal(size=x.shape)
    step = 1e-5
    numeric = (value(x + step * direction) - value(x - step * direction)) / (2 * step)
    assert numeric == pytest.approx(float((gradient.numpy() * direction).sum()), rel=1e-6, abs=1e-7)


def test_species_change_the_aware_tower_and_not_the_blind_one():
    z, x, cell = STRUCTURES["perovskite"]
    other = z[[1, 0, 2, 3, 4]]
    with torch.no_grad():
        codes = small()(collate([(z, x, cell), (other, x, cell)]))
    difference = (codes[0] - codes[1]).abs()
    assert difference[256:].max() < 1e-6 < 1e-2 < difference[:256].max()


def test_uniform_scaling_leaves_a_crystal_s_geometry_code():
    z, x, cell = STRUCTURES["skewed"]
    with torch.no_grad():
        a, b = small()(collate([(z, x, cell), (z, 1.3 * x, 1.3 * cell)]))
    assert torch.allclose(a, b, atol=1e-5)


def test_configuration_refuses_unknown_settings():
    with pytest.raises(NetworkError, match="unknown settings"):
        EncoderConfig.from_dict({"cutoff": 2.6, "layers": 3})
