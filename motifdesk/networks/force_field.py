"""A small interatomic potential for live energies: a teacher's energies, forces and stresses at a fraction of its cost.

Each atom collects its neighbours' species on spherical harmonics of degree 0, 1, 2 with learned radial functions,
mixes channels, and makes invariants of products of two and three of what it collected (the atomic cluster expansion's
idea: R. Drautz, Phys. Rev. B 99, 014104 (2019)); a second layer does the same with what the neighbours have learned
of theirs. Energies are sums over atoms, forces and stress exact derivatives:

    E = sum_i e0[z_i] + f(invariants_i),     F = -dE/dr,     sigma = (dE/d eta) / V

Invariant under rotations, inversion, translations and permutations; smooth at the cutoff (two derivatives vanish). At
contacts below 0.7 of the sum of covalent radii the screened Coulomb repulsion of J. F. Ziegler, J. P. Biersack, U.
Littmark (1985) is added, so that atoms that overlap are pushed apart wherever the teacher said nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from e3nn import o3
from torch import nn

from motifdesk.networks.basis import envelope, radial_basis
from motifdesk.networks.checkpoint import digest, load_verified, match, save_tensors
from motifdesk.networks.errors import NetworkError

FORMAT = "motifdesk-force-field-1"
_COULOMB = 14.399645  # eV A
_REPULSION_FROM = 0.7  # of the sum of covalent radii


@dataclass(frozen=True)
class ForceFieldConfig:
    """``cutoff`` in Angstrom; ``sources``: channels in which species are told apart, ``channels`` after mixing;
    ``norm``: about the root of the number of neighbours."""

    sources: int = 8
    channels: int = 32
    hidden: int = 64
    radial: int = 8
    cutoff: float = 5.0
    norm: float = 7.0
    elements: int = 94


@dataclass(frozen=True)
class Shells:
    """The neighbours of each atom in rows of one length M, which turns every sum over them into a matrix product.

    ``index [N, M]`` the neighbours, ``vec [N, M, 3]`` the way there (Angstrom, the image applied); a row with fewer
    than M neighbours ends in vectors longer than the cutoff, which count for nothing.
    """

    index: torch.Tensor
    vec: torch.Tensor


class _Layer(nn.Module):
    """Collect from the neighbours, make invariants, update the scalars."""

    triple: torch.Tensor
    gain: torch.Tensor

    def __init__(self, config: ForceFieldConfig) -> None:
        super().__init__()
        k, h, c = config.channels, config.hidden, config.sources
        self.channels, self.norm = k, config.norm
        self.source = nn.Linear(h, c, bias=False)
        wide = c * config.radial
        self.mix = nn.ParameterList(nn.Parameter(torch.randn(wide, 2 * k) / wide**0.5) for _ in range(3))
        self.update = nn.Sequential(nn.Linear(h + 5 * k, h), nn.SiLU(), nn.Linear(h, h))
        self.register_buffer("triple", o3.wigner_3j(1, 2, 1) * 3**0.5, persistent=False)
        self.register_buffer("gain", torch.ones(4))  # brings each kind of invariant to the size of one

    def forward(self, h: torch.Tensor, index: torch.Tensor, basis: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """``h [N, hidden]``, ``basis [N, M, radial]``, ``y [N, 9, M]`` -> the new ``h``."""
        found = [part * g for part, g in zip(self.invariants(h, index, basis, y), self.gain.unbind(), strict=True)]
        return h + self.update(torch.cat([h, *found], dim=1))

    def invariants(
        self, h: torch.Tensor, index: torch.Tensor, basis: torch.Tensor, y: torch.Tensor
    ) -> list[torch.Tensor]:
        """Of one, twice two and three factors: ``[N, 2K], [N, K], [N, K], [N, K]``."""
        k = self.channels
        sources = self.source(h).index_select(0, index.reshape(-1)).view(*index.shape, 1, -1) / self.norm
        collected = torch.bmm(y, (basis.unsqueeze(-1) * sources).flatten(2))
        zero, one, two = (collected[:, block] @ mix for block, mix in zip(_BLOCKS, self.mix, strict=True))
        (a1, b1), (a2, b2) = one.split(k, dim=2), two.split(k, dim=2)
        # a1 . M(a2) . b1, where M is the symmetric matrix that the degree 2 stands for
        bent = (self.triple.permute(0, 2, 1).reshape(9, 5) @ a2).view(-1, 3, 3, k)
        triple = ((bent * a1.unsqueeze(2)).sum(1) * b1).sum(1)
        return [zero[:, 0], (a1 * b1).sum(1), (a2 * b2).sum(1), triple]


_BLOCKS = (slice(0, 1), slice(1, 4), slice(4, 9))


class ForceField(nn.Module):
    """``forward(numbers [N], shells) -> energy of each atom [N]``, eV. See the module's docstring."""

    reference: torch.Tensor
    radius: torch.Tensor
    scale: torch.Tensor
    seen: torch.Tensor

    def __init__(self, config: ForceFieldConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or ForceFieldConfig()
        h = config.hidden
        self.species = nn.Embedding(config.elements + 1, h)
        self.layers = nn.ModuleList([_Layer(config) for _ in range(2)])
        self.energy = nn.Sequential(nn.Linear(2 * h, h), nn.SiLU(), nn.Linear(h, 1))
        self.register_buffer("reference", torch.zeros(config.elements + 1))  # eV
        self.register_buffer("radius", torch.full((config.elements + 1,), 0.5))  # covalent, Angstrom
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("seen", torch.zeros(config.elements + 1, dtype=torch.bool))

    def forward(self, numbers: torch.Tensor, shells: Shells) -> torch.Tensor:
        """Energies of the atoms; ``shells`` must hold every neighbour within the cutoff."""
        d, basis, y = self.edges(shells)
        h = self.species(numbers)
        read = []
        for layer in self.layers:
            h = layer(h, shells.index, basis, y)
            read.append(h)
        learned = self.energy(torch.cat(read, dim=1)).squeeze(-1) * self.scale
        return learned + self.reference[numbers] + self.repulsion(numbers, shells.index, d)

    def edges(self, shells: Shells) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Distances ``[N, M]``, radial functions ``[N, M, radial]``, harmonics ``[N, 9, M]``."""
        d = shells.vec.norm(dim=-1)
        basis = 10.0 * radial_basis(d, self.config.cutoff, self.config.radial)  # ten: of the size of one
        return d, basis, o3.spherical_harmonics([0, 1, 2], shells.vec, True, "component").transpose(1, 2)

    @torch.no_grad()
    def balance(self, numbers: torch.Tensor, shells: Shells) -> None:
        """Set the gains of an untrained network so that its invariants have a spread of one on these structures."""
        _, basis, y = self.edges(shells)
        h = self.species(numbers)
        for module in self.layers:
            layer = cast(_Layer, module)
            found = layer.invariants(h, shells.index, basis, y)
            layer.gain.copy_(torch.stack([1.0 / part.std().clamp_min(1e-6) for part in found]))
            h = layer(h, shells.index, basis, y)

    def repulsion(self, numbers: torch.Tensor, index: torch.Tensor, d: torch.Tensor) -> torch.Tensor:
        """ZBL at short contacts, half of each pair to each of its atoms: ``[N]``."""
        reach = _REPULSION_FROM * (self.radius[numbers].unsqueeze(1) + self.radius[numbers][index])
        near = d < reach
        if not bool(near.any()):
            return d.new_zeros(len(numbers))
        centre = torch.arange(len(numbers), device=d.device).unsqueeze(1).expand_as(index)[near]
        r, a, b = d[near], numbers[centre].to(d.dtype), numbers[index[near]].to(d.dtype)
        x = r * (a**0.23 + b**0.23) / 0.46850
        screened = torch.stack([c * torch.exp(-e * x) for c, e in _ZBL]).sum(0)
        pair = _COULOMB * a * b / r * screened * envelope(r / reach[near])
        return d.new_zeros(len(numbers)).index_add(0, centre, 0.5 * pair)


_ZBL = ((0.18175, 3.19980), (0.50986, 0.94229), (0.28022, 0.40290), (0.02817, 0.20162))


class Answer(NamedTuple):
    """``energy [B]`` eV; ``forces [N, 3]`` eV/A; ``stress [B, 3, 3]`` eV/A^3 (positive: the crystal is stretched);
    ``atoms [N]`` eV, the sum of which is the energy."""

    energy: torch.Tensor
    forces: torch.Tensor
    stress: torch.Tensor
    atoms: torch.Tensor


def evaluate(
    model: ForceField,
    numbers: torch.Tensor,
    shells: Shells,
    batch: torch.Tensor,
    volume: torch.Tensor,
    *,
    create_graph: bool = False,
) -> Answer:
    """Energies and their derivatives. ``batch [N]``: each atom's structure; ``volume [B]`` in A^3 (inf: no cell)."""
    vec = shells.vec.detach().requires_grad_(True)
    with torch.enable_grad():
        atoms = model(numbers, Shells(shells.index, vec))
        (slope,) = torch.autograd.grad(atoms.sum(), vec, create_graph=create_graph)
    count = len(volume)
    energy = atoms.new_zeros(count).index_add(0, batch, atoms)
    # vec = r_j - r_i: the energy falls when i moves along the slope
    forces = slope.sum(1).index_add(0, shells.index.reshape(-1), -slope.reshape(-1, 3))
    virial = slope.new_zeros(count, 3, 3).index_add(0, batch, shells.vec.transpose(1, 2) @ slope)
    virial = (virial + virial.transpose(1, 2)) / 2
    answer = Answer(energy, forces, virial / volume.view(-1, 1, 1), atoms)
    return answer if create_graph else Answer(*(t.detach() for t in answer))


def pack(pairs: np.ndarray, vectors: np.ndarray, count: int, cutoff: float) -> tuple[np.ndarray, np.ndarray]:
    """Directed pairs [2, E] sorted by centre and their vectors [E, 3] as rows: ``index [N, M]``, ``vec [N, M, 3]``."""
    degree = np.bincount(pairs[0], minlength=count)
    most = max(1, int(degree.max(initial=0)))
    place = np.arange(pairs.shape[1]) - np.repeat(np.cumsum(degree) - degree, degree)
    index = np.zeros((count, most), dtype=np.int64)
    vec = np.zeros((count, most, 3))
    vec[..., 0] = 2.0 * cutoff
    index[pairs[0], place] = pairs[1]
    vec[pairs[0], place] = vectors
    return index, vec


def save_force_field(path: Path | str, model: ForceField, training: Mapping[str, Any]) -> str:
    """Write the shipped file; returns its digest."""
    tensors = dict(model.state_dict())
    sha = digest(tensors)
    save_tensors(
        path, tensors, {"format": FORMAT, "config": asdict(model.config), "training": dict(training), "sha256": sha}
    )
    return sha


def load_force_field(path: Path | str) -> tuple[ForceField, dict[str, Any]]:
    """The potential of a file of :func:`save_force_field`, float32, in evaluation mode, and its metadata; verified."""
    tensors, metadata = load_verified(path, FORMAT)
    try:
        config = ForceFieldConfig(**metadata["config"])
    except TypeError as error:
        raise NetworkError(f"its configuration is another one ({error})", where=str(path)) from error
    with torch.random.fork_rng(devices=[]):
        model = ForceField(config)
    match(model, tensors, str(path))
    return model.eval().requires_grad_(False), metadata
