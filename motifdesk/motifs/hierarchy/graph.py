"""Motifs and how they share ligands: the value objects every room above passes around.

A *motif* is a centre with its ligands (an IrO6 octahedron, a CH group, a silicon atom with its four neighbours). Two
motifs are *linked* when they share ligands: one is a corner, two an edge, three or more a face; where every atom is a
centre (metals, elements, molecules) the link is the bond itself. Everything is frozen; sites are indices into
``graph.structure``, images are integer lattice translations of the given cell.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from motifdesk.structures.errors import MotifError

if TYPE_CHECKING:
    from pymatgen.core import Molecule, Structure

    from ..detection.covalent import Fragment
    from .elements import Hole
    from .layers import Layer
    from .levels import Level
    from .net import Net

Image = tuple[int, int, int]


class Ligand(NamedTuple):
    """One ligand of a motif: its site and the lattice translation that brings it next to the centre."""

    site: int
    image: Image


@dataclass(frozen=True)
class Motif:
    """A centre and its ligands.

    index: position in ``graph.motifs``. centre: site. formula: centre first ("IrO6"; "OH" where the centre is the
    hydrogen of an atom that a metal is bonded to). shape, symbol: nearest ideal
    figure and its ChemEnv symbol ("octahedron", "O:6"). csm: continuous symmetry measure against it, 0 (ideal) to 100,
    ChemEnv's convention (centroid including the centre); None where no ideal figure of that coordination is known.
    orbit: index into ``graph.orbits``. name: for people ("IrO6 octahedron (Ir8)").
    """

    index: int
    centre: int
    ligands: tuple[Ligand, ...]
    formula: str
    shape: str
    symbol: str
    csm: float | None
    orbit: int
    name: str

    def __repr__(self) -> str:
        measure = "" if self.csm is None else f", csm {self.csm:.3f}"
        return f"Motif({self.index}: {self.name}{measure})"

    @property
    def coordination(self) -> int:
        return len(self.ligands)

    def positions(self, structure: Any) -> np.ndarray:
        """float64 [k + 1, 3], Cartesian Angstrom: the centre, then the ligands with their images applied."""
        positions, cell = _positions_and_cell(structure)
        out = np.empty((len(self.ligands) + 1, 3))
        out[0] = positions[self.centre]
        if self.ligands:
            sites = [ligand.site for ligand in self.ligands]
            out[1:] = positions[sites]
            if cell is not None:
                out[1:] += np.array([ligand.image for ligand in self.ligands], dtype=float) @ cell
        return out

    def faces(self, structure: Any) -> np.ndarray:
        """int64 [F, 3]: triangles of the convex hull as indices into ``ligands``, counter-clockwise from outside.

        Fewer than three ligands: no face. Planar motifs: a fan, seen from both sides.
        """
        return hull_faces(self.positions(structure)[1:])


@dataclass(frozen=True)
class Link:
    """Two motifs that touch: motif ``b`` in the cell ``image`` and motif ``a`` in the home cell.

    shared: the shared ligands, in the frame of ``a`` (empty for a bond). kind: "corner", "edge", "face" or "bond".
    """

    a: int
    b: int
    image: Image
    shared: tuple[Ligand, ...]
    kind: str


@dataclass(frozen=True)
class Unit:
    """A connected component of motifs, or a ring.

    kind: "edge" (motifs of one centre element joined by edges or faces), "corner" (by corners too), "isolated" (a motif
    that shares nothing with its like), "bond" (bonded atoms of metals and elements), "molecule" (of a molecular
    crystal), "ring" and "cage" (molecules). name: "sheet of edge-sharing IrO6 octahedra". motifs: motif indices.
    dimensionality: 0 cluster, 1 chain, 2 sheet, 3 framework. sites: the atoms of a ring, cage or molecule.
    """

    kind: str
    name: str
    motifs: tuple[int, ...]
    dimensionality: int
    sites: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class MotifGraph:
    """The motifs of a structure, their links, symmetry orbits and larger units.

    neighbours: for every site its CrystalNN neighbours (bonded atoms for molecules), the raw answer behind the motifs.
    oxidation: the oxidation state used for each site, 0.0 where unknown. kind: "ionic", "elements" (every atom is a
    centre) or "molecule" (molecular crystals too). notes: sentences on what was assumed. bonded: for every site what it
    is bonded to where that differs from `neighbours`: covalent bonds in crystals with molecules; else empty.
    """

    structure: Structure | Molecule
    motifs: tuple[Motif, ...]
    links: tuple[Link, ...]
    orbits: tuple[tuple[int, ...], ...]
    units: tuple[Unit, ...]
    neighbours: tuple[tuple[Ligand, ...], ...] = ()
    oxidation: tuple[float, ...] = ()
    kind: str = "ionic"
    tolerance: float = 0.01
    notes: tuple[str, ...] = field(default=())
    bonded: tuple[tuple[Ligand, ...], ...] = ()

    def __repr__(self) -> str:
        kinds = Counter(f"{m.formula} {m.shape}" for m in self.motifs)
        told = ", ".join(f"{n} {kind}" for kind, n in kinds.most_common(4))
        more = f", {len(kinds) - 4} more kinds" if len(kinds) > 4 else ""
        shared = ", ".join(f"{n} {kind}" for kind, n in Counter(x.kind for x in self.links).items()) or "none"
        return f"MotifGraph({self.formula}: {told}{more}; links: {shared})"

    def _repr_html_(self) -> str:
        from .levels import card

        return card(self)

    @property
    def formula(self) -> str:
        """As chemists write it: reduced ("TiO2"), in Hill order where it holds C and H, all atoms of a molecule."""
        whole = self.structure.composition.element_composition
        if self.crystal and not {"C", "H"} <= {str(e) for e in whole}:
            return str(whole.reduced_formula)
        return str((whole.reduced_composition if self.crystal else whole).hill_formula.replace(" ", ""))

    @property
    def crystal(self) -> bool:
        """Is the structure periodic?"""
        return hasattr(self.structure, "lattice")

    def levels(self) -> tuple[Level, ...]:
        """The hierarchy from the bottom: atoms, motifs, units, net, structure, each with count, sentence and items."""
        return self._levels

    @cached_property
    def placed(self) -> Any:
        """``positions`` [N, 3] and ``cell`` of the structure, taken out once."""
        return SimpleNamespace(**dict(zip(("positions", "cell"), _positions_and_cell(self.structure), strict=True)))

    @cached_property
    def _levels(self) -> tuple[Level, ...]:
        from .levels import levels_of

        return levels_of(self)

    def picture(self, width: int = 640, theme: str = "light", nodes: str = "auto") -> str:
        """An SVG of the motif graph: nodes are motifs coloured by element, lines what they share, with how many.

        Parameters
        ----------
        width
            pixels, 160 to 4000; the height follows.
        theme
            "light" or "dark".
        nodes
            "motifs": each by itself, dashed lines where every link leads to another cell (up to 60 motifs). "orbits":
            one node per orbit, numbers are links per motif. "auto": motifs up to ten, else orbits, else kinds.

        The same graph always gives the same picture. All text is escaped; there is no script and no link in it.
        """
        from .picture import picture_of

        return picture_of(self, width, theme, nodes)

    def motif_at(self, site: int) -> Motif | None:
        """The motif centred on `site`, or None when the site is no centre (a ligand)."""
        return self._by_site.get(int(site))

    @cached_property
    def _by_site(self) -> dict[int, Motif]:
        return {motif.centre: motif for motif in self.motifs}

    def bonds(self) -> tuple[np.ndarray, np.ndarray]:
        """Each bond once: int64 [B, 2] sites and int64 [B, 3] the image of the second, from the neighbour sets of the
        centres (all sites in molecules, metals and elements)."""
        return self._bonds

    @cached_property
    def _bonds(self) -> tuple[np.ndarray, np.ndarray]:
        seen: dict[tuple[int, int, Image], None] = {}
        sets = self.bonded or self.neighbours
        for motif in self.motifs:
            for ligand in sets[motif.centre]:
                seen.setdefault(_canonical(motif.centre, ligand.site, ligand.image))
        pairs = np.array([key[:2] for key in seen], dtype=np.int64).reshape(-1, 2)
        images = np.array([key[2] for key in seen], dtype=np.int64).reshape(-1, 3)
        return pairs, images

    def links_of(self, motif: Motif | int) -> tuple[Link, ...]:
        """Every link of `motif`, turned so that ``a`` is that motif; a link to an own image counts twice."""
        index = self.index_of(motif)
        out = []
        for link in self._links_by_motif.get(index, ()):
            if link.a == index:
                out.append(link)
            if link.b == index:
                back = tuple(-n for n in link.image)
                moved = tuple(Ligand(x.site, _add(x.image, back)) for x in link.shared)
                out.append(Link(index, link.a, back, moved, link.kind))  # type: ignore[arg-type]
        return tuple(out)

    @cached_property
    def _links_by_motif(self) -> dict[int, list[Link]]:
        out: dict[int, list[Link]] = {}
        for link in self.links:
            for index in {link.a, link.b}:
                out.setdefault(index, []).append(link)
        return out

    def sharing(self, motif: Motif | int) -> Counter[tuple[str, str]]:
        """(kind, element of the other centre) -> how many, seen from `motif`: rutile's Ti: edge Ti 2, corner Ti 8."""
        return Counter((link.kind, self.element(self.motifs[link.b].centre)) for link in self.links_of(motif))

    def element(self, site: int) -> str:
        specie: Any = self.structure[site].specie
        return str(getattr(specie, "symbol", None) or specie.element.symbol)

    def net(self, centre: str | Iterable[str] | None = None, via: str | Iterable[str] | None = None) -> Net:
        """The periodic net of the motifs: :class:`Net` with coordination sequences and rings.

        Parameters
        ----------
        centre
            elements or formulas of the centres that are nodes ("Ir", ["SiO4", "AlO4"]). Default: of an ionic crystal
            the centres of the strongest bonds (charge over coordination), with as many of the next as it takes for the
            net to run through the crystal (Ir of Li2IrO3, Ti of SrTiO3); of anything else every motif.
        via
            what links them. "ligands" (default where ligands are shared): a ligand of two nodes is a link, a ligand of
            three or more is a node itself (quartz: Si alone; rock salt: Na and Cl). Kinds of sharing ("corner", "edge",
            "face", or several): motifs that share that way are linked directly. "bond" (default elsewhere). "any".

        Raises
        ------
        MotifError: a centre or a kind that is not there.
        """
        if centre is None and via is None:
            return self._net
        from .netting import net_of

        return net_of(self, centre, via)

    @cached_property
    def _net(self) -> Net:
        from .netting import net_of

        return net_of(self)

    def fragments(self) -> tuple[Fragment, ...]:
        """Molecules, molecular ions, linkers and covalent chains or sheets, each with its groups (CH3, carboxylate) and
        rings: covalent bonds between non-metals, across cells (the rule: `detection.covalent`).

        Single atoms are in none; a crystal without bonds between non-metals has none.
        """
        return self._fragments

    @cached_property
    def _fragments(self) -> tuple[Fragment, ...]:
        from .layers import crystal_fragments

        return crystal_fragments(self)

    def layers(self) -> tuple[Layer, ...]:
        """The ways to look at a crystal that apply to it: "polyhedra" (of metals and metalloids), "molecules" (and
        molecular ions, linkers) and "net" (of nodes and linkers in metal-organic crystals, else :meth:`net`)."""
        return self._layers

    @cached_property
    def _layers(self) -> tuple[Layer, ...]:
        from .layers import layers_of

        return layers_of(self)

    def holes(self, of: Iterable[str] | str | None = None) -> tuple[Hole, ...]:
        """The holes between the atoms of a crystal (interstices), largest first: each a
        :class:`Hole` with name, centre, radius and the atoms around. Face-centred cubic: one
        octahedral and two tetrahedral per atom.

        of: elements whose atoms are the walls (the oxygens of a spinel); default all. MotifError for molecules, unknown
        elements, more than 400 atoms, or vacuum too wide to fill.
        """
        from .elements import holes_of

        if of is not None:
            return holes_of(self, of)
        return self._holes

    @cached_property
    def _holes(self) -> tuple[Hole, ...]:
        from .elements import holes_of

        return holes_of(self)

    @cached_property
    def _touching(self) -> dict[int, dict[Ligand, int]]:
        from .elements import touching

        return touching(self)

    def figure(self, motif: Motif | int) -> str:
        """The figure all Voronoi neighbours of a motif's centre make, for metals and alloys: "cuboctahedron",
        "anticuboctahedron", "icosahedron (Frank-Kasper Z12)", "rhombic dodecahedron (8 + 6)", "Frank-Kasper Z16".

        Where CrystalNN cuts a shell in two (8 + 6 of a body-centred metal), this is the whole shell.
        """
        from .elements import figure_of

        return figure_of(self, self.motifs[self.index_of(motif)])

    def index_of(self, motif: Motif | int) -> int:
        """Check that a motif (or index) belongs to this graph. MotifError otherwise."""
        index = getattr(motif, "index", motif)
        if isinstance(index, bool) or not isinstance(index, (int, np.integer)) or not 0 <= index < len(self.motifs):
            raise MotifError(
                f"there is no motif {motif!r}", where=repr(self), remedy=f"choose 0 to {len(self.motifs) - 1}"
            )
        if isinstance(motif, Motif) and self.motifs[index].centre != motif.centre:
            raise MotifError(f"{motif!r} belongs to another structure", where=repr(self), remedy="find its motifs anew")
        return int(index)


def _add(a: Sequence[int], b: Sequence[int]) -> Image:
    return (int(a[0] + b[0]), int(a[1] + b[1]), int(a[2] + b[2]))


def _canonical(a: int, b: int, image: Image) -> tuple[int, int, Image]:
    back: Image = (-image[0], -image[1], -image[2])
    return (a, b, image) if (a, b, image) <= (b, a, back) else (b, a, back)


def _positions_and_cell(structure: Any) -> tuple[np.ndarray, np.ndarray | None]:
    """Cartesian positions and cell of a Structure, Molecule or AtomArrays, without copying more than needed."""
    if hasattr(structure, "positions") and hasattr(structure, "cell"):
        cell = structure.cell
        return np.asarray(structure.positions), None if cell is None else np.asarray(cell)
    lattice = getattr(structure, "lattice", None)
    return np.asarray(structure.cart_coords), None if lattice is None else np.asarray(lattice.matrix)


def hull_faces(points: np.ndarray) -> np.ndarray:
    """int64 [F, 3]: triangles of the convex hull of `points` [k, 3], wound counter-clockwise seen from outside."""
    from scipy.spatial import ConvexHull, QhullError

    k = len(points)
    if k < 3:
        return np.zeros((0, 3), dtype=np.int64)
    centred = points - points.mean(axis=0)
    _, spread, axes = np.linalg.svd(centred, full_matrices=False)
    if spread[2] > 0.05 * spread[0]:
        try:
            hull = ConvexHull(points)
        except QhullError:
            return np.zeros((0, 3), dtype=np.int64)
        faces = hull.simplices.astype(np.int64)
        normal = np.cross(points[faces[:, 1]] - points[faces[:, 0]], points[faces[:, 2]] - points[faces[:, 0]])
        flip = np.einsum("fx,fx->f", normal, hull.equations[:, :3]) < 0
        faces[flip] = faces[flip][:, ::-1]
        return faces
    if spread[1] < 1e-3 * max(spread[0], 1e-9):
        return np.zeros((0, 3), dtype=np.int64)  # on a line
    order = np.argsort(np.arctan2(centred @ axes[1], centred @ axes[0]), kind="stable")
    fan = np.array([(order[0], order[i], order[i + 1]) for i in range(1, k - 1)], dtype=np.int64)
    return np.concatenate([fan, fan[:, ::-1]])
