"""Powder diffraction patterns of designs, by pymatgen's XRDCalculator.

Kinematical intensities: structure factors with the neutral atoms' scattering factors, multiplicity, Lorentz and
polarisation factors; no thermal motion, absorption, texture or anomalous dispersion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from motifdesk.structures.arrays import to_arrays
from motifdesk.structures.errors import SessionError, one_line

RADIATIONS = {
    "CuKa": "Cu Kα",
    "CuKa1": "Cu Kα1",
    "MoKa": "Mo Kα",
    "CoKa": "Co Kα",
    "FeKa": "Fe Kα",
    "CrKa": "Cr Kα",
    "AgKa": "Ag Kα",
}
"""Name -> how it is written; XRDCalculator knows their wavelengths."""
RANGE = (5.0, 90.0)
LARGEST = 2000
"""Atoms of the largest cell a pattern is computed of."""
_SAME = 0.01  # degrees within which no diffractometer tells two peaks apart
_FAINT = 1e-3  # percent of the strongest peak below which a peak is not kept


@dataclass(frozen=True)
class Reflection:
    """One peak. two_theta: degrees. d: Angstrom. intensity: percent of the strongest peak. hkl: the families that lie
    there, in the design's cell (four indices where it is hexagonal). multiplicity: of each family."""

    two_theta: float
    d: float
    intensity: float
    hkl: tuple[tuple[int, ...], ...]
    multiplicity: tuple[int, ...]

    @property
    def label(self) -> str:
        """The families as they are written: "110, 101"; indices of two digits are set apart."""
        return ", ".join(written(h) for h in self.hkl)


@dataclass(frozen=True)
class Pattern:
    """A powder pattern. title: of what. wavelength: Angstrom. two_theta: the range, degrees. peaks: by angle."""

    title: str
    radiation: str
    wavelength: float
    two_theta: tuple[float, float]
    peaks: tuple[Reflection, ...]

    def __str__(self) -> str:
        where = f"{self.title}, {RADIATIONS.get(self.radiation, self.radiation)} ({self.wavelength:.5g} Å)"
        return f"{where}: {len(self.peaks)} peaks from {self.two_theta[0]:g}° to {self.two_theta[1]:g}°"

    def profile(self, width: float = 0.1, points: int = 2000) -> tuple[np.ndarray, np.ndarray]:
        """(2 theta [points] in degrees, intensity [points]) with Gaussian peaks of full width `width` at half their
        height; the area of each is its intensity."""
        at = np.linspace(*self.two_theta, points)
        sigma = width / 2.354820045
        out = np.zeros(points)
        for peak in self.peaks:
            out += peak.intensity * np.exp(-0.5 * ((at - peak.two_theta) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
        return at, out


def written(indices: Sequence[int]) -> str:
    """Miller indices: 110, 1 0 12 where one has two digits, -110 with a bar over the first."""
    bars = [str(abs(i)) + ("\u0305" if i < 0 else "") for i in indices]
    return (" " if any(abs(i) > 9 for i in indices) else "").join(bars)


def powder_pattern(
    structure: Any, radiation: str | float = "CuKa", two_theta: Sequence[float] = RANGE, title: str = ""
) -> Pattern:
    """The powder pattern of a Structure.

    Parameters
    ----------
    radiation
        a name of `RADIATIONS`, or a wavelength in Angstrom.
    two_theta
        lowest and highest angle, degrees, within 0 ... 180.

    Raises
    ------
    SessionError
        a molecule, an unknown radiation, a range that is none, more than `LARGEST` atoms, an element without
        scattering factors.
    """
    arrays = to_arrays(structure)
    if not arrays.is_crystal:
        raise SessionError(
            "a molecule has no powder pattern",
            where=arrays.formula,
            remedy="open a crystal: peaks come from its lattice",
        )
    if len(arrays.numbers) > LARGEST:
        raise SessionError(
            f"{len(arrays.numbers)} atoms, more than {LARGEST}", where="diffraction", remedy="use the primitive cell"
        )
    low, high = _range(two_theta)
    from pymatgen.analysis.diffraction.xrd import WAVELENGTHS, XRDCalculator

    if isinstance(radiation, str) and radiation not in WAVELENGTHS:
        raise SessionError(
            f"no radiation is called {radiation!r}",
            where="diffraction",
            remedy=f"choose one of {', '.join(RADIATIONS)}, or a wavelength in Å",
        )
    wavelength = float(WAVELENGTHS[radiation] if isinstance(radiation, str) else radiation)
    if not 0.05 <= wavelength <= 10.0:
        raise SessionError(f"a wavelength of {wavelength:g} Å", where="diffraction", remedy="choose 0.05 to 10 Å")
    bare = structure.copy()
    for name in list(bare.site_properties):  # thermal ellipsoids of the file are those of another structure by now
        bare.remove_site_property(name)
    try:
        # from 0: peaks are percent of the strongest of all, whatever part of the pattern is looked at
        found = XRDCalculator(wavelength).get_pattern(bare, two_theta_range=(0.0, high))
    except ValueError as error:
        empty = "empty" in str(error)  # no reflection lies below the highest angle
        if not empty:
            raise SessionError(
                one_line(error, 150), where="diffraction", remedy="the pattern of other elements can be computed"
            ) from error
        found = None
    whole = () if found is None else _merged(found, wavelength)
    peaks = [p for p in whole if low <= p.two_theta <= high and p.intensity >= _FAINT]
    name = radiation if isinstance(radiation, str) else f"{wavelength:g} Å"
    return Pattern(title or arrays.formula, name, wavelength, (low, high), tuple(peaks))


def _merged(found: Any, wavelength: float) -> list[Reflection]:
    """Peaks of pymatgen's pattern; those closer than `_SAME` are one, families that differ in signs alone too.

    A relaxed cell is orthorhombic to seven digits and monoclinic beyond: without this every peak would be two.
    """
    groups: list[list[int]] = []
    for k, angle in enumerate(found.x):
        if groups and angle - found.x[groups[-1][-1]] < _SAME:
            groups[-1].append(k)
        else:
            groups.append([k])
    heights = [sum(float(found.y[k]) for k in group) for group in groups]
    peaks = []
    for group, height in zip(groups, heights, strict=True):
        angle = sum(float(found.x[k]) * float(found.y[k]) for k in group) / height
        families: dict[tuple[int, ...], tuple[tuple[int, ...], int]] = {}
        for family in (f for k in group for f in found.hkls[k]):
            hkl = tuple(int(i) for i in family["hkl"])
            unsigned = tuple(abs(i) for i in hkl)
            first, many = families.get(unsigned, (hkl, 0))
            # the one with fewest minus signs speaks for all
            best = min(first, hkl, key=lambda h: sum(i < 0 for i in h))
            families[unsigned] = best, many + int(family["multiplicity"])
        d = wavelength / (2.0 * np.sin(np.radians(angle / 2.0)))
        hkls = tuple(h for h, _ in families.values())
        counts = tuple(m for _, m in families.values())
        peaks.append(Reflection(angle, float(d), 100.0 * height / max(heights), hkls, counts))
    return peaks


def _range(two_theta: Sequence[float]) -> tuple[float, float]:
    try:
        low, high = (float(t) for t in two_theta)
    except (TypeError, ValueError):
        low, high = float("nan"), float("nan")
    if not 0.0 <= low < high <= 180.0:
        raise SessionError(
            f"two_theta = {two_theta!r}", where="diffraction", remedy="give two angles within 0 ... 180 degrees"
        )
    return low, high
