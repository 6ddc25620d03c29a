"""The warm start behind a drag: the atoms on screen follow a moving target code, a few refinement steps per frame.

The same atoms from frame to frame, no jump, no flicker. Steps are sought in single precision, which takes half the time
(the derivative only says where to go, and a trial that is not taken needs none); what a frame *says*, its code and its
residual, is computed in double precision from the atoms it shows, and so are the trials once the target is near.
Nothing depends on time or chance after construction, so the same targets give the same frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from motifdesk.codec.codes import BLIND_WIDTH, COUNTS, GEOMETRY, LATTICE, N_ELEMENTS, ROOT_WIDTH, Codes
from motifdesk.codec.jacobian import EncoderArrays, GeometryMap
from motifdesk.codec.lattice import cell_to_block
from motifdesk.codec.radii import COVALENT_RADII
from motifdesk.codec.refine import CONVERGED, LatticeTarget, apply_step, penalties
from motifdesk.codec.threads import one_thread
from motifdesk.structures.arrays import AtomArrays
from motifdesk.structures.errors import CodecError

MAX_JUMP = 0.45  # Angstrom, longest way of an atom in one frame
_NOISE = 0.002  # Angstrom; at a symmetric structure the derivative towards a tilt vanishes
_EXACT = 1e-5  # residual from which on trials are judged in double precision
_LEAST = 0.02  # share of the cost that is worth another trial on the way
_VOLUME_WEIGHT = 0.05  # of the squared difference of log volumes; the codes' own scale is 1
COMPOSITIONS = ("keep", "follow")


@dataclass(frozen=True)
class Frame:
    """One frame of a drag.

    Attributes:
        arrays: the atoms now, order as in the structure that the follower started from.
        residual: mean squared difference of the compared geometry numbers to the target's.
        converged: residual <= 1e-8: the structure has the target's code. A frame on the way rarely has.
        root: float32 [544], the code of this very structure: where it really lies; its symmetry is left unknown.
        moved: longest way of an atom since the last frame, Angstrom.
        restarted: the atoms were replaced by the anchor's.
    """

    arrays: AtomArrays
    residual: float
    converged: bool
    root: np.ndarray
    moved: float = 0.0
    restarted: bool = False


class Follower:
    """Follows target codes from a structure. Made by :meth:`motifdesk.codec.Codec.follower`.

    ``composition="keep"``: the species stay; only the species-blind part of the code is followed, and the volume is
    drawn gently to the target's, corrected for the sizes of the atoms. ``"follow"``: the whole geometry code is
    followed; with an ``anchor`` of another composition the atoms are replaced by the anchor's.
    """

    def __init__(
        self,
        start: AtomArrays,
        arrays: EncoderArrays,
        version: str,
        composition: str = "keep",
        *,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        if composition not in COMPOSITIONS:
            raise CodecError(
                f"composition {composition!r} is unknown", where="follower", remedy='use "keep" or "follow"'
            )
        self.composition, self.version = composition, version
        self._arrays, self._seed, self._device = arrays, seed, device
        self._anchor: bytes | None = None
        self._place(start)

    def _place(self, start: AtomArrays) -> None:
        self.numbers = start.numbers
        self._geometry = GeometryMap(self._arrays, start.numbers, device=self._device, skin=0.15)
        self._slopes = GeometryMap(self._arrays, start.numbers, dtype=torch.float32, device=self._device, skin=0.15)
        noise = np.random.default_rng(self._seed).normal(scale=_NOISE, size=start.positions.shape)
        self._positions = torch.from_numpy(start.positions + noise - noise.mean(0))[None].to(self._device)
        self._cells = None if start.cell is None else torch.from_numpy(np.array(start.cell))[None].to(self._device)
        self._known: Tensor | None = None  # exact code [1, 384] of the atoms now
        self._slope: tuple[bool, Tensor, Tensor] | None = None
        self._damping = 0.1

    @property
    def arrays(self) -> AtomArrays:
        """The atoms now."""
        cell = None if self._cells is None else self._cells[0].cpu().numpy()
        return AtomArrays(self.numbers, self._positions[0].cpu().numpy(), cell)

    def step(self, target: Codes | np.ndarray, steps: int = 2, *, anchor: AtomArrays | None = None) -> Frame:
        """Move towards ``target`` (one code, or its root vector) by at most ``steps`` refinement steps."""
        with one_thread():
            return self._step(_root_of(target, self.version), int(steps), anchor)

    def _step(self, root: np.ndarray, steps: int, anchor: AtomArrays | None) -> Frame:
        restarted = False
        if self.composition == "follow" and anchor is not None:
            key = anchor.numbers.tobytes() + anchor.positions.tobytes()
            if key != self._anchor:
                self._anchor = key
                if not _same_composition(_fractions(anchor.numbers), _fractions(self.numbers)):
                    self._place(anchor)
                    restarted = True
        blind = self.composition == "keep"
        goal = torch.from_numpy(root[GEOMETRY].astype(np.float64))[None].to(self._device)
        goal = goal[:, -BLIND_WIDTH:] if blind else goal
        lattice = self._lattice_target(root)
        before = self._positions
        self._damping = min(self._damping, 1.0)  # what a settled target taught about steps says little about a new one
        # near the target single precision would decide by its rounding; on the way it is the target that moves
        exact = self._known is not None and float((self._compared(blind) - goal).square().mean()) < _EXACT
        for _ in range(max(1, steps)):
            if not self._advance(goal, lattice, before, blind, exact):
                break
        if self._known is None:
            self._known = self._geometry(self._positions, self._cells)[0]
        residual = float((self._compared(blind) - goal).square().mean())
        moved = float((self._positions - before).norm(dim=-1).max())
        arrays = self.arrays
        return Frame(arrays, residual, residual <= CONVERGED, self._root(arrays), moved, restarted)

    def _compared(self, blind: bool) -> Tensor:
        assert self._known is not None
        return self._known[:, -BLIND_WIDTH:] if blind else self._known

    def _code(self, positions: Tensor, cells: Tensor | None, blind: bool, exact: bool) -> Tensor:
        """The compared numbers [1, D], float64; computed in single precision unless ``exact``."""
        if exact:
            return self._geometry(positions, cells, blind_only=blind)[0]
        single = None if cells is None else cells.float()
        return self._slopes(positions.float(), single, blind_only=blind)[0].double()

    def _linearised(self, blind: bool, exact: bool) -> tuple[Tensor, Tensor]:
        """The compared numbers [1, D] at the atoms now and their derivative [1, D, X] in length-scale units."""
        if self._slope is not None and self._slope[0] == blind:
            code, slope = self._slope[1:]
        else:
            cells = None if self._cells is None else self._cells.float()
            found, slope32 = self._slopes(self._positions.float(), cells, jacobian=True, blind_only=blind)
            assert slope32 is not None
            n = len(self.numbers)
            slope = slope32.double()
            scale = self._geometry.scale(self._cells, 1)
            slope = torch.cat([slope[..., : 3 * n] * scale[:, None, None], slope[..., 3 * n :]], -1)
            code = found.double()
            self._slope = (blind, code, slope)
        if exact:
            code = (
                self._code(self._positions, self._cells, blind, True) if self._known is None else self._compared(blind)
            )
        return code, slope

    def _lattice_target(self, root: np.ndarray) -> LatticeTarget | None:
        """The volume that the target's geometry asks of *these* atoms; the shape follows the geometry code alone.

        (The shape numbers of the target belong to another Niggli cell and setting than the one on screen.)
        """
        block = root[LATTICE].astype(np.float64)
        if self._cells is None or block[0] < 0.5:
            return None
        fractions = root[COUNTS].astype(np.float64).clip(min=0.0)
        fractions /= max(fractions.sum(), 1e-9)
        cubes = COVALENT_RADII[1 : N_ELEMENTS + 1] ** 3
        block[1] += np.log(max(float(_fractions(self.numbers) @ cubes), 1e-3) / max(float(fractions @ cubes), 1e-3))
        return LatticeTarget(block, volume=_VOLUME_WEIGHT, shape=0.0)

    def _advance(self, goal: Tensor, lattice: LatticeTarget | None, before: Tensor, blind: bool, exact: bool) -> bool:
        """One damped step; False when nothing is left to gain."""
        code, slope = self._linearised(blind, exact)
        n = len(self.numbers)
        width = goal.shape[1]
        difference = code - goal
        if float(difference.square().mean()) < 1e-11:
            return False
        hessian = slope.mT @ slope / width
        gradient = (slope.mT @ difference[..., None])[..., 0] / width
        cost = difference.square().mean(-1) + penalties(
            self._geometry, self._positions, self._cells, lattice, hessian, gradient
        )
        diagonal = hessian.diagonal(dim1=1, dim2=2)
        floor = diagonal.mean(-1, keepdim=True)
        for attempt in range(3):
            weight = self._damping * torch.maximum(diagonal, 0.2 * floor) + 1e-12
            factor = torch.linalg.cholesky(hessian + torch.diag_embed(weight))
            move = -torch.cholesky_solve(gradient[..., None], factor)[..., 0]
            longest = move[:, : 3 * n].unflatten(1, (n, 3)).norm(dim=-1).max() / 0.25
            if move.shape[1] > 3 * n:
                longest = torch.maximum(longest, move[:, 3 * n :].abs().max() / 0.05)
            move = move / longest.clamp(min=1.0)
            promised = -float((2.0 * (gradient * move).sum(-1) + torch.einsum("bx,bxy,by->b", move, hessian, move))[0])
            if attempt and not exact and promised < _LEAST * float(cost):
                return False  # a step was refused, and a shorter one gains little before the target moves on
            for _ in range(12):  # the whole frame stays below the jump limit, the strain's share included
                positions, cells = apply_step(self._geometry, self._positions, self._cells, move)
                jump = float((positions - before).norm(dim=-1).max())
                if jump <= MAX_JUMP:
                    break
                move = move * 0.6
            else:
                return False
            trial = self._code(positions, cells, blind, exact)
            new = (trial - goal).square().mean(-1) + penalties(self._geometry, positions, cells, lattice)
            if bool(torch.isfinite(new).all()) and float(new) < float(cost):
                self._positions, self._cells = positions, cells
                self._known = self._slope = None
                predicted = -(2.0 * (gradient * move).sum(-1) + torch.einsum("bx,bxy,by->b", move, hessian, move))
                ratio = float(cost - new) / max(float(predicted), 1e-300)
                # as in `refine`: the damping follows how well the quadratic model predicted the gain
                factor = 0.25 if ratio > 0.7 else 1.5 if ratio < 0.3 else 0.5
                self._damping = max(self._damping * factor, 1e-4)
                return True
            self._damping = min(self._damping * 6.0, 1e4)
            if float(move.abs().max()) < 1e-7:
                return False
        return False

    def _root(self, arrays: AtomArrays) -> np.ndarray:
        assert self._known is not None
        root = np.zeros(ROOT_WIDTH, dtype=np.float32)
        root[COUNTS] = np.bincount(arrays.numbers, minlength=N_ELEMENTS + 1)[1 : N_ELEMENTS + 1]
        root[LATTICE] = cell_to_block(arrays.cell, len(arrays))
        root[GEOMETRY] = self._known[0].cpu().numpy()
        return root


def _root_of(target: Any, version: str) -> np.ndarray:
    codes = target if isinstance(target, Codes) else Codes(np.asarray(getattr(target, "root", target)))
    if len(codes) != 1:
        raise CodecError(f"{len(codes)} codes, one is needed", where="follower", remedy="pass codes[k]")
    codes.check_version(version)
    return codes.root[0]


def _fractions(numbers: np.ndarray) -> np.ndarray:
    return np.bincount(numbers, minlength=N_ELEMENTS + 1)[1 : N_ELEMENTS + 1] / len(numbers)


def _same_composition(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.abs(a - b).sum() < 0.02)
