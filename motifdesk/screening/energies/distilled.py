"""The bundled potential behind the protocol of calculators: energies and forces in milliseconds, for live numbers,
for ranking many candidates before CHGNet sees the best, and for relaxing many at once roughly.

Distilled from CHGNet's answers (see ``motifdesk/data/weights/FORCE_CARD.md`` for what it was trained on and how far
off it is): good for "better or worse" and for removing bad contacts, no replacement for its teacher where tens of
meV/atom matter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.structures import AtomArrays
from motifdesk.structures.arrays import element_symbols

from ..errors import ScreeningError

if TYPE_CHECKING:
    import torch

    from motifdesk.networks.force_field import Answer, ForceField

_BATCH_ATOMS = 600  # bounds the memory of a batch
_SKIN = 0.6  # Angstrom: neighbours listed beyond the cutoff, so that a list serves several steps


@dataclass(frozen=True)
class Live:
    """Answers for one structure. ``per_atom`` eV/atom; ``forces`` [N, 3] eV/A; ``stress`` [3, 3] eV/A^3, positive when
    stretched; ``atoms`` [N] eV, each atom's share."""

    per_atom: float
    forces: np.ndarray
    stress: np.ndarray
    atoms: np.ndarray

    @property
    def fmax(self) -> float:
        """The largest force on an atom, eV/A."""
        return float(np.sqrt(np.square(self.forces).sum(axis=1)).max())


@cache
def bundled() -> tuple[ForceField, dict[str, Any]]:
    """The shipped potential and its metadata, loaded once."""
    from motifdesk.data import path
    from motifdesk.networks.force_field import load_force_field

    return load_force_field(path("weights", "force_field.safetensors"))


class DistilledCalculator:
    """The bundled potential (or ``weights``, a file of `benchmarks.make_force_field`). Crystals of elements that it has
    seen; for others and for molecules, energies are NaN and :meth:`live` raises ScreeningError."""

    def __init__(self, weights: str | None = None) -> None:
        if weights is None:
            self._model, self.metadata = bundled()
        else:
            from motifdesk.networks.force_field import load_force_field

            self._model, self.metadata = load_force_field(weights)
        self.name = f"distilled-{self.metadata['sha256'][:8]}"
        self._ase: Any = None

    @property
    def errors(self) -> dict[str, float]:
        """Mean absolute errors against the teacher on held-out structures: energy meV/atom, forces meV/A, stress
        GPa."""
        return dict(self.metadata["training"]["errors"])

    def knows(self, arrays: AtomArrays) -> str:
        """ "" if the potential has a say about this structure, otherwise why not."""
        if arrays.cell is None:
            return "it was trained on crystals, this is a molecule"
        top = len(self._model.seen)
        strange = sorted({int(z) for z in arrays.numbers if z >= top or not bool(self._model.seen[int(z)])})
        if strange:
            return f"it was not trained on {', '.join(element_symbols()[z] for z in strange)}"
        return ""

    def energies(self, structures: Sequence[AtomArrays]) -> list[float]:
        """eV/atom, in batches; NaN for what the potential does not know."""
        out = [math.nan] * len(structures)
        able = [k for k, a in enumerate(structures) if not self.knows(a)]
        for group in _groups([structures[k] for k in able]):
            answer = self._evaluate([structures[able[k]] for k in group])
            for k, energy in zip(group, answer.energy.tolist(), strict=True):
                out[able[k]] = float(energy) / len(structures[able[k]].numbers)
        return out

    def live(self, arrays: AtomArrays) -> Live:
        """Energy, forces and stress of one structure."""
        why = self.knows(arrays)
        if why:
            raise ScreeningError(f"no live energy: {why}", where=arrays.formula, remedy="use CHGNet")
        a = self._evaluate([arrays])
        atoms = a.atoms.double().numpy()
        return Live(float(atoms.sum()) / len(atoms), a.forces.double().numpy(), a.stress[0].double().numpy(), atoms)

    def ase(self) -> Any:
        """An ASE calculator: energy, forces, stress, energies of atoms."""
        if self._ase is None:
            self._ase = _ase_calculator(self)
        return self._ase

    def relax_many(
        self, structures: Sequence[AtomArrays], *, steps: int = 60, fmax: float = 0.1, cell: bool = True
    ) -> list[AtomArrays]:
        """Relax many structures at once by FIRE (E. Bitzek et al., PRL 97, 170201 (2006)), each with its own time step.

        ``fmax``: eV/A, largest force and largest cell force; those below it stand still. What the potential does not
        know, or what leaves physics on the way (a volume changed twofold, a number that is none), is returned as given.
        """
        out = list(structures)
        able = [k for k, a in enumerate(structures) if not self.knows(a)]
        for group in _groups([structures[k] for k in able]):
            members = [able[k] for k in group]
            for k, made in zip(members, self._relax([structures[k] for k in members], steps, fmax, cell), strict=True):
                out[k] = made
        return out

    # ------------------------------------------------------------------------------------------ inside

    def _evaluate(self, structures: Sequence[AtomArrays]) -> Answer:
        numbers, shells, batch, volume = _graph(structures, self._model.config.cutoff)
        return self._run(numbers, shells, batch, volume)

    def _run(self, numbers: torch.Tensor, shells: Any, batch: torch.Tensor, volume: torch.Tensor) -> Answer:
        from motifdesk.networks.force_field import evaluate

        return evaluate(self._model, numbers, shells, batch, volume)

    def _relax(self, structures: Sequence[AtomArrays], steps: int, fmax: float, cell: bool) -> list[AtomArrays]:
        cells = np.array([a.cell for a in structures])
        fractional = [np.linalg.solve(c.T, a.positions.T).T for c, a in zip(cells, structures, strict=True)]
        counts = np.array([len(a.numbers) for a in structures])
        owner = np.repeat(np.arange(len(counts)), counts)
        ends = np.cumsum(counts)[:-1]
        f = np.concatenate(fractional)
        first = np.abs(np.linalg.det(cells))
        speed, cell_speed = np.zeros_like(f), np.zeros_like(cells)
        dt: np.ndarray = np.full(len(counts), 0.1)
        mix: np.ndarray = np.full(len(counts), 0.1)
        good: np.ndarray = np.zeros(len(counts), dtype=int)
        alive = np.ones(len(counts), dtype=bool)
        shells: _Lists | None = None
        for _ in range(steps):
            x = np.einsum("ni,nij->nj", f, cells[owner])
            if shells is None or shells.worn(x, cells):
                shells = _Lists(structures, x, cells, owner, self._model.config.cutoff)
            answer = self._run(*shells.at(x, cells))
            force = answer.forces.double().numpy()
            volume = np.abs(np.linalg.det(cells))
            pull = -answer.stress.double().numpy() * volume[:, None, None] if cell else np.zeros_like(cells)
            largest = np.zeros(len(counts))
            np.maximum.at(largest, owner, np.sqrt(np.square(force).sum(1)))
            # the cell's force as ASE's filters count it: per atom
            largest = np.maximum(largest, np.abs(pull).max((1, 2)) / counts)
            sound = np.isfinite(largest) & (volume < 2 * first) & (volume > first / 2)
            alive &= sound & (largest > fmax)
            if not alive.any():
                break
            # FIRE on positions (Cartesian) and strain together; strain weighed by the number of atoms
            force, pull = np.where(alive[owner, None], force, 0.0), np.where(alive[:, None, None], pull, 0.0)
            pull = pull / counts[:, None, None]
            power = _sum(np.einsum("ni,ni->n", force, speed), owner, len(counts)) + (pull * cell_speed).sum((1, 2))
            size = np.sqrt(_sum(np.square(force).sum(1), owner, len(counts)) + np.square(pull).sum((1, 2)))
            pace = np.sqrt(_sum(np.square(speed).sum(1), owner, len(counts)) + np.square(cell_speed).sum((1, 2)))
            ahead = power > 0
            share = np.where(ahead, mix, 0.0)
            scale = share * pace / np.maximum(size, 1e-12)
            keep = np.where(ahead, 1.0 - share, 0.0)
            speed = keep[owner, None] * speed + scale[owner, None] * force
            cell_speed = keep[:, None, None] * cell_speed + scale[:, None, None] * pull
            good = np.where(ahead, good + 1, 0)
            dt = np.where(ahead & (good > 5), np.minimum(dt * 1.1, 1.0), np.where(ahead, dt, dt * 0.5))
            mix = np.where(ahead & (good > 5), mix * 0.99, np.where(ahead, mix, 0.1))
            speed += dt[owner, None] * force
            cell_speed += dt[:, None, None] * pull
            step, turn = dt[owner, None] * speed, dt[:, None, None] * cell_speed / 10.0
            reach = np.zeros(len(counts))
            np.maximum.at(reach, owner, np.sqrt(np.square(step).sum(1)))
            short = np.minimum(
                1.0, np.minimum(0.2 / np.maximum(reach, 1e-12), 0.03 / np.maximum(np.abs(turn).max((1, 2)), 1e-12))
            )
            inverse = np.linalg.inv(cells)
            f = f + np.einsum("ni,nij->nj", short[owner, None] * step, inverse[owner])
            cells = cells + np.einsum(
                "bij,bjk->bik", cells, short[:, None, None] * (turn + turn.transpose(0, 2, 1)) / 2
            )
        made = []
        volume = np.abs(np.linalg.det(cells))
        for k, own in enumerate(np.split(f, ends)):
            fine = np.isfinite(own).all() and np.isfinite(cells[k]).all() and 0.5 < volume[k] / first[k] < 2.0
            made.append(AtomArrays(structures[k].numbers, own @ cells[k], cells[k]) if fine else structures[k])
        return made


@cache
def the_potential() -> DistilledCalculator:
    """The bundled potential, made once per process."""
    return DistilledCalculator()


class _Lists:
    """Neighbours of several structures with a skin, valid until something has moved too far."""

    def __init__(
        self, structures: Sequence[AtomArrays], x: np.ndarray, cells: np.ndarray, owner: np.ndarray, cutoff: float
    ) -> None:
        import torch

        from motifdesk.networks.batch import neighbours

        self.x, self.cells, self.owner, self.cutoff = x.copy(), cells.copy(), owner, cutoff
        start = np.searchsorted(owner, np.arange(len(cells) + 1))
        pairs, shifts = [], []
        for k in range(len(cells)):
            p, s = neighbours(x[start[k] : start[k + 1]], cells[k], cutoff + _SKIN)
            pairs.append(p + start[k])
            shifts.append(s)
        self.pairs, self.shift = np.concatenate(pairs, axis=1), np.concatenate(shifts)
        self.numbers = torch.from_numpy(np.concatenate([a.numbers for a in structures]))
        self.batch = torch.from_numpy(owner)

    def worn(self, x: np.ndarray, cells: np.ndarray) -> bool:
        """Whether a pair may have come within the cutoff that is not listed."""
        moved = np.sqrt(np.square(x - self.x).sum(1)).max(initial=0.0)
        bent = np.abs(np.linalg.solve(self.cells, cells) - np.eye(3)).sum(2).max()
        return bool(2 * moved + bent * self.cutoff > _SKIN) or not np.isfinite(moved + bent)

    def at(self, x: np.ndarray, cells: np.ndarray) -> tuple[Any, ...]:
        """Tensors for these positions and cells."""
        import torch

        from motifdesk.networks.force_field import Shells, pack

        i, j = self.pairs
        vectors = x[j] - x[i] + np.einsum("ei,eij->ej", self.shift, cells[self.owner[i]])
        close = np.einsum("ei,ei->e", vectors, vectors) < self.cutoff**2
        index, vec = pack(self.pairs[:, close], vectors[close], len(x), self.cutoff)
        shells = Shells(torch.from_numpy(index), torch.from_numpy(vec.astype(np.float32)))
        volume = torch.from_numpy(np.abs(np.linalg.det(cells)).astype(np.float32))
        return self.numbers, shells, self.batch, volume


def _graph(structures: Sequence[AtomArrays], cutoff: float) -> tuple[Any, ...]:
    cells = np.array([a.cell for a in structures])
    owner = np.repeat(np.arange(len(structures)), [len(a.numbers) for a in structures])
    x = np.concatenate([a.positions for a in structures])
    return _Lists(structures, x, cells, owner, cutoff).at(x, cells)


def _sum(values: np.ndarray, owner: np.ndarray, count: int) -> np.ndarray:
    return np.bincount(owner, weights=values, minlength=count)


def _groups(structures: Sequence[AtomArrays]) -> list[list[int]]:
    """Indices in batches of bounded size, structures of a density together: rows of neighbours alike in length."""
    packed = [len(a.numbers) / max(a.volume, 1e-6) for a in structures]
    groups: list[list[int]] = [[]]
    atoms = 0
    for k in np.argsort(packed, kind="stable").tolist():
        n = len(structures[k].numbers)
        if groups[-1] and atoms + n > _BATCH_ATOMS:
            groups.append([])
            atoms = 0
        groups[-1].append(k)
        atoms += n
    return [g for g in groups if g]


def _ase_calculator(calculator: DistilledCalculator) -> Any:
    from ase.calculators.calculator import Calculator, all_changes
    from ase.stress import full_3x3_to_voigt_6_stress

    class Distilled(Calculator):
        """The bundled potential for ASE."""

        implemented_properties = ["energy", "free_energy", "forces", "stress", "energies"]

        def calculate(self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes) -> None:
            super().calculate(atoms, properties, system_changes)
            found = calculator.live(AtomArrays(self.atoms.numbers, self.atoms.positions, np.asarray(self.atoms.cell)))
            energy = found.per_atom * len(found.atoms)
            self.results = {
                "energy": energy,
                "free_energy": energy,
                "energies": found.atoms,
                "forces": found.forces,
                "stress": full_3x3_to_voigt_6_stress(found.stress),
            }

    return Distilled()
