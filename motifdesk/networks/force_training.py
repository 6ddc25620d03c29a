"""Train the small potential on a teacher's labels: energies, forces and stresses, by chunks of ``.npz`` files.

A chunk holds ``natoms [M]``, ``numbers [sum n]``, ``positions [sum n, 3]`` (A), ``cells [M, 3, 3]`` (rows), ``energy
[M]`` (eV/atom), ``forces [sum n, 3]`` (eV/A), ``stress [M, 3, 3]`` (eV/A^3), ``development [M]`` (never trained on)
and ``id [M]``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from motifdesk.networks.batch import neighbours
from motifdesk.networks.checkpoint import load_tensors, save_tensors
from motifdesk.networks.errors import NetworkError
from motifdesk.networks.force_field import Answer, ForceField, Shells, evaluate, pack

_GPA = 160.21766208


@dataclass(frozen=True)
class Labelled:
    """One structure with its neighbours in rows, and what the teacher says of it."""

    numbers: np.ndarray
    index: np.ndarray
    vec: np.ndarray
    volume: float
    energy: float
    forces: np.ndarray
    stress: np.ndarray


def read_labels(files: Sequence[Path], cutoff: float) -> tuple[list[Labelled], np.ndarray, np.ndarray]:
    """(structures, bool [M] development, their ids) of chunks; one that is no chunk raises NetworkError."""
    found, development, ids = [], [], []
    for file in files:
        try:
            with np.load(file, allow_pickle=False) as archive:
                c = {k: archive[k] for k in archive.files}
            ends = np.cumsum(c["natoms"])
            for k, (end, n) in enumerate(zip(ends, c["natoms"], strict=True)):
                own = slice(end - n, end)
                x, cell = c["positions"][own], c["cells"][k]
                pairs, shift = neighbours(x, cell, cutoff, where=f"{file.name} {k}")
                index, vec = pack(pairs, x[pairs[1]] - x[pairs[0]] + shift @ cell, int(n), cutoff)
                found.append(
                    Labelled(
                        c["numbers"][own].astype(np.int64),
                        index.astype(np.int32),
                        vec.astype(np.float32),
                        float(abs(np.linalg.det(cell))),
                        float(c["energy"][k]),
                        c["forces"][own],
                        c["stress"][k],
                    )
                )
            development.append(c["development"])
            ids.append(c["id"])
        except (OSError, ValueError, KeyError) as error:
            raise NetworkError(f"is no chunk of labels ({error})", where=str(file), remedy="Label it anew.") from error
    if not found:
        raise NetworkError("there are no labels", where="training", remedy="Label structures first.")
    return found, np.concatenate(development), np.concatenate(ids)


def batch_up(structures: Sequence[Labelled], cutoff: float) -> dict[str, torch.Tensor]:
    """Tensors of several structures, their rows of neighbours padded to one length."""
    most = max(s.index.shape[1] for s in structures)
    counts = [len(s.numbers) for s in structures]
    index = np.zeros((sum(counts), most), dtype=np.int64)
    vec = np.zeros((sum(counts), most, 3), dtype=np.float32)
    vec[..., 0] = 2.0 * cutoff
    at = 0
    for s, n in zip(structures, counts, strict=True):
        index[at : at + n, : s.index.shape[1]] = s.index + at
        vec[at : at + n, : s.index.shape[1]] = s.vec
        at += n
    made = {
        "numbers": np.concatenate([s.numbers for s in structures]),
        "index": index,
        "vec": vec,
        "batch": np.repeat(np.arange(len(counts)), counts),
        "natoms": np.array(counts, dtype=np.float32),
        "volume": np.array([s.volume for s in structures], dtype=np.float32),
        "energy": np.array([s.energy for s in structures], dtype=np.float32),
        "forces": np.concatenate([s.forces for s in structures]).astype(np.float32),
        "stress": np.array([s.stress for s in structures], dtype=np.float32),
    }
    return {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in made.items()}


def answer(model: ForceField, b: dict[str, torch.Tensor], create_graph: bool = False) -> Answer:
    """The potential on a batch of :func:`batch_up`."""
    shells = Shells(b["index"], b["vec"])
    return evaluate(model, b["numbers"], shells, b["batch"], b["volume"], create_graph=create_graph)


def batches(structures: Sequence[Labelled], size: int, rng: np.random.Generator) -> Iterator[list[int]]:
    """Indices in batches of structures whose rows are about as long: less padding, still another order every time."""
    order = rng.permutation(len(structures))
    groups = []
    for window in np.array_split(order, max(1, len(order) // (16 * size))):
        window = window[np.argsort([structures[k].index.shape[1] for k in window], kind="stable")]
        groups += [window[k : k + size].tolist() for k in range(0, len(window), size)]
    for k in rng.permutation(len(groups)):
        yield groups[k]


def prepare(model: ForceField, structures: Sequence[Labelled], radii: np.ndarray) -> None:
    """Reference energies by least squares over compositions, the scale of what is left, the species seen."""
    width = len(model.reference)
    counts = np.zeros((len(structures), width))
    for k, s in enumerate(structures):
        counts[k] = np.bincount(s.numbers, minlength=width)[:width] / len(s.numbers)
    target = np.array([s.energy for s in structures])
    ridge = 1e-3 * np.eye(width)
    mean = target.mean()
    reference = mean + np.linalg.solve(counts.T @ counts + ridge, counts.T @ (target - mean))
    left = target - counts @ reference
    seen = counts.sum(0) > 0
    model.reference.copy_(torch.from_numpy(np.where(seen, reference, 0.0)))
    model.scale.fill_(float(left.std()))
    note_species(model, structures)
    sample = batch_up(structures[:200], model.config.cutoff)
    model.balance(sample["numbers"], Shells(sample["index"], sample["vec"]))
    model.radius[: min(width, len(radii))] = torch.from_numpy(radii[:width]).float()


def note_species(model: ForceField, structures: Sequence[Labelled]) -> None:
    """Remember which elements the labels hold: for others the potential is no answer."""
    for s in structures:
        model.seen[torch.from_numpy(s.numbers)] = True


def losses(found: Answer, b: dict[str, torch.Tensor]) -> torch.Tensor:
    """Huber's, of energy per atom (eV, weight 4), forces (eV/A, 1) and stress (GPa, 0.03)."""
    energy = functional.huber_loss(found.energy / b["natoms"], b["energy"], delta=0.1) / 0.1
    forces = functional.huber_loss(found.forces, b["forces"], delta=0.2) / 0.2
    stress = functional.huber_loss(found.stress * _GPA, b["stress"] * _GPA, delta=3.0) / 3.0
    return 4.0 * energy + forces + 0.03 * stress


def errors(model: ForceField, structures: Sequence[Labelled], cutoff: float, size: int = 32) -> dict[str, float]:
    """Mean absolute errors: ``energy`` meV/atom, ``forces`` meV/A (components), ``stress`` GPa."""
    e, f, s, n = [], [], [], []
    for k in range(0, len(structures), size):
        b = batch_up(structures[k : k + size], cutoff)
        found = answer(model, b)
        e.append((found.energy / b["natoms"] - b["energy"]).abs().double())
        f.append((found.forces - b["forces"]).abs().double().flatten())
        s.append(((found.stress - b["stress"]) * _GPA).abs().double().flatten())
        n.append(len(b["natoms"]))
    return {
        "energy": 1e3 * float(torch.cat(e).mean()),
        "forces": 1e3 * float(torch.cat(f).mean()),
        "stress": float(torch.cat(s).mean()),
        "count": float(sum(n)),
    }


def train(
    model: ForceField,
    structures: Sequence[Labelled] | Callable[[], Sequence[Labelled]],
    *,
    epochs: int,
    size: int = 32,
    rate: float = 3e-3,
    seed: int = 0,
    state: Path | None = None,
    told: Callable[[int, float, ForceField], None] | None = None,
) -> ForceField:
    """Fit ``model`` (prepared); returns the running average of its weights. ``state``: a file to go on from when
    killed, written after each epoch. ``structures`` may be a function that is asked before each epoch (labels still
    being made). ``told(epoch, loss, average)`` hears of each epoch."""
    average = ForceField(model.config)
    average.load_state_dict(model.state_dict())
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=1e-4)
    step, first = 0, 0
    if state is not None and state.exists():
        step, first = _restore(state, model, average, optimiser)
    for epoch in range(first, epochs):
        now = structures() if callable(structures) else structures
        rng = np.random.default_rng([seed, epoch])
        seen: list[float] = []
        chosen_now = list(batches(now, size, rng))
        for turn, chosen in enumerate(chosen_now):
            share = (epoch + turn / len(chosen_now)) / epochs
            for group in optimiser.param_groups:
                group["lr"] = rate * min(1.0, (step + 1) / 200) * (0.01 + 0.99 * 0.5 * (1 + np.cos(np.pi * share)))
            b = batch_up([now[k] for k in chosen], model.config.cutoff)
            loss = losses(answer(model, b, create_graph=True), b)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimiser.step()
            step += 1
            keep = min(0.999, step / (step + 20))
            with torch.no_grad():
                for old, new in zip(average.parameters(), model.parameters(), strict=True):
                    old.lerp_(new, 1.0 - keep)
            seen.append(float(loss.detach()))
        if state is not None:
            _keep(state, model, average, optimiser, step, epoch + 1)
        if told is not None:
            told(epoch, float(np.mean(seen)), average)
    return average.eval().requires_grad_(False)


def _keep(
    state: Path, model: ForceField, average: ForceField, optimiser: torch.optim.Optimizer, step: int, epoch: int
) -> None:
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in average.state_dict().items()}
    for k, p in enumerate(model.parameters()):
        for name in ("exp_avg", "exp_avg_sq", "step"):
            tensors[f"optimiser.{k}.{name}"] = optimiser.state[p][name]
    save_tensors(state, tensors, {"step": step, "epoch": epoch})


def _restore(state: Path, model: ForceField, average: ForceField, optimiser: torch.optim.Optimizer) -> tuple[int, int]:
    tensors, metadata = load_tensors(state)
    for prefix, module in (("model.", model), ("average.", average)):
        module.load_state_dict({k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)})
    for k, p in enumerate(model.parameters()):
        optimiser.state[p] = {
            name: tensors[f"optimiser.{k}.{name}"].clone() for name in ("exp_avg", "exp_avg_sq", "step")
        }
    return int(metadata["step"]), int(metadata["epoch"])
