"""Proposals for what is missing in a structure: the peaks of the votes, as elements, places and confidences."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from motifdesk.networks.batch import Structure
from motifdesk.networks.errors import NetworkError
from motifdesk.networks.missing import MissingAtom
from motifdesk.networks.missing_data import graphs_of
from motifdesk.networks.missing_training import RIGHT
from motifdesk.networks.missing_votes import ballots, count_votes, nearest_image

#: Angstrom: a place nearer than this to an atom that is there is no place for another.
OCCUPIED = 0.5
_PEAKS = 12


class Guess(NamedTuple):
    """``number`` (atomic), ``position [3]`` (Cartesian, Angstrom), ``confidence`` (0 to 1: the share of all votes that
    lie within half an Angstrom, times the probability of the element), ``spread`` (Angstrom, of these votes)."""

    number: int
    position: np.ndarray
    confidence: float
    spread: float


@torch.no_grad()
def propose(model: MissingAtom, structure: Structure, most: int = 5, least: float = 0.01) -> list[Guess]:
    """What may be missing in ``(numbers, positions, cell or None)``, surest first, at most ``most`` guesses of at least
    the confidence ``least``.

    Raises NetworkError for a molecule of one atom and for elements that the weights do not know.
    """
    numbers, positions, cell = structure
    if cell is None and len(numbers) < 2:
        raise NetworkError(
            "one atom alone says nothing about what is missing",
            where="missing atom",
            remedy="Give a molecule of at least two atoms.",
        )
    batch, (nodes,) = graphs_of([structure], model.config)
    if not batch.num_edges:
        raise NetworkError(
            f"no two atoms are within {model.config.cutoff * float(batch.scale[0]):.1f} Angstrom of each other",
            where="missing atom",
            remedy="Check the unit of the coordinates.",
        )
    ballot = ballots(model(batch), batch)[0]
    scale = float(batch.scale[0])
    places = (nodes[:, None] + ballot.displacement * scale).reshape(-1, 3)
    peaks = count_votes(
        places, ballot.weight, ballot.width * scale, ballot.types, RIGHT, cell=cell, most=max(most, _PEAKS)
    )
    guesses = []
    for peak in peaks:
        away = nearest_image(peak.position - positions, cell)
        if (np.square(away).sum(-1) < OCCUPIED**2).any():
            continue
        position = peak.position
        if cell is not None:  # into the cell; a coordinate of -1e-7 is zero, not one
            fractional = position @ np.linalg.inv(cell)
            position = (fractional - np.floor(fractional + 1e-4)) @ cell
        for kind, chance in zip(model.config.elements, peak.species.tolist(), strict=True):
            guesses.append(Guess(kind, position, peak.confidence * chance, peak.spread))
    guesses.sort(key=lambda g: -g.confidence)
    return [g for g in guesses[:most] if g.confidence >= least]
