"""CHGNet as an ASE calculator that computes what a relaxation needs and no more: energy, forces, stress.

CHGNet's own calculator differentiates twice, once for the forces and once for the stress, keeps both derivatives
differentiable for training, and predicts magnetic moments. One backward pass with frozen weights gives the same energy,
forces and stress (to single precision) in less than half of the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from ase.calculators.calculator import Calculator, all_changes

from motifdesk.structures import from_arrays, to_arrays


@contextmanager
def without_denormals() -> Iterator[None]:
    """Numbers below single precision's normal range count as nought, in this thread."""
    import torch

    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


class LeanChgnet(Calculator):
    """Energy (eV), forces (eV/A) and stress (eV/A^3, ASE's Voigt order) of a loaded CHGNet model.

    `model`: a `chgnet.model.CHGNet`; its weights are frozen (``requires_grad`` off), so do not train it afterwards.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]

    def __init__(self, model: Any) -> None:
        super().__init__()
        self._model = model.eval()
        model.requires_grad_(False)
        self.evaluations = 0

    def calculate(
        self, atoms: Any = None, properties: Sequence[str] = ("energy",), system_changes: Sequence[str] = all_changes
    ) -> None:
        super().calculate(atoms, list(properties), list(system_changes))
        from ase.stress import full_3x3_to_voigt_6_stress

        with without_denormals():
            energy, forces, stress = self._evaluate(from_arrays(to_arrays(self.atoms)))
        self.evaluations += 1
        self.results = {
            "energy": energy,
            "free_energy": energy,
            "forces": forces,
            "stress": full_3x3_to_voigt_6_stress(stress),
        }

    def _evaluate(self, structure: Any) -> tuple[float, np.ndarray, np.ndarray]:
        """(eV, eV/A [N, 3], eV/A^3 [3, 3]) of a pymatgen structure."""
        import torch
        from chgnet.model.model import BatchedGraph

        model = self._model
        graph = model.graph_converter(structure).to(next(model.parameters()).device)
        batched = BatchedGraph.from_graphs(
            [graph],
            bond_basis_expansion=model.bond_basis_expansion,
            angle_basis_expansion=model.angle_basis_expansion,
            compute_stress=True,
        )
        inner = model._compute(batched)["e"]
        n = len(structure) if model.is_intensive else 1
        by_positions, by_strain = torch.autograd.grad(inner.sum() * n, [batched.atom_positions[0], batched.strains[0]])
        shift = 0.0 if model.composition_model is None else float(model.composition_model([graph])[0])
        energy = (float(inner[0].detach()) + shift) * n
        volume = abs(float(batched.volumes[0]))  # CHGNet's is negative where the cell is left-handed
        return energy, -by_positions.double().cpu().numpy(), by_strain.double().cpu().numpy() / volume
