"""Walks through the latent space: the structures on the way from one code to another, and how straight the way was.

>>> way = walk(codec, rutile, anatase, steps=12)
>>> way.structures, way.residuals, way.ratio
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.codec.codes import BLIND_WIDTH, GEOMETRY, Codes
from motifdesk.structures import AtomArrays, to_arrays
from motifdesk.structures.arrays import from_arrays
from motifdesk.structures.errors import CodecError

if TYPE_CHECKING:
    from pymatgen.core import Molecule, Structure

    from motifdesk.codec import Codec


@dataclass(frozen=True, eq=False)
class Walk:
    """Structures along the straight line between two codes.

    Attributes
    ----------
    t : float64 [S], place on the line, 0 at the first structure and 1 at the second
    arrays : the atoms at each step
    roots : float32 [S, 544], the codes of these atoms: where they really lie (symmetry unknown)
    residuals : float64 [S], mean squared difference of the compared code numbers to the point of the line
    moved : float64 [S], longest way of an atom since the step before, Angstrom; NaN where the atoms were exchanged
    length : length of the way of `roots` in the compared numbers; `straight`: the distance of the two ends' codes
    composition : "keep" or "follow"
    """

    t: np.ndarray
    arrays: tuple[AtomArrays, ...]
    roots: np.ndarray
    residuals: np.ndarray
    moved: np.ndarray
    length: float
    straight: float
    composition: str

    @property
    def ratio(self) -> float:
        """Length of the decoded way over the straight line's: 1 is straight; NaN between two equal codes.

        Below 1 where the way ends short of its aim: read it beside ``residuals[-1]``.
        """
        return self.length / self.straight if self.straight > 1e-9 else float("nan")

    @property
    def structures(self) -> list[Structure | Molecule]:
        """The steps as pymatgen objects."""
        return [from_arrays(a) for a in self.arrays]

    def __len__(self) -> int:
        return len(self.t)

    def __repr__(self) -> str:
        return (
            f"Walk({len(self)} steps, {self.arrays[0].formula} to {self.arrays[-1].formula}, {self.composition}; "
            f"{self.ratio:.2f} times the straight line, residual at most {self.residuals.max():.1e}, "
            f"at the end {self.residuals[-1]:.1e})"
        )


def walk(
    codec: Codec, a: Any, b: Any, steps: int = 12, *, composition: str = "keep", refine: int = 4, seed: int = 0
) -> Walk:
    """The way from structure `a` to structure `b` along the straight line of their codes, in `steps` steps.

    ``composition="keep"``: the atoms of `a` all the way; only the species-blind numbers are compared. ``"follow"``:
    the whole geometry is followed; the atoms of `a` walk the first half and those of `b`, started from the other end,
    the second, and they are exchanged in the middle: two structures without a continuous way between them (rutile and
    anatase) are both reached, and the jump in the middle is part of the length.

    Each step is warm: `refine` Levenberg-Marquardt steps from the step before (`motifdesk.codec.Follower`). A point
    between two codes need not be the code of anything: the residual of a step says by how much it is not.

    Raises
    ------
    CodecError
        a crystal and a molecule, fewer than 2 steps, no such composition.
    """
    if steps < 2:
        raise CodecError(f"{steps} steps make no way", where="walk", remedy="use at least 2")
    if composition not in ("keep", "follow"):
        raise CodecError(f"composition {composition!r} is unknown", where="walk", remedy='use "keep" or "follow"')
    first, last = to_arrays(a), to_arrays(b)
    if first.is_crystal != last.is_crystal:
        raise CodecError("a crystal does not turn into a molecule", where="walk", remedy="give two of a kind")
    ends = codec.encode([first, last], symmetry=False)
    t = np.linspace(0.0, 1.0, steps)

    def follow(start: AtomArrays, places: np.ndarray) -> list[Any]:
        follower = codec.follower(start, composition, seed=seed)
        return [follower.step(_between(ends, float(x)), steps=refine) for x in places]

    if composition == "keep":
        frames = follow(first, t)
        exchange = None
    else:
        half = steps // 2
        frames = follow(first, t[:half]) + follow(last, t[half:][::-1])[::-1]
        exchange = half
    moved = np.array([f.moved for f in frames])
    if exchange is not None:  # the second half was walked backwards
        moved[exchange + 1 :], moved[exchange] = moved[exchange:-1].copy(), np.nan
    numbers = slice(GEOMETRY.stop - BLIND_WIDTH, GEOMETRY.stop) if composition == "keep" else GEOMETRY
    roots = np.stack([f.root for f in frames])
    way = np.concatenate([ends.root[:1, numbers], roots[1:, numbers]]).astype(np.float64)
    length = float(np.linalg.norm(np.diff(way, axis=0), axis=1).sum())
    straight = float(np.linalg.norm((ends.root[1] - ends.root[0])[numbers].astype(np.float64)))
    residuals = np.array([f.residual for f in frames])
    return Walk(t, tuple(f.arrays for f in frames), roots, residuals, moved, length, straight, composition)


def _between(ends: Codes, t: float) -> Codes:
    return Codes((1.0 - t) * ends.root[:1] + t * ends.root[1:], (), ends.version)
