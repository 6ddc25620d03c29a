"""Guidance towards a motif: the density of codes tilted to known crystals that hold it.

A wish such as "IrO6 sharing edges" is asked of known crystals of the same stoichiometry: which of them have a centre in
the same proportion with as many ligands, linked to its like in that way? The elements need not be the same. Codes are
then drawn around these holders instead of around everything known: a Gaussian kernel on each, a fraction of the
holders' own spread wide (times the temperature), weighted gently by the density at the holder's code given its
composition. The volume stays the density's. Whether the decoded structure has the motif is verified afterwards, never
assumed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from motifdesk.codec.codes import COUNTS, GEOMETRY, LATTICE
from motifdesk.codec.lattice import cell_to_block
from motifdesk.structures import AtomArrays
from motifdesk.structures.arrays import element_symbols
from motifdesk.structures.errors import MotifDeskError

from ..candidate import Candidate
from ..checks import Checks
from ..checks.judging import Look
from ..checks.wishes import MOTIF
from ..errors import ScreeningError
from ..options import complete
from ..placing import the_atlas

MOST = 400  # known crystals looked at for one stoichiometry: seconds
_WIDTH = 0.35  # of the conditional spread: a holder's surroundings, not its whole component
_MAIN = 24


class MotifGuide:
    """A wish for a motif: ``{"formula": "IrO6", "sharing": "edge"}`` (the options of `checks.wishes.motif`).

    ScreeningError: no such option, or the formula is not a centre with its ligands.
    """

    def __init__(self, wish: Mapping[str, Any], where: str) -> None:
        self.where = where
        self.wish = complete(wish, MOTIF, f"{where} motif")
        if self.wish["sharing"] not in ("", "corner", "edge", "face"):
            raise ScreeningError(f"sharing = {self.wish['sharing']!r}", where=where, remedy="corner, edge or face")
        parts = re.findall(r"([A-Z][a-z]?)(\d*)", str(self.wish["formula"]))
        symbols = element_symbols()
        if len(parts) < 2 or "".join(a + b for a, b in parts) != self.wish["formula"] or parts[0][1] not in ("", "1"):
            raise ScreeningError(
                f"{self.wish['formula']!r} is no motif", where=where, remedy="centre first, then ligands: 'IrO6'"
            )
        if unknown := [s for s, _ in parts if s not in symbols[1:95]]:
            raise ScreeningError(f"no elements: {unknown}", where=where, remedy="symbols such as Ir and O")
        self.centre = symbols.index(parts[0][0])
        self.ligands = {symbols.index(s): int(n or 1) for s, n in parts[1:]}
        self._check = Checks({"wish_motif": dict(wish), "skip": _others()})

    def tilt(
        self, root: np.ndarray, density: Any, temperature: float, rng: np.random.Generator
    ) -> tuple[np.ndarray, str]:
        """A root [1, W] of the same composition and volume around a holder, and the holder's id.

        ScreeningError: no known crystal of this stoichiometry holds the motif.
        """
        atlas = the_atlas()
        counts = np.rint(root[0, COUNTS]).astype(int)
        holders = self.holders(counts)
        if not len(holders):
            raise ScreeningError(
                f"no known crystal of this stoichiometry holds {self.text}",
                where=self.where,
                remedy="other multiples of the formula, or leave out the motif and keep [checks.wish_motif]",
            )
        log = density._conditional(density.features[holders])
        shares = np.exp(np.minimum(log - log.max(), 0.0) * min(1.0, 1.0 / temperature) * 0.1)
        h = int(holders[rng.choice(len(holders), p=shares / shares.sum())])
        latent = atlas._latent[h].copy()
        spread = np.sqrt(temperature) * _WIDTH * atlas._latent[holders][:, :_MAIN].std(0)
        latent[:_MAIN] += spread * rng.normal(size=_MAIN)
        out = root.copy()
        volume = float(root[0, LATTICE.start + 1])
        out[0, GEOMETRY] = (latent + atlas._offset) @ atlas._back
        out[0, LATTICE] = cell_to_block(atlas.arrays(h).cell, int(counts.sum()))
        out[0, LATTICE.start + 1] = volume
        return out, str(atlas.columns["id"][h])

    def holders(self, counts: np.ndarray) -> np.ndarray:
        """int [k]: places in the atlas of known crystals of the stoichiometry of `counts` [94] that hold the motif in
        the same role; those found in the first `MOST` of them, drawn without a seed's whim."""
        roles = tuple(int(counts[z - 1]) for z in (self.centre, *self.ligands))
        if 0 in roles:
            missing = [element_symbols()[z] for z in (self.centre, *self.ligands) if not counts[z - 1]]
            raise ScreeningError(f"the composition has no {missing[0]}", where=self.where, remedy="name a motif of it")
        pattern = tuple(sorted(int(n) for n in counts if n))
        return _holders(pattern, roles, tuple(self.ligands.values()), str(self.wish["sharing"]))

    @property
    def text(self) -> str:
        """ "IrO6 sharing edges"."""
        sharing = self.wish["sharing"]
        return str(self.wish["formula"]) + (f" sharing {sharing}s" if sharing else "")

    def holds(self, arrays: AtomArrays) -> tuple[bool, str]:
        """Whether a structure has the motif as wished for, and why not: the check `wish_motif`."""
        judged = self._check(Candidate("", 0, 0, {}, arrays))
        verdict = judged.verdicts[-1]
        return verdict.passed is True, verdict.reason


def _others() -> list[str]:
    from ..checks.judging import CHECKS

    return [name for name in CHECKS if name != "wish_motif"]


@lru_cache(maxsize=64)
def _fellows(pattern: tuple[int, ...]) -> np.ndarray:
    """Places in the atlas of crystals of an anonymous formula, at most `MOST`, always the same ones."""
    from motifdesk.atlas.density import fit_density

    atlas = the_atlas()
    counts = fit_density(atlas).counts
    ok = np.isin(atlas.columns["source"], ("mp_20", "mpts_52", "perov_5", "examples"))
    wanted = np.zeros(counts.shape[1])
    wanted[: len(pattern)] = sorted(pattern, reverse=True)
    ok &= (np.sort(counts, axis=1)[:, ::-1] == wanted).all(1)
    found = np.flatnonzero(ok)
    return found if len(found) <= MOST else np.sort(np.random.default_rng(0).choice(found, MOST, replace=False))


@lru_cache(maxsize=4096)
def _motifs_of(place: int) -> tuple[tuple[int, tuple[tuple[int, int], ...], tuple[str, ...]], ...]:
    """(atoms of the centre's element in the cell, ((atoms of a ligand's element, how many bound), ...), kinds of
    sharing with its like) of every kind of motif of a known crystal."""
    arrays = the_atlas().arrays(place)
    try:
        graph = Look(arrays, 0.05).graph
    except MotifDeskError:
        return ()
    amount = np.bincount(arrays.numbers, minlength=120)
    out = set()
    for formula in {m.formula for m in graph.motifs}:
        members = [m for m in graph.motifs if m.formula == formula]
        inside = {m.index for m in members}
        first = members[0]
        bound: dict[int, int] = {}
        for ligand in first.ligands:
            z = int(arrays.numbers[ligand.site])
            bound[z] = bound.get(z, 0) + 1
        kinds = {link.kind for link in graph.links if link.a in inside and link.b in inside}
        role = tuple(sorted((int(amount[z]), n) for z, n in bound.items()))
        out.add((int(amount[arrays.numbers[first.centre]]), role, tuple(sorted(kinds))))
    return tuple(sorted(out))


@lru_cache(maxsize=64)
def _holders(pattern: tuple[int, ...], roles: tuple[int, ...], bound: tuple[int, ...], sharing: str) -> np.ndarray:
    wanted = tuple(sorted(zip(roles[1:], bound, strict=True)))
    fits = [
        k
        for k in _fellows(pattern).tolist()
        if any(
            centre == roles[0] and role == wanted and (not sharing or sharing in kinds)
            for centre, role, kinds in _motifs_of(k)
        )
    ]
    return np.array(fits, dtype=int)
