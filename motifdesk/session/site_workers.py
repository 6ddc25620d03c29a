"""Edits that change which atoms there are: sites deleted, a site added."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from motifdesk.session.picking import allowed
from motifdesk.session.state import Selection, State, rebased
from motifdesk.session.workers import Draft, Worker, finite
from motifdesk.structures.arrays import AtomArrays, element_symbols, from_arrays
from motifdesk.structures.errors import SessionError

#: Angstrom: nearer than this to an atom that is there is no place for another.
TOO_NEAR = 0.5
_MOST_NAMES = 4


def element_of(species: Any, where: str) -> tuple[str, int]:
    """Symbol and atomic number of an element given as a symbol, an atomic number or a pymatgen object."""
    from pymatgen.core import Element

    try:
        if isinstance(species, int | np.integer) and not isinstance(species, bool):
            found = Element.from_Z(int(species))
        else:
            found = Element(species if isinstance(species, str) else getattr(species, "symbol", str(species)))
    except (TypeError, ValueError):
        raise SessionError(f"{species!r} is no element", where=where, remedy='give a symbol such as "O"') from None
    return found.symbol, int(found.Z)


def nearest_distance(arrays: AtomArrays, position: np.ndarray) -> float:
    """Angstrom from ``position`` to the nearest atom, periodic images included."""
    delta = arrays.positions - position
    if arrays.cell is None:
        return float(np.linalg.norm(delta, axis=1).min())
    fractional = delta @ np.linalg.inv(arrays.cell)
    delta = (fractional - np.rint(fractional)) @ arrays.cell
    images = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), -1).reshape(-1, 3) @ arrays.cell
    return float(np.sqrt(np.square(delta[:, None] + images).sum(-1).min()))


def renumbered(old: State, new: State, place: Mapping[int, int]) -> Selection:
    """The pick of ``old`` on ``new``, where the site ``k`` of the one is ``place[k]`` of the other."""
    pick = old.selection
    atoms = tuple(place[a] for a in pick.atoms if a in place)
    motif = None
    graph = old.graph
    if pick.motif is not None and graph is not None and pick.motif < len(graph.motifs) and new.graph is not None:
        centre = place.get(graph.motifs[pick.motif].centre)
        motif = next((m.index for m in new.graph.motifs if m.centre == centre), None)
    kept = replace(pick, motif=motif, atoms=atoms)
    return kept if allowed(new.reference, kept) else replace(kept, pattern="uniform")


def template_after(kind: str, recipe: Mapping[str, Any], parent: State) -> Any:
    """The pymatgen object that carries labels and site properties after a "delete_sites" or "add_site"."""
    template: Any = from_arrays(parent.arrays, like=parent.reference.template)
    if kind == "delete_sites":
        template.remove_sites([int(k) for k in recipe["sites"]])
    elif parent.arrays.is_crystal:
        template.append(recipe["species"], recipe["position"], coords_are_cartesian=True)
    else:
        template.append(recipe["species"], recipe["position"])
    return template


class DeleteSites(Worker):
    """Take atoms out."""

    kind = "delete_sites"
    _rest: tuple[int, ...] = ()

    def update(self, sites: Iterable[int] | int) -> Draft:
        """``sites``: one site index or several; at least one atom must stay."""
        arrays = self.origin.arrays
        count = len(arrays)
        try:
            many = [sites] if isinstance(sites, int | np.integer | str) else list(sites)
            if any(isinstance(s, bool) for s in many):
                raise TypeError
            gone = sorted({int(s) for s in many})
        except (TypeError, ValueError):
            raise SessionError(f"{sites!r} are no sites", where="delete_sites", remedy="give site indices") from None
        if not gone:
            raise SessionError("no sites given", where="delete_sites", remedy="name at least one site index")
        for index in gone:
            if not 0 <= index < count:
                raise SessionError(
                    f"there is no site {index}", where="delete_sites", remedy=f"choose 0 ... {count - 1}"
                )
        if len(gone) == count:
            raise SessionError("nothing would be left", where="delete_sites", remedy="leave at least one atom")
        self._rest = tuple(k for k in range(count) if k not in set(gone))
        rest = list(self._rest)
        left = AtomArrays(arrays.numbers[rest], arrays.positions[rest], arrays.cell)
        symbols = element_symbols()
        names = [f"{symbols[arrays.numbers[k]]}{k}" for k in gone[:_MOST_NAMES]]
        more = f" and {len(gone) - _MOST_NAMES} more" if len(gone) > _MOST_NAMES else ""
        recipe = {"sites": gone}
        state = rebased(self.origin, left, template_after(self.kind, recipe, self.origin))
        return Draft(replace(state, selection=Selection()), f"Delete {', '.join(names)}{more}", recipe)

    def finish(self, draft: Draft) -> Draft:
        """What was picked stays picked, under its new number."""
        place = {old: new for new, old in enumerate(self._rest)}
        return replace(draft, state=replace(draft.state, selection=renumbered(self.origin, draft.state, place)))


class AddSite(Worker):
    """Put one atom in."""

    kind = "add_site"

    def update(self, species: Any, position: Any) -> Draft:
        """``species``: an element; ``position`` [3]: Cartesian, Angstrom. The new atom is the last site."""
        symbol, number = element_of(species, "add_site")
        place = finite(position, "position", (3,))
        arrays = self.origin.arrays
        distance = nearest_distance(arrays, place)
        if distance < TOO_NEAR:
            raise SessionError(
                f"an atom is {distance:.2f} Å from there",
                where="add_site",
                remedy=f"choose a place at least {TOO_NEAR:g} Å from every atom",
            )
        more = AtomArrays(np.append(arrays.numbers, number), np.vstack([arrays.positions, place]), arrays.cell)
        recipe = {"species": symbol, "position": place.tolist()}
        state = rebased(self.origin, more, template_after(self.kind, recipe, self.origin))
        return Draft(replace(state, selection=Selection()), f"Add {symbol}{len(arrays)}", recipe)

    def finish(self, draft: Draft) -> Draft:
        """What was picked stays picked; the new atom is picked beside it."""
        count = len(self.origin.arrays)
        selection = renumbered(self.origin, draft.state, {k: k for k in range(count)})
        return replace(draft, state=replace(draft.state, selection=replace(selection, atoms=(count,))))
