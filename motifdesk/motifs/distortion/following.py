"""Gauss-Newton from the undistorted structure to the asked amplitudes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .network import Network, NetworkState
from .requests import STIFF, Request

#: What is sane: principal strains; how far a motif may be from its wanted shape, Angstrom, plus half the amplitude.
_SANE_STRAIN, _SANE_COST = 0.2, 0.25
_STEPS, _PROXIMAL = 3, 2
_MORE = 3  # further steps, with soft turns held back, of networks that have not come to rest by then
#: At rest: a last step that moves nothing or changes no motif's shape by more, Angstrom; what to try again from.
_STILL, _RUNAWAY = 1e-3, 0.1
_STAGES = (0.25, 0.5, 0.75, 1.0)  # parts of a request that a floppy network did not find at once


@dataclass(frozen=True, eq=False)
class Followed:
    """Where the network went: its state, the bonds [B, 3] every motif wants up to a rotation, the stiffness of the
    request in the end, and whether the answer is sane and the steps have come to rest."""

    state: NetworkState
    shape: np.ndarray
    stiff: float
    sane: bool


def follow(net: Network, request: Request, solver: Any, amplitudes: np.ndarray) -> Followed:
    """The network's answer to `amplitudes` [modes], Angstrom."""
    bounded = request.bounded(amplitudes)
    shape, asked = request.shape(net, bounded), bounded[request.owner] * request.scale
    rest = solver.linearise(net.rest(), shape, asked)
    # more ways to move than bonds: a long first step can lead such a network astray where several short ones do not
    floppy = 3 * (len(net.start) - len(net.sizes)) < 3 * net.sites + 6
    for stiff in STIFF:
        state, step, change = _run(net, solver, net.rest(), rest, shape, asked, stiff)
        sane = step < _RUNAWAY and is_sane(net, state, shape, amplitudes)
        if not sane and floppy:
            staged = net.rest()
            for part in _STAGES:
                towards, goal = request.shape(net, part * bounded), part * asked
                staged, at_end, settled = _run(net, solver, staged, None, towards, goal, stiff)
            if at_end < _RUNAWAY and is_sane(net, staged, shape, amplitudes):
                state, step, change, sane = staged, at_end, settled, True
        if sane:
            break
    return Followed(state, shape, stiff, sane and (step < _STILL or change < _STILL))


def _run(
    net: Network, solver: Any, state: NetworkState, at: Any, shape: np.ndarray, asked: np.ndarray, stiff: float
) -> tuple[NetworkState, float, float]:
    """Steps from a state until rest: the state, the last step and the last change of any motif's shape, Angstrom.
    `at`: the linearisation there, if it is at hand."""
    step = np.inf
    before = cost = np.zeros(len(net.sizes))
    for n in range(_STEPS + _PROXIMAL + _MORE):
        if n or at is None:
            at = solver.linearise(state, shape, asked, damped=n >= _STEPS + _PROXIMAL)
        state, step = solver.advance(at, stiff, proximal=n >= _STEPS)
        if not step < 100.0 or (n >= _STEPS + _PROXIMAL - 1 and step < _STILL):
            break
        before, cost = cost, net.cost(net.turned(state) - shape)
    return state, step, float(np.abs(cost - before).max(initial=0.0))


def is_sane(net: Network, state: NetworkState, shape: np.ndarray, amplitudes: np.ndarray) -> bool:
    """Whether cell and motifs are still what a chemist would call distorted, not destroyed."""
    worst = net.cost(net.turned(state) - shape).max(initial=0.0)
    largest = float(np.abs(amplitudes).max(initial=0.0))
    return bool(np.abs(net.principal_strains(state)).max() < _SANE_STRAIN and worst < _SANE_COST + 0.5 * largest)


def objective(net: Network, request: Request, found: Followed, amplitudes: np.ndarray) -> float:
    """The weighted sum of squares that the steps make small, without the penalties on displacements and strain."""
    now = net.vectors(found.state)
    turned = net.turned(found.state)
    value = float(((request.weights[:, None] * (turned - found.shape)) ** 2).sum())
    asked = request.bounded(amplitudes)[request.owner] * request.scale
    for c, goal in zip(request.coordinates, asked, strict=True):
        seen = now if c.laboratory else turned
        got = np.mean([float(((seen[p.rows] - net.start[p.rows]) * p.vectors).sum()) for p in c.parts])
        value += (min(c.weight, found.stiff) * (goal - float(got))) ** 2
    return value
