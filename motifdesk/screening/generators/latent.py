"""Generators in the latent space: draws from the root density, and the neighbourhood of a design.

A draw is a point near the known codes and not the code of a structure; its decode stops at the nearest structure that
the proposals reach, with the residual in the recipe. That structure is the candidate, and its own code says where it
truly lies.
"""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from itertools import permutations
from typing import Any, ClassVar

import numpy as np

from motifdesk.codec.codes import COUNTS, GEOMETRY, LATTICE, SYMMETRY, Codes
from motifdesk.structures import AtomArrays, read, to_arrays
from motifdesk.structures.arrays import element_symbols
from motifdesk.structures.errors import MotifDeskError

from ..checks.chemistry import charge_neutral
from ..checks.validating import as_formula, as_range
from ..checks.wishes import the_codec
from ..errors import ScreeningError
from ..options import Option
from ..placing import the_atlas
from .base import Generator
from .motif_guidance import MotifGuide

PROPERTIES = ("formation_energy_per_atom", "band_gap")


class DensityGenerator(Generator):
    """Codes drawn from the density of known codes (`motifdesk.atlas.density`), decoded from corpus proposals.

    Conditions: `formula` (the atoms of one cell); `chemical_system` (formulas of known stoichiometries that smact
    balances, in proportion to how often the stoichiometry is known); `space_group` (the symmetry block of a known
    crystal of that group and stoichiometry, and the decoder's symmetric starts); a property's range (of `draws` codes
    the one whose value, by the codec's heads, is nearest to the range: guidance by selection); a motif (codes drawn
    around known crystals that hold it, `motif_guidance`, verified after decoding).
    """

    OPTIONS: ClassVar = {
        "formula": Option("", "atoms of one cell, such as 'Na2IrO3' or 'Ti2O4'", kind="any"),
        "chemical_system": Option([], "elements, all of them in every candidate"),
        "space_group": Option(0, "number; 0: any", 0, 230),
        "formation_energy_per_atom": Option([], "[low, high] eV/atom"),
        "band_gap": Option([], "[low, high] eV"),
        "draws": Option(16, "codes drawn for one candidate where a property is asked for", 1, 256),
        "motif": Option({}, "{formula = 'IrO6', sharing = 'edge'}: draw near known crystals that hold it"),
        "motif_tries": Option(3, "draws at most until the decoded structure holds the motif", 1, 32),
        "max_atoms": Option(12, "atoms of a cell, without a formula", 2, 20),
        "temperature": Option(0.3, "scale of the variances; lower is nearer to what is known", 0.01, 4.0),
        "proposals": Option(2, "starts that are refined", 1, 32),
    }

    def prepare(self) -> None:
        o, where = self.options, f"generator {self.name}"
        if o["formula"] and o["chemical_system"]:
            raise ScreeningError("formula and chemical_system together", where=where, remedy="give one of them")
        for name in PROPERTIES:
            if o[name]:
                as_range(o[name], name, where)
        if o["formula"]:
            as_formula(o["formula"], where)
        symbols = element_symbols()
        unknown = [s for s in o["chemical_system"] if s not in symbols[1:95]]
        if unknown:
            raise ScreeningError(f"no elements: {unknown}", where=where, remedy='symbols such as ["Na", "Ir", "O"]')
        if o["motif"] and (o["space_group"] or not (o["formula"] or o["chemical_system"])):
            raise ScreeningError(
                "a motif needs a formula or a chemical system, and no space group", where=where, remedy="give one"
            )
        self._guide = MotifGuide(o["motif"], where) if o["motif"] else None
        if o["chemical_system"] and not self._formulas[0]:
            system = "-".join(o["chemical_system"])
            raise ScreeningError(f"no known stoichiometry balances {system}", where=where, remedy="more max_atoms")
        if o["space_group"] and not len(self._of_group):
            raise ScreeningError(f"no known crystal in space group {o['space_group']}", where=where)

    @cached_property
    def _density(self) -> Any:
        from motifdesk.atlas.density import fit_density

        return fit_density(the_atlas())

    @cached_property
    def _formulas(self) -> tuple[list[dict[str, int]], np.ndarray]:
        """Compositions of the chemical system with their shares."""
        elements = list(dict.fromkeys(self.options["chemical_system"]))
        counts = self._density.counts[self._density.features[:, -1] > 0]
        sizes = counts.sum(1)
        fits = (sizes <= self.options["max_atoms"]) & ((counts > 0).sum(1) == len(elements))
        patterns = Counter(tuple(sorted(row[row > 0].astype(int).tolist())) for row in counts[fits])
        found, weights = [], []
        for pattern, times in sorted(patterns.items()):
            for order in sorted(set(permutations(pattern))):
                formula = "".join(f"{s}{n}" for s, n in zip(elements, order, strict=True))
                if charge_neutral(_reduced(formula)):
                    found.append(dict(zip(elements, order, strict=True)))
                    weights.append(times)
        return found, np.array(weights, dtype=float) / max(1, sum(weights))

    @cached_property
    def _of_group(self) -> np.ndarray:
        """Known crystals of the space group asked for (places in the atlas)."""
        columns = the_atlas().columns
        ok = (columns["spacegroup"] == self.options["space_group"]) & np.isin(columns["source"], ("mp_20", "mpts_52"))
        if not (self.options["formula"] or self.options["chemical_system"]):
            ok &= columns["natoms"] <= self.options["max_atoms"]
        return np.flatnonzero(ok)

    def propose(self, index: int) -> tuple[Any, dict[str, Any]]:
        o, rng = self.options, self.rng(index)
        codec, atlas = the_codec(), the_atlas()
        wanted = {n: o[n] for n in PROPERTIES if o[n]}
        formula, parent = self._composition(rng)
        drawn = self._density.sample(
            o["draws"] if wanted else 1,
            seed=int(rng.integers(2**62)),
            formula=formula,
            max_atoms=o["max_atoms"],
            temperature=o["temperature"],
        )
        root = drawn.root.copy()
        if parent is not None:
            _stamp(root, atlas.arrays(parent), rng)
        codes = Codes(root, (), drawn.version)
        recipe: dict[str, Any] = {"kind": "density", "temperature": o["temperature"]}
        if wanted:
            predicted = codec.predict(codes)
            miss = sum(
                np.maximum(np.maximum(lo - predicted[n], predicted[n] - hi), 0) for n, (lo, hi) in wanted.items()
            )
            best = int(np.argmin(miss))
            codes = Codes(root[best : best + 1], (), drawn.version)
            recipe["asked"] = wanted
        if parent is not None:
            recipe |= {"space_group": o["space_group"], "symmetry_of": str(atlas.columns["id"][parent])}
            return self._symmetric(codes, index, recipe)
        if self._guide is None:
            return self._decoded(codes, index, recipe)
        for again in range(o["motif_tries"]):
            tilted, holder = self._guide.tilt(codes.root, self._density, o["temperature"], rng)
            near = {**recipe, "motif": dict(o["motif"]), "drawn_near": holder, "draws": again + 1}
            arrays, told = self._decoded(Codes(tilted, (), drawn.version), index, near)
            told["motif_found"] = self._guide.holds(arrays)[0]
            if told["motif_found"]:
                break
        return arrays, told

    def _decoded(self, codes: Codes, index: int, recipe: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The structure of a code, by the decoder's starts from the corpora."""
        # without a clock: the same index gives the same structure on a slow machine
        o = self.options
        got = the_codec().decode(
            codes, proposals=("corpus",), max_proposals=o["proposals"], max_seconds=None, seed=index
        )[0]
        if got.arrays is None:
            raise ScreeningError("the decoder found no start", where=self.name)
        return got.arrays, recipe | {"decoded_from": got.source, "residual": float(got.residual), "tried": got.tried}

    def _symmetric(self, codes: Codes, index: int, recipe: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """The nearest structure within the space group: the decoder's symmetric starts, without their last, free,
        refinement, which would leave the group for the sake of the residual."""
        from motifdesk.codec.decode import goal_of
        from motifdesk.codec.symmetric import blueprint_search
        from motifdesk.codec.threads import one_thread

        codec, goal = the_codec(), goal_of(codes)
        with one_thread():
            blueprint, note = blueprint_search(goal, codes.symmetry[0], codec._arrays, seed=index, device=codec.device)
            made = [] if blueprint is None else blueprint.round(lambda: False)[0]
        if blueprint is None or not made:
            raise ScreeningError(
                f"no start in space group {self.options['space_group']}{': ' + note if note else ''}", where=self.name
            )
        t, residual = min(made, key=lambda m: m[1])
        positions, cell = blueprint.whole(*blueprint.crystal(t))
        recipe |= {"decoded_from": blueprint.source, "residual": float(residual)}
        return AtomArrays(goal.numbers, positions, cell), recipe

    def _composition(self, rng: np.random.Generator) -> tuple[Any, int | None]:
        """The composition to draw for (None: the density's choice) and the known crystal of the space group."""
        o = self.options
        formula: Any = o["formula"] or None
        if o["chemical_system"]:
            found, shares = self._formulas
            formula = found[int(rng.choice(len(found), p=shares))]
        if not o["space_group"]:
            return formula, None
        counts = self._density.counts
        pool = self._of_group
        if formula is None:
            parent = int(rng.choice(pool))
            symbols = element_symbols()
            return {symbols[int(z) + 1]: int(counts[parent][z]) for z in np.flatnonzero(counts[parent])}, parent
        from motifdesk.atlas.density import _counts

        pattern = np.sort(_counts(formula))
        fellows = pool[(np.sort(counts[pool], axis=1) == pattern).all(1)]
        if not len(fellows):
            raise ScreeningError(
                f"no known crystal of this stoichiometry in space group {o['space_group']}", where=self.name
            )
        return formula, int(rng.choice(fellows))


class NeighbourhoodGenerator(Generator):
    """Structures around a design: its code moved by a random step in the principal components, followed from the
    design (`Codec.follower`, composition kept, cell and atoms free)."""

    OPTIONS: ClassVar = {
        "design": Option("", "file or bundled example", needed=True),
        "reach": Option(0.2, "length of a step over the standard deviation of known codes", 0.005, 3.0),
        "components": Option(16, "principal components that are moved", 1, 64),
        "steps": Option(8, "Levenberg-Marquardt steps of the follower", 1, 64),
    }

    def prepare(self) -> None:
        try:
            self._start = to_arrays(read(self.options["design"]))
        except MotifDeskError as error:
            raise self.refused(error) from error

    def propose(self, index: int) -> tuple[Any, dict[str, Any]]:
        o, rng = self.options, self.rng(index)
        codec, atlas = the_codec(), the_atlas()
        code = codec.encode([self._start], symmetry=False)
        k = min(o["components"], atlas._latent.shape[1])
        spread = atlas._latent.std(0)[:k]
        direction = rng.normal(size=k)
        step = o["reach"] * spread * direction / np.linalg.norm(direction) * np.sqrt(k)
        root = code.root.copy()
        root[0, GEOMETRY] += step.astype(np.float32) @ atlas._back[:k]
        follower = codec.follower(self._start, "keep", seed=index)
        frame = follower.step(Codes(root, (), code.version), steps=o["steps"])
        recipe = {
            "kind": "neighbourhood",
            "design": o["design"],
            "reach": o["reach"],
            "residual": float(frame.residual),
        }
        return frame.arrays, recipe


def _stamp(root: np.ndarray, parent: AtomArrays, rng: np.random.Generator) -> None:
    """Give roots of one composition the symmetry and the shape of the cell of a known crystal of that stoichiometry;
    the volume stays as drawn."""
    from motifdesk.codec.blueprint import blueprint_block
    from motifdesk.codec.lattice import cell_to_block

    theirs, n = np.unique(parent.numbers, return_counts=True)
    ours = np.flatnonzero(root[0, COUNTS]) + 1
    m = np.rint(root[0, COUNTS][ours - 1]).astype(int)
    exchange = np.zeros(120, dtype=np.int64)
    for amount in np.unique(n):  # elements of equal amounts are dealt at random
        exchange[theirs[n == amount]] = ours[rng.permutation(np.flatnonzero(m == amount))]
    numbers = np.where(set(ours.tolist()) == set(theirs.tolist()), parent.numbers, exchange[parent.numbers])
    volume = root[:, LATTICE.start + 1].copy()
    root[:, LATTICE] = cell_to_block(parent.cell, len(numbers))
    root[:, LATTICE.start + 1] = volume
    root[:, SYMMETRY] = blueprint_block(numbers, parent.positions, parent.cell)


def _reduced(formula: str) -> str:
    from pymatgen.core import Composition

    return str(Composition(formula).reduced_formula)
