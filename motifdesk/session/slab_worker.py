"""The edit that cuts a slab out of the crystal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from motifdesk.session.path_workers import LARGEST
from motifdesk.session.picking import allowed
from motifdesk.session.state import State, rebased
from motifdesk.session.workers import Draft, Worker
from motifdesk.structures.arrays import AtomArrays, from_arrays, to_arrays
from motifdesk.structures.errors import SessionError
from motifdesk.structures.slabs import Slab, cut


def cut_structure(structure: Any, slab: Slab) -> Any:
    """The slab of a Structure with its species, labels and site properties; site ``s * L + t`` is site s in the t-th of
    L layers, positions not wrapped."""
    from pymatgen.core import Lattice, Structure

    cell = structure.lattice.matrix
    placed = structure.cart_coords[:, None] + slab.image @ cell - slab.origin @ cell
    out = Structure(
        Lattice(slab.box @ cell),
        [site.species for site in structure for _ in range(slab.layers)],
        placed.reshape(-1, 3),
        coords_are_cartesian=True,
        site_properties={
            k: [v for v in values for _ in range(slab.layers)] for k, values in structure.site_properties.items()
        },
        labels=[site.label for site in structure for _ in range(slab.layers)],
    )
    out.properties = dict(structure.properties)
    return out


class MakeSlab(Worker):
    """Cut the crystal along lattice planes: a cell of surface vectors, layers and vacuum."""

    kind = "slab"

    def update(self, hkl: Any, layers: int = 3, vacuum: float = 15.0, shift: float | None = None) -> Draft:
        """``hkl``: Miller indices in the present cell; ``layers``: repeats along the normal, d(hkl) each; ``vacuum``:
        Angstrom; ``shift``: where it is cut, in layers."""
        arrays = self.origin.arrays
        if arrays.cell is None:
            raise SessionError("a molecule has no lattice planes", where="slab", remedy="open a crystal")
        graph = self.origin.graph if shift is None else None
        bonds = None if graph is None else graph.bonds()
        slab = cut(arrays.positions, arrays.cell, hkl, layers, vacuum, shift=shift, bonds=bonds)
        count = len(arrays.numbers) * slab.layers
        if count > LARGEST:
            raise SessionError(
                f"the slab has {count} atoms, more than {LARGEST}", where="slab", remedy="take fewer layers"
            )
        template = cut_structure(self.origin.structure, slab)
        state = rebased(self.origin, to_arrays(template), template)
        planes = " ".join(str(k) for k in slab.hkl)
        told = f"Slab ({planes}), {slab.layers} layer{'s' if slab.layers > 1 else ''}"
        told += f", {float(vacuum):g} Å vacuum" if vacuum else ""
        recipe = {"hkl": list(slab.hkl), "layers": slab.layers, "vacuum": float(vacuum), "shift": slab.shift}
        return Draft(state, told, recipe)

    def finish(self, draft: Draft) -> Draft:
        """The pick stays on the same atoms and motif, now in the lowest of the layers."""
        state, pick = draft.state, self.origin.selection
        layers = len(state.arrays.numbers) // len(self.origin.arrays.numbers)
        motif = None
        old, new = self.origin.graph, state.graph if pick.motif is not None else None
        if pick.motif is not None and old is not None and new is not None and pick.motif < len(old.motifs):
            centre = old.motifs[pick.motif].centre * layers
            motif = next((m.index for m in new.motifs if m.centre == centre), None)
        kept = replace(pick, motif=motif, atoms=tuple(a * layers for a in pick.atoms))
        kept = kept if allowed(state.reference, kept) else replace(kept, pattern="uniform")
        return replace(draft, state=replace(state, selection=kept))


def slab_template(parent: State, parameters: Mapping[str, Any], arrays: AtomArrays) -> Any:
    """The pymatgen object that carries labels and site properties of a slab read from a session file."""
    cell = parent.arrays.cell
    if cell is None:
        return from_arrays(arrays)
    slab = cut(
        np.asarray(parent.arrays.positions),
        np.asarray(cell),
        parameters["hkl"],
        parameters["layers"],
        parameters["vacuum"],
        shift=parameters["shift"],
    )
    template = cut_structure(parent.structure, slab)
    return template if len(template) == len(arrays.numbers) else from_arrays(arrays)


__all__ = ["MakeSlab", "cut_structure", "slab_template"]
