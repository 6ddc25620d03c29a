"""Assertions for users of the networks: symmetry that must hold whatever the weights are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch

from motifdesk.networks.batch import collate

#: Largest relative deviation allowed, by precision.
TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-10}


def _arrays(structure: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """``(numbers, positions, cell)`` of a triple, or of anything that looks like a pymatgen structure or molecule."""
    if isinstance(structure, tuple | list) and len(structure) == 3 and not hasattr(structure, "species"):
        numbers, positions, cell = structure
    else:
        numbers = [site.specie.Z for site in structure]
        positions = structure.cart_coords
        cell = structure.lattice.matrix if hasattr(structure, "lattice") else None
    return (
        np.asarray(numbers, dtype=np.int64),
        np.asarray(positions, dtype=float),
        None if cell is None else np.asarray(cell, dtype=float),
    )


def random_rotation(rng: np.random.Generator) -> np.ndarray:
    """A proper rotation, uniform over SO(3); acts on row vectors as ``x @ rotation.T``."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else -q


def wigner(irreps: Any, matrix: np.ndarray) -> torch.Tensor:
    """Block-diagonal ``D [dim, dim]`` with ``Y(matrix @ r) = D Y(r)``, for a proper or improper rotation, in float64.

    Solved from harmonics at random points: e3nn's ``D_from_matrix`` goes through angles, which keeps only 1e-6.
    """
    from e3nn import o3

    turn = torch.from_numpy(np.ascontiguousarray(matrix))
    points = torch.from_numpy(np.random.default_rng(7).normal(size=(64, 3)))
    blocks = []
    for multiplicity, (degree, parity) in irreps:
        if parity != (-1) ** degree:
            raise ValueError(f"{irreps} holds pseudotensors, which harmonics cannot represent")
        before, after = (o3.spherical_harmonics(degree, p, True, "component") for p in (points, points @ turn.T))
        block = torch.linalg.lstsq(before, after).solution.T
        blocks += [block] * multiplicity
    return torch.block_diag(*blocks)


def assert_equivariant(
    encoder: Any, structures: Iterable[Any], *, seed: int = 0, tolerance: float | None = None
) -> None:
    """Raise ``AssertionError`` unless codes have the symmetry that the encoder promises.

    Checked for every structure: rotation, inversion, translation of the origin, permutation of atoms, atoms moved by
    lattice vectors, another choice of cell vectors, and a 2 x 1 x 1 supercell. Codes of atoms and the pooled code must
    not change (a permutation permutes the atoms' codes); the tensors behind them must rotate by Wigner D matrices.

    Parameters: ``encoder``, an :class:`~motifdesk.networks.encoder.Encoder` or an object that carries one as
    ``.encoder``; its precision is used. ``structures``: ``(numbers, positions, cell or None)`` triples or pymatgen
    objects. ``tolerance``: largest deviation relative to the largest component; default 1e-5 in float32, 1e-10 in
    float64.
    """
    encoder = getattr(encoder, "encoder", encoder)
    parameter = next(encoder.parameters())
    dtype, device = parameter.dtype, parameter.device
    limit = TOLERANCE[dtype] if tolerance is None else tolerance
    rng = np.random.default_rng(seed)

    @torch.no_grad()
    def codes(triple: tuple) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        batch = collate([triple], cutoff=encoder.config.cutoff, dtype=dtype, device=device)
        atoms = encoder.atoms(batch)
        return atoms, encoder.pool_raw(atoms, batch)

    def close(got: torch.Tensor, expected: torch.Tensor, what: str) -> None:  # of structure k of the loop below
        size = max(1.0, float(expected.abs().max()))
        deviation = float((got - expected).abs().max()) / size
        assert deviation <= limit, f"structure {k}: {what} deviates by {deviation:.2e}, allowed {limit:.0e}"

    for k, structure in enumerate(structures):  # noqa: B007
        z, x, cell = _arrays(structure)
        atoms, pooled = codes((z, x, cell))

        def same(
            triple: tuple,
            change: str,
            order: np.ndarray | slice = slice(None),
            copies: int = 1,
            atoms: dict = atoms,
            pooled: torch.Tensor = pooled,
        ) -> dict[str, torch.Tensor]:
            new_atoms, new_pooled = codes(triple)
            for name in ("aware", "blind"):
                close(new_atoms[name], atoms[name][order].repeat(copies, 1), f"{name} atom code under {change}")
            close(new_pooled, pooled, f"pooled code under {change}")
            return new_atoms

        rotation = random_rotation(rng)
        for matrix, change in ((rotation, "rotation"), (-np.eye(3), "inversion"), (-rotation, "rotoinversion")):
            turned = same((z, x @ matrix.T, None if cell is None else cell @ matrix.T), change)
            for name in ("aware", "blind"):
                turn = wigner(getattr(encoder, f"irreps_{name}"), matrix).to(dtype=dtype, device=device)
                close(turned[f"tensors_{name}"], atoms[f"tensors_{name}"] @ turn.T, f"{name} tensors under {change}")
        same((z, x + rng.normal(size=3), cell), "translation")
        order = rng.permutation(len(z))
        same((z[order], x[order], cell), "permutation", order)
        if cell is not None:
            same((z, x + rng.integers(-2, 3, size=x.shape) @ cell, cell), "lattice translations of atoms")
            same((z, x, np.array([[1, 1, 0], [0, 1, -1], [0, 0, 1]]) @ cell), "another choice of cell")
            double = np.diag([2.0, 1.0, 1.0]) @ cell
            same((np.tile(z, 2), np.concatenate([x, x + cell[0]]), double), "a 2 x 1 x 1 supercell", copies=2)
