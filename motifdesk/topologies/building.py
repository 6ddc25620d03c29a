"""The public door: build a member of a family, list the families, enumerate their members."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.structures.errors import TopologyError

from .assembly import Assembly
from .filling import fill, neutral_charges
from .grammar import words
from .registry import FAMILIES, Family, family

if TYPE_CHECKING:
    from pymatgen.core import Structure

_SHORTEST = 0.6  # of the sum of covalent radii


@dataclass(frozen=True, eq=False)
class Member:
    """A member of a family: its parameters, the assembly of motifs, the structure, the charges that neutralise it."""

    family: str
    parameters: dict[str, Any]
    assembly: Assembly = field(repr=False)
    structure: Structure = field(repr=False)
    charges: dict[str, float]

    @property
    def word(self) -> str:
        """The word it was built from; "" in families without words."""
        return str(self.parameters.get("word", ""))

    @property
    def recipe(self) -> dict[str, Any]:
        """What `build` needs to make it again, and what it found."""
        return {"family": self.family, **self.parameters}


def families() -> dict[str, Family]:
    """Every family by name, with its parameters, their ranges and defaults, and the published members."""
    return dict(FAMILIES)


def build(name: str, *, charges: dict[str, float] | None = None, neutral: bool = True, **parameters: Any) -> Structure:
    """A member of a family as a pymatgen Structure; its recipe is in ``structure.properties["motifdesk"]``.

    >>> build("harmonic-honeycomb", word="++--", a=4.20, centre="Ir", ligand="O", filler="Li")

    Parameters
    ----------
    name
        see `families`.
    charges
        oxidation states by element, where the usual ones are not meant.
    neutral
        whether a member without known neutral oxidation states is an error (the default) or built all the same.
    parameters
        of the family; lengths in Angstrom, angles in degrees.

    Raises
    ------
    TopologyError
        unknown family or parameter, a word that does not go, ports that clash, charges that do not add up: the message
        says which rule and why.
    """
    return member(name, charges=charges, neutral=neutral, **parameters).structure


def member(name: str, *, charges: dict[str, float] | None = None, neutral: bool = True, **parameters: Any) -> Member:
    """As `build`, with the assembly of motifs (joins, residual) beside the structure."""
    kind = family(name)
    complete = kind.complete(parameters)
    assembly = kind.lay(complete)
    if kind.rule is not None:
        kind.rule(assembly)
    extra: list[tuple[str, Any]] = []
    if kind.filling is not None and complete[kind.filling.parameter]:
        taken = np.array([p.position for p in assembly.placements])
        found = fill(assembly.cell, assembly.merged.positions, taken, kind.filling.coordination)
        extra = [(complete[kind.filling.parameter], x) for x in found]
    added: dict[str, int] = {}
    for species, _ in extra:
        added[species] = added.get(species, 0) + 1
    found_charges: dict[str, float] = {}
    try:
        found_charges = neutral_charges(assembly.composition(added), {**kind.charges, **(charges or {})})
    except TopologyError:
        if neutral:
            raise
    structure = assembly.structure(extra)
    _refuse_clashes(structure, name)
    recipe = {"family": name, **complete}
    structure.properties["motifdesk"] = {"recipe": recipe, "residual": assembly.residual}
    return Member(name, complete, assembly, structure, found_charges)


def enumerate_members(
    name: str, *, max_length: int = 6, progress: bool = False, neutral: bool = True, **parameters: Any
) -> Iterator[Member]:
    """Every distinct member of a family of words, shortest words first.

    Words that mean the same structure (cyclic shifts, reading backwards, exchanged hands) are built once. `progress`
    shows a bar with the count.
    """
    kind = family(name)
    if not kind.letters:
        raise TopologyError(
            "its members are no words", where=name, remedy="vary its parameters instead, see md.families()"
        )
    if isinstance(max_length, bool) or not isinstance(max_length, int) or not 1 <= max_length <= 16:
        raise TopologyError(f"max_length = {max_length!r}", where=name, remedy="choose a whole number from 1 to 16")
    if "word" in parameters:
        raise TopologyError("the word is what is enumerated", where=name, remedy="use md.build for one word")
    chosen = list(words(kind.letters, max_length, reverse=kind.reverse, swap=kind.swap))
    shown: Any = chosen
    if progress:
        from tqdm.auto import tqdm

        shown = tqdm(chosen, desc=name)
    for word in shown:
        yield member(name, word=word, neutral=neutral, **parameters)


def _refuse_clashes(structure: Any, name: str) -> None:
    from motifdesk.motifs.detection.crystalnn import default_radius
    from motifdesk.motifs.figures.measure import shortest_contact

    contact = shortest_contact(structure)
    if contact is None:
        return
    radii = default_radius(structure[contact.a].specie.symbol) + default_radius(structure[contact.b].specie.symbol)
    if contact.distance < _SHORTEST * radii:
        raise TopologyError(
            f"atoms {contact.a} and {contact.b} would be {contact.distance:.2f} A apart",
            where=name,
            remedy="use a larger cell or longer bonds, or another word",
        )
