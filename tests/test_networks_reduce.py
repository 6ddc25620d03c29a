"""Reducing clusters to points and creating them again: symmetry, derivatives, recursion."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from e3nn import o3

from motifdesk.data import path
from motifdesk.networks import NetworkError
from motifdesk.networks.clusters import pack
from motifdesk.networks.create import Create
from motifdesk.networks.hierarchy import Hierarchy, Node, grow
from motifdesk.networks.motif_autoencoder import MotifAutoencoder, MotifConfig, load_motif_weights
from motifdesk.networks.polynomials import harmonics, harmonics_and_gradient, turning
from motifdesk.networks.reduce import Reduce, directed, gaussians
from motifdesk.networks.testing import TOLERANCE, random_rotation


@pytest.fixture(scope="module")
def rotations() -> list[torch.Tensor]:
    rng = np.random.default_rng(3)
    turns = [random_rotation(rng) for _ in range(2)]
    return [torch.from_numpy(m) for m in (*turns, -turns[0], -np.eye(3))]


def small_autoencoder() -> MotifAutoencoder:
    """Untrained, standardised over random clusters; small enough for three levels."""
    torch.manual_seed(5)
    model = MotifAutoencoder(MotifConfig(channels=8, labels=16, scalars=8, tensors=4, l_max=4)).double()
    rng = np.random.default_rng(5)
    model.standardise(pack([random_cluster(rng, int(n)) for n in rng.integers(1, 9, 200)], dtype=torch.float64))
    return model.requires_grad_(False)


def random_cluster(rng: np.random.Generator, count: int, elements: int = 3) -> tuple[np.ndarray, np.ndarray]:
    x: list[np.ndarray] = []
    while len(x) < count:
        u = rng.normal(size=3)
        u *= rng.uniform(1.6, 2.4) / np.linalg.norm(u)
        if all(np.linalg.norm(u - v) > 1.4 for v in x):
            x.append(u)
    return rng.choice(rng.integers(1, 95, elements), count), np.array(x)


def test_harmonics_as_polynomials_are_those_of_e3nn_with_their_gradient() -> None:
    unit = torch.nn.functional.normalize(torch.randn(20, 3, dtype=torch.float64), dim=1)
    reference = o3.spherical_harmonics(list(range(7)), unit, True, "component")
    assert (harmonics(unit, 6) - reference).abs().max() < 1e-12
    r = (1.7 * unit).requires_grad_()
    weight = torch.randn(49, dtype=torch.float64)
    (harmonics(r / r.norm(dim=1, keepdim=True), 6) @ weight).sum().backward()
    assert r.grad is not None
    assert (harmonics_and_gradient(unit, 6)[1] @ weight / 1.7 - r.grad).abs().max() < 1e-11


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("irreps", ["7x0e", "4x0e+3x1o+2x1e+2x2e"])
def test_a_reduced_point_turns_with_its_cluster(dtype: torch.dtype, irreps: str, rotations: list[torch.Tensor]) -> None:
    torch.manual_seed(1)
    reduce = Reduce(irreps, "6x0e+4x1o+3x2e+2x3o" + ("+2x1e" if "1e" in irreps else ""), l_max=3, dtype=dtype)
    reduce.requires_grad_(False)
    count, point = 9, torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 1])
    features, offsets = torch.randn(count, reduce.irreps_in.dim, dtype=dtype), torch.randn(count, 3, dtype=dtype)
    code = reduce(features, offsets, point, 2)
    limit = TOLERANCE[dtype] * max(1.0, float(code.abs().max()))
    for matrix in rotations:
        into, out = (turning(ir, matrix).to(dtype) for ir in (reduce.irreps_in, reduce.irreps_out))
        turned = reduce(features @ into.T, offsets @ matrix.to(dtype).T, point, 2)
        assert (turned - code @ out.T).abs().max() <= limit
    order = torch.randperm(count)
    assert (reduce(features[order], offsets[order], point[order], 2) - code).abs().max() <= limit
    assert (code[0] - code[1]).abs().max() > 0.05  # it does say something


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_motif_codes_turn_by_wigner_matrices(dtype: torch.dtype, rotations: list[torch.Tensor]) -> None:
    model = load_motif_weights(path("weights", "motifs.safetensors"))[0].to(dtype)
    rng = np.random.default_rng(0)
    shells = [random_cluster(rng, n) for n in (1, 4, 6, 12)]
    clusters = pack(shells, dtype=dtype)
    code = model.encode(clusters)
    limit = TOLERANCE[dtype] * float(code.abs().max())
    for matrix in rotations:
        turned = model.encode(clusters.turned(matrix))
        assert (turned - code @ turning(model.irreps, matrix).to(dtype).T).abs().max() <= limit
    orders = [rng.permutation(len(z)) for z, _ in shells]
    other = model.encode(pack([(z[o], x[o]) for (z, x), o in zip(shells, orders, strict=True)], dtype=dtype))
    assert (other - code).abs().max() <= limit
    moved = [(z, (x + 7.3) - np.full(3, 7.3)) for z, x in shells]  # offsets do not know the origin
    assert (model.encode(pack(moved, dtype=dtype)) - code).abs().max() <= limit


def test_the_inverse_uses_the_layer_and_its_true_derivative() -> None:
    torch.manual_seed(2)
    reduce = Reduce("5x0e", "6x0e+4x1o+3x2e+3x3o", l_max=3).double()
    features = torch.randn(9, 5, dtype=torch.float64)
    create = Create(reduce.requires_grad_(False), features, torch.ones(reduce.irreps_out.dim))
    numbers, y = torch.tensor([[1, 4, 7], [2, 2, 5]]), torch.randn(2, 3, 3, dtype=torch.float64)
    placed = torch.tensor([[True, True, True], [True, True, False]])
    code, slope = create.codes_and_jacobian(y, numbers, placed)
    graph, slot = placed.nonzero(as_tuple=True)
    assert (reduce(features[numbers[placed]], y[placed], graph, 2) - code).abs().max() < 1e-12
    step = 1e-6
    for j, axis in ((0, 0), (1, 2)):
        ahead, behind = y.clone(), y.clone()
        ahead[:, j, axis] += step
        behind[:, j, axis] -= step
        numeric = (create.codes(ahead, numbers, placed) - create.codes(behind, numbers, placed)) / (2 * step)
        assert (numeric - slope[:, 3 * j + axis]).abs().max() < 1e-7
    assert slope[1, 6:].abs().max() == 0.0


def test_a_point_at_the_middle_has_no_direction_and_makes_no_jump() -> None:
    assert gaussians(torch.tensor([0.0]), 16)[0, 0] == 1.0
    reduce = Reduce("3x0e", "3x0e+3x1o+3x2e", l_max=2).double()
    x = torch.ones(1, 3, dtype=torch.float64)
    point = torch.zeros(1, dtype=torch.int64)
    at = reduce(x, torch.zeros(1, 3, dtype=torch.float64), point, 1)
    near = reduce(x, torch.full((1, 3), 1e-5, dtype=torch.float64), point, 1)
    assert torch.isfinite(at).all() and (at - near).abs().max() < 1e-4
    assert float(directed(torch.tensor(0.0))) == 0.0


def test_what_a_reduction_cannot_make_is_refused() -> None:
    with pytest.raises(NetworkError, match="3o"):
        Reduce("4x0e", "2x3o", l_max=2)
    reduce = Reduce("4x0e", "2x1o", l_max=2)
    with pytest.raises(NetworkError, match="one row"):
        reduce(torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64), 1)


def same_atoms(a: Node, b: Node) -> float:
    """Largest distance of atoms of one kind, infinity when they are other atoms."""
    (za, xa), (zb, xb) = (map(np.array, zip(*n.atoms(), strict=True)) for n in (a, b))
    if sorted(za) != sorted(zb):
        return np.inf
    distance = np.linalg.norm(xa[:, None] - xb[None], axis=-1) + 100.0 * (za[:, None] != zb[None])
    return max(distance.min(0).max(), distance.min(1).max())


def ethanol() -> Node:
    from motifdesk.motifs import find_motifs
    from motifdesk.structures.corpora import corpus

    data = corpus("qm9")
    structure = data.structure(int(np.flatnonzero(data.development & (data.natoms > 12))[0]))
    nodes = []
    for motif in find_motifs(structure).motifs:
        x = motif.positions(structure)
        held = tuple(Node(structure[s.site].specie.Z, p - x[0]) for s, p in zip(motif.ligands, x[1:], strict=True))
        nodes.append(Node(structure[motif.centre].specie.Z, x[0], held))
    return grow(nodes)


def test_a_molecule_reduces_to_one_point_and_is_created_from_it() -> None:
    hierarchy = Hierarchy(load_motif_weights(path("weights", "motifs.safetensors"))[0].double())
    whole = ethanol()
    assert whole.depth == 2
    made = hierarchy.create(hierarchy.reduce(whole), whole.depth, whole.number, whole.offset)
    assert same_atoms(whole, made) < 1e-3
    assert made.misfit < 1e-8


def test_the_depth_follows_from_the_number_of_atoms_and_every_level_turns_and_comes_back(
    rotations: list[torch.Tensor],
) -> None:
    hierarchy = Hierarchy(small_autoencoder(), l_max=2, copies=1)
    rng = np.random.default_rng(8)
    x = np.array([(i, j, k) for i in range(3) for j in range(2) for k in range(2)]) * 2.2
    x += rng.normal(size=x.shape) * 0.2
    atoms = [Node(int(z), p) for z, p in zip(rng.choice([6, 8, 26], len(x)), x, strict=True)]
    assert grow(atoms, 14).depth == 1
    whole = grow(atoms, 4)
    assert whole.depth >= 2 and len(list(whole.atoms())) == len(atoms)
    code = hierarchy.reduce(whole)
    limit = 1e-10 * float(code.abs().max())
    for matrix in rotations[:3]:
        turned = hierarchy.reduce(whole.turned(matrix.numpy()))
        assert (turned - turning(hierarchy.irreps(whole.depth), matrix) @ code).abs().max() < limit
    made = hierarchy.create(code, whole.depth, whole.number, whole.offset)
    assert same_atoms(whole, made) < 1e-3
    with pytest.raises(NetworkError, match="depth"):
        hierarchy.create(code[:-1], whole.depth)
    with pytest.raises(NetworkError, match="no nodes"):
        grow([])
