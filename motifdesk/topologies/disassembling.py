"""Take a crystal apart into motifs, so that a rule can be changed or a motif exchanged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.structures.errors import TopologyError

from .assembly import Assembly, Placement
from .templates import Template

if TYPE_CHECKING:
    from motifdesk.motifs import MotifGraph


def disassemble(
    structure: Any, centres: str | Iterable[str] | None = None, *, graph: MotifGraph | None = None
) -> Assembly:
    """The motifs of a loaded crystal as placed templates, distortions and all; atoms of no motif stay single atoms.

    >>> exchange(disassemble(rutile), "Ti", Template.ideal("O:6", "Sn", "O", 2.05))

    Parameters
    ----------
    structure
        pymatgen Structure, ordered.
    centres
        elements whose motifs are taken; by default all motifs of at least three ligands with the most highly charged
        centres (TiO6 in perovskite, SiO4 in silicates): the framework, whose cages other cations fill.
    graph
        ``find_motifs(structure)``, where it is at hand.

    Raises
    ------
    TopologyError
        a molecule, no such motif, motifs whose ligands are themselves among the centres.
    """
    from motifdesk.motifs import find_motifs

    graph = graph or find_motifs(structure)
    structure = graph.structure
    if not hasattr(structure, "lattice"):
        raise TopologyError("a molecule has no lattice of motifs", where="disassemble", remedy="give a crystal")
    candidates = [m for m in graph.motifs if m.coordination >= 3]
    names = sorted({graph.element(m.centre) for m in candidates})
    if centres is None:
        charge = {m.index: float(graph.oxidation[m.centre]) for m in candidates}
        highest = max(charge.values(), default=0.0)
        chosen = [m for m in candidates if charge[m.index] > highest - 0.5]
    else:
        wanted = {centres} if isinstance(centres, str) else set(centres)
        missing = sorted(wanted - set(names))
        if missing:
            raise TopologyError(
                f"no motif of three ligands or more about {', '.join(missing)}",
                where="disassemble",
                remedy=f"choose from {', '.join(names)}" if names else "this crystal has none",
            )
        chosen = [m for m in candidates if graph.element(m.centre) in wanted]
    if not chosen:
        raise TopologyError("no motif of three ligands or more", where=str(structure.composition.reduced_formula))
    sites = {m.centre for m in chosen}
    ligands = {x.site for m in chosen for x in m.ligands}
    if sites & ligands:
        site = min(sites & ligands)
        raise TopologyError(
            f"atom {site} ({graph.element(site)}) is a centre and a ligand at once",
            where="disassemble",
            remedy="name centres of one kind",
        )
    placements = []
    for m in chosen:
        placements.append(Placement(Template.of(structure, m), m.positions(structure)[0]))
    atoms = tuple(
        (graph.element(k), (float(x), float(y), float(z)))
        for k, (x, y, z) in enumerate(np.asarray(structure.cart_coords))
        if k not in sites | ligands
    )
    return Assembly(np.array(structure.lattice.matrix, dtype=float), tuple(placements), atoms)
