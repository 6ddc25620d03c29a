"""The way between two designs through the latent space: decoded images along the straight line of their codes.

>>> path = latent_path(codec, a, b, n=21)
>>> path.at(0.5), path.residuals, path.exchange

The atoms of the first design follow the moving code (:class:`motifdesk.codec.Follower`, warm, a few refinement steps an
image). Where they arrive at the second design it is written in their order, cell and orientation, the images are
carried by what is left between arrival and design (thousandths of an Angstrom), and the way is one continuous motion.
Where they do not arrive (other species, another number of atoms, another arrangement), the first half is walked from
the first design and the second half from the second one, and the atoms are exchanged in the middle: both ends are the
designs themselves, and the exchange is told, never hidden. A point between two codes need not be the code of
anything: the residual of an image says by how much it is not.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.session.paths import Way
from motifdesk.structures.arrays import AtomArrays, from_arrays
from motifdesk.structures.errors import MotifDeskError, SessionError

if TYPE_CHECKING:
    from motifdesk.codec import Codec

IMAGES = 21
MOST_IMAGES = 101
COMPOSITIONS = ("follow", "keep")
_REFINE = 4  # Levenberg-Marquardt steps of an image
_SETTLE = 12  # most frames added at the end, while they still gain something
_ARRIVED = 1e-5  # residual at the end below which it is worth laying the second design on the arrival
_NEAR = 0.3  # Angstrom between arrival and design, at most
_TURNED = 0.02  # radian; turning the cell by so much in equal parts strains it by less than 1e-4
_SECONDS = 4.0  # for laying another cell of the same crystal on the arrival
_KEPT = 4
Report = Callable[[int, int], object]


@dataclass(frozen=True, eq=False)
class LatentPath:
    """Images of the way from one design (t = 0) to another (t = 1).

    Attributes
    ----------
    t : float64 [S], evenly spaced from 0 to 1
    arrays : the atoms of each image; the first is the first design, the last is the second (see ``reaches``)
    roots : float32 [S, 544], codes of these atoms: where they really lie (symmetry unknown)
    residuals : float64 [S], mean squared difference of the compared code numbers to the point of the straight line
    exchange : the first image that is made of the second design's atoms; None on a continuous way
    reaches : whether the last image is the second design; False where its species were not to be taken over
    composition : "follow" or "keep"
    ends : float32 [2, 544], the codes of the two designs
    version : the codec's weights
    """

    t: np.ndarray
    arrays: tuple[AtomArrays, ...]
    roots: np.ndarray
    residuals: np.ndarray
    exchange: int | None
    reaches: bool
    composition: str
    ends: np.ndarray
    version: str = ""
    _cache: dict[Any, Any] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.t)

    def __repr__(self) -> str:
        how = "continuous" if self.exchange is None else f"atoms exchanged at t = {self.t[self.exchange]:.2f}"
        return (
            f"LatentPath({len(self)} images, {self.arrays[0].formula} to {self.arrays[-1].formula}, {how}; "
            f"residual at most {self.residuals.max():.1e})"
        )

    @property
    def structures(self) -> list[Any]:
        """The images as pymatgen objects."""
        return [from_arrays(a) for a in self.arrays]

    @cached_property
    def moved(self) -> np.ndarray:
        """float64 [S], longest way of an atom since the image before, Angstrom; 0 for the first, NaN at the
        exchange."""
        steps = [0.0]
        for k, (a, b) in enumerate(zip(self.arrays, self.arrays[1:], strict=False), start=1):
            broken = k == self.exchange
            steps.append(float("nan") if broken else float(np.linalg.norm(b.positions - a.positions, axis=1).max()))
        return np.array(steps)

    def goal(self, t: float) -> Any:
        """The code of the straight line at t."""
        return _between(self.ends, float(t), self.version)

    def at(self, t: float) -> AtomArrays:
        """The atoms at t: an image, or between two images atoms and cell in proportion (never across the exchange)."""
        k, share = self._place(t)
        if share == 0.0:
            return self.arrays[k]
        a, b = self.arrays[k], self.arrays[k + 1]
        positions = (1.0 - share) * a.positions + share * b.positions
        cell = None if a.cell is None or b.cell is None else (1.0 - share) * a.cell + share * b.cell
        return AtomArrays(a.numbers, positions, cell)

    def image(self, t: float) -> int | None:
        """The image at exactly t, or None where t lies between two."""
        k, share = self._place(t)
        return k if share == 0.0 else None

    def _place(self, t: float) -> tuple[int, float]:
        x = float(t) * (len(self) - 1)
        k = round(x)
        if abs(x - k) < 1e-9:
            return k, 0.0
        k = int(np.floor(x))
        if k + 1 == self.exchange:
            return (k, 0.0) if x - k < 0.5 else (k + 1, 0.0)
        return k, x - k


def latent_path(
    codec: Codec,
    a: AtomArrays,
    b: AtomArrays,
    n: int = IMAGES,
    *,
    composition: str = "follow",
    ends: np.ndarray | None = None,
    report: Report | None = None,
) -> LatentPath:
    """The way from `a` to `b` (remembered: a slider asks at every move).

    ``composition="follow"``: both ends are the designs; species are exchanged in the middle where they differ.
    ``"keep"``: the atoms of `a` all the way; where `b` has other species, they go as far towards its geometry as they
    come, and the last image is not `b`. ``ends``: the codes of the two, float32 [2, 544], where they are known (a
    replay). ``report(done, total)`` is told of each image and may raise to end the work.

    SessionError: a crystal and a molecule, fewer than 3 or more than 101 images, no such composition.
    """
    if isinstance(n, bool) or int(n) != n or not 3 <= n <= MOST_IMAGES:
        raise SessionError(f"{n} images", where="latent path", remedy=f"give a whole number from 3 to {MOST_IMAGES}")
    if composition not in COMPOSITIONS:
        raise SessionError(f"unknown composition {composition!r}", where="latent path", remedy="choose follow or keep")
    if a.is_crystal != b.is_crystal:
        raise SessionError(
            "a crystal does not turn into a molecule", where="latent path", remedy="choose two of one kind"
        )
    key = (codec.version, int(n), composition, None if ends is None else ends.tobytes(), *_bytes(a), *_bytes(b))
    with _LOCK:
        found = _CACHE.pop(key, None)
    if found is None:
        found = _walked(codec, a, b, int(n), composition, ends, report or (lambda done, total: None))
    with _LOCK:
        _CACHE[key] = found
        while len(_CACHE) > _KEPT:
            _CACHE.popitem(last=False)
    return found


_CACHE: OrderedDict[tuple[Any, ...], LatentPath] = OrderedDict()
_LOCK = threading.Lock()


def _walked(
    codec: Codec, a: AtomArrays, b: AtomArrays, n: int, composition: str, ends: np.ndarray | None, report: Report
) -> LatentPath:
    from motifdesk.codec.codes import BLIND_WIDTH, GEOMETRY

    if ends is None:
        ends = np.asarray(codec.encode([a, b], symmetry=False).root, dtype=np.float32)
    version = str(codec.version)
    alike = _same_species(a, b)
    blind = composition == "keep" and not alike
    t = np.linspace(0.0, 1.0, n)
    walker = _Walker(codec, ends, version, "keep" if blind else "follow", report)
    half = n // 2
    walker.total = n - 1 if alike or blind else n - 2
    forward = walker.walk(a, t[1:] if alike or blind else t[1:half], settle=alike or blind)
    exchange = None
    if blind:
        arrays = [a, *(f.arrays for f in forward)]
    elif alike and (target := _laid_on(forward[-1], b)) is not None:
        arrays = _carried([a, *(f.arrays for f in forward)], target)
    else:
        # a symmetric design seldom finds its way to a less symmetric one; from there the way down is found more often
        walker.total += n - 1 if alike else 0
        backward = walker.walk(b, t[:-1][::-1] if alike else t[half:-1][::-1], settle=alike)
        target = _laid_on(backward[-1], a) if alike else None
        if target is not None:
            arrays = _carried([b, *(f.arrays for f in backward)], target)[::-1]
        else:
            exchange = half
            arrays = [a, *(f.arrays for f in forward[: half - 1])]
            arrays += [b, *(f.arrays for f in backward[: n - half - 1])][::-1]
    roots = np.concatenate([codec.encode([one], symmetry=False).root for one in arrays]).astype(np.float32)
    numbers = slice(GEOMETRY.stop - BLIND_WIDTH, GEOMETRY.stop) if blind else GEOMETRY
    line = (1.0 - t)[:, None] * ends[:1, numbers] + t[:, None] * ends[1:, numbers]
    residuals = np.square(roots[:, numbers].astype(np.float64) - line).mean(axis=1)
    return LatentPath(t, tuple(arrays), roots, residuals, exchange, not blind, composition, ends, version)


class _Walker:
    """Frames of followers, counted."""

    def __init__(self, codec: Codec, ends: np.ndarray, version: str, composition: str, report: Report) -> None:
        self.codec, self.ends, self.version, self.composition, self.report = codec, ends, version, composition, report
        self.done = self.total = 0

    def walk(self, start: AtomArrays, places: np.ndarray, settle: bool = False) -> list[Any]:
        follower = self.codec.follower(start, self.composition)
        frames = []
        for x in places:
            frames.append(follower.step(_between(self.ends, float(x), self.version), steps=_REFINE))
            self.done += 1
            self.report(self.done, self.total)
        if settle:
            goal = _between(self.ends, float(places[-1]), self.version)
            for _ in range(_SETTLE):
                before = frames[-1].residual
                if frames[-1].converged:
                    break
                self.report(self.done, self.total)
                frames[-1] = follower.step(goal, steps=_REFINE)
                if frames[-1].residual > 0.9 * before:
                    break
        return frames


def _laid_on(arrived: Any, b: AtomArrays) -> AtomArrays | None:
    """The second design in the order, cell and orientation of the atoms that arrived there; None if they did not."""
    if arrived.residual > _ARRIVED:
        return None
    here: AtomArrays = arrived.arrays
    there = _same_cell(here, b)
    if there is not None:
        return there
    from motifdesk.motifs import morph

    try:  # another cell or setting of the same crystal, a molecule
        found = Way(here, morph(from_arrays(here), from_arrays(b), too_close=0.0, seconds=_SECONDS))
    except MotifDeskError:
        return None
    there = found.arrays(1.0)
    if not found.same or float(np.linalg.norm(there.positions - here.positions, axis=1).max()) > _NEAR:
        return None
    if here.cell is not None and there.cell is not None and float(np.abs(there.cell - here.cell).max()) > _NEAR:
        return None
    return there


def _same_cell(here: AtomArrays, b: AtomArrays) -> AtomArrays | None:
    """`b` laid on `here` where both have the same lattice vectors up to a rotation, and the atoms differ by an
    origin, an order and less than 0.3 Angstrom; else None.

    Where order and orientation agree already it is `b` itself (up to lattice vectors): the images then drift and turn
    by what the code does not see.
    """
    if here.cell is None or b.cell is None or len(here.numbers) != len(b.numbers):
        return None
    u, stretch, v = np.linalg.svd(np.linalg.inv(b.cell) @ here.cell)
    rotation = u @ v
    if np.abs(stretch - 1.0).max() > 0.02 or np.linalg.det(rotation) < 0.0:
        return None
    from scipy.optimize import linear_sum_assignment

    cell = b.cell @ rotation
    mine, other = here.fractional, b.fractional
    kinds, counts = np.unique(here.numbers, return_counts=True)
    rare = np.flatnonzero(here.numbers == kinds[counts.argmin()])
    differ = here.numbers[:, None] != b.numbers[None, :]
    best: tuple[float, np.ndarray, np.ndarray] | None = None
    for k in np.flatnonzero(b.numbers == here.numbers[rare[0]]):
        delta = (other + mine[rare[0]] - other[k])[None, :] - mine[:, None]
        delta -= np.rint(delta)
        squares = np.square(delta @ cell).sum(-1)
        rows, order = linear_sum_assignment(np.where(differ, 1e6, squares))
        cost = float(squares[rows, order].sum()) if not differ[rows, order].any() else np.inf
        if best is None or cost < best[0]:
            best = cost, order, delta[rows, order]
    if best is None or not np.isfinite(best[0]):
        return None
    _, order, delta = best
    delta = delta - delta.mean(axis=0)
    if float(np.linalg.norm(delta @ cell, axis=1).max()) > _NEAR:
        return None
    turned = float(np.abs(rotation - np.eye(3)).max())
    if turned < _TURNED and (order == np.arange(len(order))).all():
        shift = mine + delta - b.fractional  # nearly one translation and whole lattice vectors
        drift = shift[0] - np.rint(shift[0])
        return AtomArrays(b.numbers, (b.fractional + np.rint(shift - drift)) @ b.cell, b.cell)
    return AtomArrays(here.numbers, (mine + delta) @ cell, cell)


def _carried(images: list[AtomArrays], last: AtomArrays) -> list[AtomArrays]:
    """The images with what is left between the end and the design shared out along the way: exact at both ends.

    The follower starts from atoms disturbed by 0.002 Angstrom; ``images[0]`` is the undisturbed start.
    """
    end = images[-1]
    gap = last.positions - end.positions
    if end.cell is not None and last.cell is not None:
        gap = last.fractional - end.fractional
    out = [images[0]]
    for k, image in enumerate(images[1:-1], start=1):
        share = k / (len(images) - 1)
        if image.cell is None or last.cell is None or end.cell is None:
            out.append(AtomArrays(image.numbers, image.positions + share * gap, None))
        else:
            cell = image.cell + share * (last.cell - end.cell)
            out.append(AtomArrays(image.numbers, (image.fractional + share * gap) @ cell, cell))
    return [*out, last]


def _same_species(a: AtomArrays, b: AtomArrays) -> bool:
    found, counts = np.unique(a.numbers, return_counts=True)
    other, others = np.unique(b.numbers, return_counts=True)
    same = len(found) == len(other) and bool((found == other).all())
    return same and bool(np.abs(counts / len(a.numbers) - others / len(b.numbers)).max() < 1e-9)


def _between(ends: np.ndarray, t: float, version: str) -> Any:
    from motifdesk.codec.codes import Codes

    return Codes(((1.0 - t) * ends[:1] + t * ends[1:]).astype(np.float32), (), version)


def _bytes(arrays: AtomArrays) -> tuple[bytes, ...]:
    cell = b"" if arrays.cell is None else arrays.cell.tobytes()
    return arrays.numbers.tobytes(), arrays.positions.tobytes(), cell


__all__ = ["COMPOSITIONS", "IMAGES", "LatentPath", "latent_path"]
