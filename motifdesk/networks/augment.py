"""What a training step shows the encoder: a structure as it is or disturbed, beside the same one a small step away.

Every random choice is drawn from the generator that is passed in, so that a step is a function of (seed, step).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from motifdesk.networks.batch import MAX_NUMBER, GraphBatch
from motifdesk.networks.dataset import Dataset
from motifdesk.networks.errors import NetworkError

#: Kinds of small steps and how often each is taken; the names appear in the card.
STEPS = {"all atoms": 0.35, "one atom": 0.15, "one species": 0.1, "wave": 0.15, "strain": 0.15, "atoms and strain": 0.1}
#: Mean square edge change of a unit strain against a unit displacement at 1.5 scaled lengths: r^2/3 over 2.
STRAIN_WEIGHT = 0.375
MAX_STRAIN = 0.1


@dataclass
class Views:
    """A batch of 2B graphs: ``[0, B)`` the bases, ``[B, 2B)`` the same structures one step away.

    ``step [B]``: RMS size of the step in scaled lengths, strain included; ``kind [B]``: index into STEPS.
    ``clean [B]``: the base is the corpus structure itself, so that its labels hold.
    """

    graphs: GraphBatch
    step: torch.Tensor
    kind: torch.Tensor
    clean: torch.Tensor
    index: np.ndarray


def _strain(rng: np.random.Generator, size: float, traceless: bool) -> np.ndarray:
    e = rng.normal(scale=size, size=(3, 3))
    e = (e + e.T) / 2
    if traceless:
        e -= np.eye(3) * np.trace(e) / 3
    return np.clip(e, -MAX_STRAIN, MAX_STRAIN)


def _without_rotation(x: np.ndarray, d: np.ndarray) -> np.ndarray:
    """Remove the rigid rotation from displacements ``d`` of a molecule at ``x``."""
    r = x - x.mean(axis=0)
    inertia = (r * r).sum() * np.eye(3) - r.T @ r
    omega = np.linalg.pinv(inertia, rcond=1e-8) @ np.cross(r, d).sum(axis=0)
    return d - np.cross(omega, r)


def _displacement(
    rng: np.random.Generator, kind: str, z: np.ndarray, x: np.ndarray, cell: np.ndarray | None
) -> np.ndarray:
    """A direction of unit RMS without rigid motion, or zeros where the structure allows none."""
    n = len(z)
    d = rng.normal(size=(n, 3))
    if kind == "one atom":
        d *= (np.arange(n) == rng.integers(n))[:, None]
    elif kind == "one species":
        d = np.where((z == rng.choice(z))[:, None], d[:1], 0.0)
    elif kind == "wave":
        if cell is None:  # the smoothest field a molecule has
            d = (x - x.mean(axis=0)) @ rng.normal(size=(3, 3))
        else:
            q = rng.integers(-1, 2, size=3)
            phase = 2 * np.pi * (x @ np.linalg.inv(cell) @ q) + rng.uniform(0, 2 * np.pi)
            d = np.cos(phase)[:, None] * d[:1]
    d = d - d.mean(axis=0)
    if cell is None and n > 1:
        d = _without_rotation(x, d)
    size = np.sqrt((d * d).sum(axis=1).mean())
    return d / size if size > 1e-6 else np.zeros_like(d)


def make_views(
    data: Dataset,
    index: np.ndarray,
    rng: np.random.Generator,
    *,
    cutoff: float,
    clean: float = 0.6,
    relabel: float = 0.15,
    sigma: tuple[float, float] = (0.02, 0.3),
    device: torch.device | str = "cpu",
) -> Views:
    """Two views of every structure in ``index``.

    A base stays untouched with probability ``clean``; else it is jittered (0.05-0.3 A) and strained (up to 10 %), and
    with probability ``relabel`` (of all) its elements are exchanged one to one for random ones. The second view is
    ``sigma`` (log-uniform, Angstrom RMS) away along a direction of a kind in STEPS.
    """
    names, odds = list(STEPS), np.array(list(STEPS.values()))
    z_all, base, moved, cell_0, cell_1, step, kind, is_clean = [], [], [], [], [], [], [], []
    identity = np.eye(3)
    for k in index:
        z, x, cell = data.triple(int(k))
        keep = rng.random() < clean
        if not keep:
            if cell is not None:
                f = identity + _strain(rng, 0.04, traceless=False)
                x, cell = x @ f, cell @ f
            x = x + rng.normal(scale=rng.uniform(0.05, 0.3) / np.sqrt(3), size=x.shape)
            if rng.random() < relabel / max(1e-9, 1 - clean):
                z = (rng.permutation(94) + 1)[np.minimum(z, 94) - 1]
        which = rng.choice(len(names), p=odds)
        if cell is None and names[which] == "strain":
            which = 0
        if cell is not None and len(z) == 1:
            which = names.index("strain")
        size = np.exp(rng.uniform(np.log(sigma[0]), np.log(sigma[1])))
        d, f = np.zeros_like(x), identity
        if names[which] != "strain":
            d = _displacement(rng, names[which], z, x, cell) * size
        squared = (d * d).sum(axis=1).mean() / data.scale[k] ** 2
        if cell is not None and "strain" in names[which]:
            e = _strain(rng, size / 4.0, traceless=True)
            f = identity + e
            squared += STRAIN_WEIGHT * (e * e).sum()
        z_all.append(z)
        base.append(x)
        moved.append((x + d) @ f)
        cell_0.append(identity if cell is None else cell)
        cell_1.append(identity if cell is None else cell @ f)
        step.append(np.sqrt(squared))
        kind.append(which)
        is_clean.append(keep)
    graphs = _graphs(data, index, z_all, [base, moved], [cell_0, cell_1], cutoff, device)
    return Views(
        graphs,
        torch.tensor(np.array(step), dtype=torch.float32, device=device),
        torch.tensor(kind, device=device),
        torch.tensor(is_clean, device=device),
        index,
    )


def plain_views(data: Dataset, index: np.ndarray, *, cutoff: float, device: torch.device | str = "cpu") -> GraphBatch:
    """The structures themselves as graphs, from the cached neighbour lists."""
    triples = [data.triple(int(k)) for k in index]
    cells = [np.eye(3) if t[2] is None else t[2] for t in triples]
    return _graphs(data, index, [t[0] for t in triples], [[t[1] for t in triples]], [cells], cutoff, device)


def _graphs(
    data: Dataset, index: np.ndarray, z: list, positions: list, cells: list, cutoff: float, device: torch.device | str
) -> GraphBatch:
    """Graphs of several geometries (views) of the same structures, filtered from their shared cached pairs."""
    n = np.array([len(a) for a in z])
    cached, translations, count = data.cached(index)
    pairs = torch.from_numpy(cached).to(device).long()
    shifts = torch.from_numpy(translations).to(device).long()
    natoms, counts = torch.from_numpy(n).to(device), torch.from_numpy(count).to(device)
    owner = torch.repeat_interleave(torch.arange(len(n), device=device), counts)
    pairs = pairs + (natoms.cumsum(0) - natoms)[owner]
    total = int(n.sum())
    crystal = torch.from_numpy(data.crystal[index]).to(device)
    vectors, kept, kept_shifts, scales = [], [], [], []
    real = shifts.to(torch.float32)
    for v, (x, cell) in enumerate(zip(positions, cells, strict=True)):
        volume = np.abs(np.linalg.det(np.stack(cell)))
        scale = np.where(data.crystal[index], np.cbrt(volume / n), data.scale[index])
        rows = torch.from_numpy(np.stack(cell)).to(device, torch.float32)[owner]
        place = torch.from_numpy(np.concatenate(x)).to(device, torch.float32)
        vector = place[pairs[1]] - place[pairs[0]] + torch.einsum("ei,eij->ej", real, rows)
        s = torch.from_numpy(scale).to(device, torch.float32)
        near = vector.square().sum(-1) < (cutoff * s[owner]).square()
        vectors.append(vector[near])
        kept.append(pairs[:, near] + v * total)
        kept_shifts.append(shifts[near])
        scales.append(s)
    views = len(positions)
    numbers = torch.from_numpy(np.concatenate(z)).to(device).clamp(1, MAX_NUMBER)
    graph = torch.repeat_interleave(torch.arange(len(n), device=device), natoms)
    return GraphBatch(
        numbers=numbers.repeat(views),
        edge_index=torch.cat(kept, dim=1),
        edge_vec=torch.cat(vectors),
        edge_shift=torch.cat(kept_shifts),
        scale=torch.cat(scales),
        batch=torch.cat([graph + v * len(n) for v in range(views)]),
        natoms=natoms.repeat(views),
        crystal=crystal.repeat(views),
    )


def make_batches(
    data: Dataset, members: np.ndarray, rng: np.random.Generator | None, *, structures: int = 64, edges: int = 60_000
) -> list[np.ndarray]:
    """Cut ``members`` into batches of one kind (crystals or molecules), bounded in structures and cached pairs.

    Shuffled when a generator is given; molecules have few neighbours, so mixing kinds would waste padding.
    """
    if data.first_edge is None:
        raise NetworkError("has no neighbour lists", where="dataset", remedy="Call find_neighbours first.")
    size = np.diff(data.first_edge)
    out: list[np.ndarray] = []
    for kind in (True, False):
        mine = members[data.crystal[members] == kind]
        if rng is not None:
            mine = rng.permutation(mine)
        current: list[int] = []
        load = 0
        for k in mine:
            if current and (len(current) == structures or load + size[k] > edges):
                out.append(np.array(current))
                current, load = [], 0
            current.append(int(k))
            load += size[k]
        if current:
            out.append(np.array(current))
    return [out[i] for i in rng.permutation(len(out))] if rng is not None else out
