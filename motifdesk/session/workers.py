"""How each kind of edit is computed. A worker belongs to one gesture: ``update`` for every preview, ``finish`` once
at commit.

Workers read the state that the gesture started from and return :class:`Draft` objects; they never touch the session,
so an error in one leaves the design as it was. Edits that need codec and map are in
:mod:`motifdesk.session.map_workers`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.session.crystal import split
from motifdesk.session.distorting import distorted, label_of
from motifdesk.session.member import recognised
from motifdesk.session.picking import same_pick
from motifdesk.session.services import Services
from motifdesk.session.state import SYMMETRIES, State, formula, frozen_mapping, moved, rebased
from motifdesk.session.ties import NONE, Ties, ties_of
from motifdesk.structures.arrays import AtomArrays, to_arrays
from motifdesk.structures.errors import MotifDeskError, SessionError

if TYPE_CHECKING:
    from motifdesk.session.history import History


@dataclass(frozen=True)
class Draft:
    """A computed but not yet installed state with the edit that describes it."""

    state: State
    name: str
    parameters: Mapping[str, Any] = field(default_factory=frozen_mapping)
    seed: int = 0
    rebase: bool = True
    """Whether the committed node becomes the base that later amplitudes are measured from."""


class Worker:
    """Base of all workers. ``origin``: the committed state the gesture starts from."""

    kind = ""
    history: History | None = None
    """What the gesture began in; None when an edit is done again from its recipe, which says all."""
    quick = True
    """False for work that takes seconds: a one-shot call then does not make other callers wait for it."""

    def __init__(self, services: Services, origin: State) -> None:
        self.services = services
        self.origin = origin
        self.cancelled = False

    @property
    def ties(self) -> Ties:
        """The locks and ties that a hand on the design has to respect."""
        return NONE if self.history is None else ties_of(self.history)

    def update(self, *args: Any, **kwargs: Any) -> Draft:
        """The state for these parameters (absolute, relative to ``origin``)."""
        raise NotImplementedError

    def finish(self, draft: Draft) -> Draft:
        """What only a committed state needs: a new base with its own motif graph, the pick carried over to it."""
        if not draft.rebase:
            return draft
        state = draft.state
        if state.reference is self.origin.reference:
            state = replace(rebased(state, state.arrays), latent=state.latent, notes=state.notes)
        return replace(draft, state=replace(state, selection=same_pick(self.origin, state)))

    @classmethod
    def replay(cls, services: Services, origin: State, parameters: Mapping[str, Any], seed: int) -> Draft:
        """The same edit again from its stored parameters."""
        worker = cls(services, origin)
        return worker.finish(worker.update(**dict(parameters)))


def finite(values: Any, what: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """``values`` as finite float64 numbers of the given shape, or a SessionError that names them."""
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise SessionError(f"{what} is not made of numbers: {values!r}", remedy="give plain numbers") from None
    if shape is not None and array.shape != shape:
        raise SessionError(f"{what} has shape {array.shape}, wanted {shape}", remedy=f"give numbers of shape {shape}")
    if not np.isfinite(array).all():
        raise SessionError(f"{what} is not finite: {values!r}", remedy="give finite numbers")
    return array


def keep_recipe(keep: Any) -> Any:
    """``keep`` as JSON types: "free", "request", "break", or a subgroup as {"rotations": [G, 3, 3], "translations":
    [G, 3]} from such a mapping, a pair of arrays or ``motifdesk.motifs.distortion.subgroups.Operations``."""
    if isinstance(keep, str) and keep in SYMMETRIES:
        return keep
    if isinstance(keep, Mapping):
        parts = keep.get("rotations"), keep.get("translations")
    elif isinstance(keep, tuple) and len(keep) == 2:
        parts = keep
    else:
        parts = getattr(keep, "rotations", None), getattr(keep, "translations", None)
    if parts[0] is None or parts[1] is None:
        raise SessionError(
            f"{keep!r} is no symmetry to keep",
            where="distort",
            remedy='give "free", "request", "break", or a subgroup: (rotations [G, 3, 3], translations [G, 3])',
        )
    rotations = np.rint(finite(parts[0], "rotations")).astype(int)
    return {"rotations": rotations.tolist(), "translations": finite(parts[1], "translations").tolist()}


class Distort(Worker):
    """Turn modes of motifs and of the whole crystal on: amplitudes in Angstrom, absolute, from the base structure; zero
    releases one."""

    kind = "distort"
    _owed: tuple[Any, Any] | None = None

    def _key(self, mode: Any) -> str:
        if isinstance(mode, str):
            for known in self.origin.modes:
                if mode in (known.key, known.label):
                    return known.key
            return mode
        key = getattr(mode, "key", None)
        if not isinstance(key, str):
            raise SessionError(
                f"{mode!r} is not a mode", where="distort", remedy="use a mode of session.state.modes or its key"
            )
        return key

    def _name(self, changed: Mapping[str, float]) -> str:
        if not changed:
            return "Distort"
        first, amplitude = next(iter(changed.items()))
        text = f"{label_of(self.origin.reference, first)}: {amplitude:+.3f} Å"
        return text if len(changed) == 1 else f"{text} and {len(changed) - 1} more"

    def _followed(self, asked: dict[str, float]) -> dict[str, float]:
        """With what is tied to it; partners that this base structure has no mode for are left out."""
        if not (ties := self.ties):
            return asked
        reference = self.origin.reference
        out = ties.followed(asked, self.origin.amplitudes, "distort", lambda key: label_of(reference, key))
        for key in out.keys() - asked.keys():
            try:
                label_of(reference, key)
            except MotifDeskError:
                del out[key]
        return out

    @classmethod
    def replay(cls, services: Services, origin: State, parameters: Mapping[str, Any], seed: int) -> Draft:
        """As recorded, whatever the pick says now."""
        return super().replay(services, origin, {"keep": "free", **parameters}, seed)

    def finish(self, draft: Draft) -> Draft:
        """A preview that was made quickly is worked out in full."""
        owed, self._owed = self._owed, None
        return super().finish(draft if owed is None else self.update(*owed))

    def update(self, amplitudes: Mapping[Any, float] | None = None, keep: Any = None, *, quick: bool = False) -> Draft:
        """``amplitudes``: {mode or key: Angstrom}; modes not named keep the amplitude they have. ``keep``: "free",
        "request", "break" or a subgroup (see :func:`keep_recipe`); the choice of the pick by default. ``quick``: for a
        hand on a slider: "break", which takes a tenth of a second, is shown as "free" and worked out at the end."""
        if not isinstance(amplitudes, Mapping):
            raise SessionError(
                f"amplitudes are {type(amplitudes).__name__}",
                where="distort",
                remedy="give a mapping {mode or key: Angstrom}",
            )
        asked = {self._key(k): float(finite(v, f"amplitude of {self._key(k)}", ())) for k, v in amplitudes.items()}
        reference = self.origin.reference
        for key in asked:
            label_of(reference, key)  # a misspelt key is an error even at amplitude zero
        asked = self._followed(asked)
        wanted = {k: v for k, v in {**self.origin.amplitudes, **asked}.items() if v != 0.0}
        kept = self.origin.selection.symmetry if keep is None else keep_recipe(keep)
        if not self.origin.arrays.is_crystal or not split(wanted)[0]:
            kept = "free"  # a molecule has no space group to keep; whole-crystal modes are added as they are
        self._owed = (amplitudes, kept) if quick and kept == "break" else None
        made = distorted(reference, wanted, "free" if self._owed else kept)
        state = replace(
            self.origin,
            arrays=made.arrays,
            amplitudes=frozen_mapping(wanted),
            achieved=frozen_mapping(made.achieved),
            cost=made.cost,
            keep=kept,
            response=made.response,
            notes=made.notes,
            latent=self.origin.latent.moved(),
        )
        changed = {k: v for k, v in asked.items() if v != self.origin.amplitudes.get(k, 0.0)}
        parameters: dict[str, Any] = {"amplitudes": {**{k: 0.0 for k in self.origin.amplitudes}, **wanted}}
        name = self._name(changed or asked)
        if kept != "free":
            parameters["keep"] = kept
            name += {"request": ", symmetry kept", "break": ", symmetry free to break"}.get(
                str(kept), ", subgroup kept"
            )
        return Draft(state, name, parameters, rebase=False)


class Substitute(Worker):
    """Put other species on sites."""

    kind = "substitute"

    def update(self, sites: Mapping[Any, Any] | Iterable[int] | int, species: Any = None) -> Draft:
        """``sites``: {site index: species}, or indices (one or several) with one ``species`` (symbol or Element)."""
        from pymatgen.core import Element

        count = len(self.origin.arrays.numbers)
        if isinstance(sites, Mapping):
            pairs = list(sites.items())
        else:
            many = [sites] if isinstance(sites, (int, np.integer, str)) else list(sites)
            pairs = [(site, species) for site in many]
        if not pairs:
            raise SessionError("no sites given", where="substitute", remedy="name at least one site index")
        wanted: dict[int, str] = {}
        for site, which in pairs:
            try:
                index = int(site)
                symbol = Element(which if isinstance(which, str) else getattr(which, "symbol", str(which))).symbol
            except (TypeError, ValueError):
                raise SessionError(
                    f"cannot put {which!r} on site {site!r}",
                    where="substitute",
                    remedy="give site indices and element symbols",
                ) from None
            if not 0 <= index < count:
                raise SessionError(f"there is no site {index}", where="substitute", remedy=f"choose 0 ... {count - 1}")
            wanted[index] = symbol
        numbers = np.array(self.origin.arrays.numbers)
        for index, symbol in wanted.items():
            numbers[index] = Element(symbol).Z
        arrays = AtomArrays(numbers, self.origin.arrays.positions, self.origin.arrays.cell)
        kinds = ", ".join(sorted(set(wanted.values())))
        name = f"Put {kinds} on {'site' if len(wanted) == 1 else f'{len(wanted)} sites'}"
        if len(wanted) == 1:
            name += f" {next(iter(wanted))}"
        return Draft(rebased(self.origin, arrays), name, {"sites": {str(k): v for k, v in wanted.items()}})


class SetStructure(Worker):
    """Replace the design by another structure (anything ``motifdesk.read`` accepts)."""

    kind = "set_structure"

    def update(self, structure: Any, name: str | None = None) -> Draft:
        """``structure``: path, Structure, Molecule, ase.Atoms, or the dictionary of one (``as_dict``); ``name``: of the
        file it comes from."""
        from motifdesk.structures import read

        new = structure_from_dict(structure) if isinstance(structure, Mapping) else read(structure)
        state = rebased(self.origin, to_arrays(new), new)
        state = replace(state, built=recognised(new, state.arrays))
        record = {"structure": plain_dict(new)} | ({} if name is None else {"name": str(name)})
        return Draft(state, f"Set {formula(state.arrays)}" if name is None else f"Open {name}", record)

    def finish(self, draft: Draft) -> Draft:
        """Another structure has other motifs: nothing stays picked."""
        return replace(
            draft, state=replace(draft.state, selection=replace(self.origin.selection, motif=None, atoms=()))
        )


class Symmetrize(Worker):
    """Average positions and cell over the space group (of a molecule the point group) found within a tolerance; cell
    choice, orientation and a molecule's centroid stay."""

    kind = "symmetrize"

    def update(self, tolerance: float = 0.1) -> Draft:
        """``tolerance`` in Angstrom: how far atoms may be from their symmetric places."""
        from motifdesk.structures.symmetry import space_group, symmetry_operations

        arrays = self.origin.arrays
        tolerance = float(finite(tolerance, "tolerance", ()))
        if not 0.0 < tolerance <= 1.0:
            raise SessionError(f"tolerance {tolerance:g} Å", where="symmetrize", remedy="choose it between 0 and 1 Å")
        if arrays.cell is None:
            from motifdesk.motifs.figures.molecular_group import molecular_group, named

            found = molecular_group(arrays, tolerance)
            averaged = AtomArrays(arrays.numbers, found.vertices + arrays.positions.mean(axis=0))
            name = f"Snap to {named(found, tolerance).symbol} ({tolerance:g} Å)"
            return Draft(moved(self.origin, averaged), name, {"tolerance": tolerance})
        rotations, translations = symmetry_operations(arrays, tolerance)
        averaged = average_over_group(arrays, np.asarray(rotations, dtype=float), np.asarray(translations, dtype=float))
        group = space_group(arrays, tolerance)
        name = f"Snap to {group.symbol} ({tolerance:g} Å)"
        return Draft(moved(self.origin, averaged), name, {"tolerance": tolerance})


def average_over_group(arrays: AtomArrays, rotations: np.ndarray, translations: np.ndarray) -> AtomArrays:
    """Positions and metric averaged over operations x' = W x + w (fractional, column convention); orientation kept.

    ``rotations`` [G, 3, 3], ``translations`` [G, 3]. Each image is assigned to the nearest site of its species.
    """
    cell = np.asarray(arrays.cell)
    frac = arrays.positions @ np.linalg.inv(cell)
    total = np.zeros_like(frac)
    same = arrays.numbers[:, None] == arrays.numbers[None, :]
    for rotation, translation in zip(rotations, translations, strict=True):
        image = frac @ rotation.T + translation
        delta = image[:, None, :] - frac[None, :, :]
        delta -= np.round(delta)
        distance = np.linalg.norm(delta @ cell, axis=-1)
        target = np.where(same, distance, np.inf).argmin(axis=1)
        total[target] += delta[np.arange(len(frac)), target]
    frac = frac + total / len(rotations)
    metric = cell @ cell.T
    # basis rows transform as a' = W^T a, hence the metric as W^T G W
    mean = np.einsum("gji,jk,gkl->il", rotations, metric, rotations) / len(rotations)
    inverse = np.linalg.inv(cell)
    stretch = inverse @ mean @ inverse.T
    values, vectors = np.linalg.eigh(0.5 * (stretch + stretch.T))
    deformation = vectors @ np.diag(np.sqrt(values)) @ vectors.T
    new_cell = cell @ deformation
    return AtomArrays(arrays.numbers, frac @ new_cell, new_cell)


def plain_dict(structure: Any) -> dict[str, Any]:
    """``structure.as_dict()`` with only JSON types and finite numbers (properties that are not are left out)."""
    import json

    whole = structure.as_dict()
    try:
        return json.loads(json.dumps(whole, allow_nan=False))
    except (TypeError, ValueError):
        bare = structure.copy()
        bare.properties = {}
        for name in list(bare.site_properties):
            bare.remove_site_property(name)
        return json.loads(json.dumps(bare.as_dict(), allow_nan=False))


def structure_from_dict(data: Mapping[str, Any]) -> Any:
    """The Structure or Molecule of a pymatgen dictionary."""
    from pymatgen.core import Molecule, Structure

    try:
        kind = Structure if "lattice" in data else Molecule
        return kind.from_dict(dict(data))
    except Exception as error:
        raise SessionError(
            f"not a pymatgen structure ({error})", where="structure", remedy="give Structure.as_dict()"
        ) from None
