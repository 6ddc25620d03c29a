"""How generated crystals are measured in the field: the definitions of CDVAE.

T. Xie, X. Fu, O.-E. Ganea, R. Barzilay, T. Jaakkola, "Crystal diffusion variational autoencoder for periodic material
generation", ICLR 2022 (arXiv:2110.06197), section 5.3 and ``scripts/compute_metrics.py``, ``scripts/eval_utils.py`` of
its code (MIT):

- structure validity: shortest distance at least 0.5 Angstrom, volume at least 0.1 A^3;
- composition validity: charge neutrality by SMACT with Pauling's test, metals and single elements passing;
- coverage: matminer fingerprints, CrystalNN order parameters averaged over the sites and Magpie element properties; a
  crystal is covered when the nearest structure fingerprint is within 0.4 and the nearest composition fingerprint within
  10 (the cutoffs for MP-20). Recall over the reference, precision over everything generated;
- Wasserstein distances of density (g/cm^3) and of the number of elements, of the valid crystals.

Recall and precision take the nearest structure fingerprint and the nearest composition fingerprint each on its own, as
CDVAE's ``compute_cov`` does. CDVAE generates 10,000 crystals and compares with a test set of 9,046: both coverages grow
with the number generated and with the size of the reference, so compare figures of like sizes only.

Two things differ: composition fingerprints are standardised with the mean and spread of the bundled `mp_20` (CDVAE: its
training set), and the reference is the development part of the bundled `mp_20`, since the test set is held out.
"""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
from pymatgen.core import Composition

from benchmarks.judging import smact_valid
from motifdesk.structures import AtomArrays, corpus, from_arrays
from motifdesk.structures.errors import MotifDeskError
from motifdesk.structures.symmetry import equivalent_sites

STRUCTURE_CUTOFF, COMPOSITION_CUTOFF = 0.4, 10.0
Fingerprints = tuple[np.ndarray, np.ndarray]


def structure_valid(arrays: AtomArrays) -> bool:
    """CDVAE's structure validity."""
    from motifdesk.motifs import shortest_contact

    contact = shortest_contact(arrays)
    return arrays.volume >= 0.1 and (contact is None or contact.distance >= 0.5)


@cache
def composition_valid(formula: str) -> bool:
    """CDVAE's composition validity, with SMACT's oxidation states of 2014 as CDVAE had them."""
    reduced = Composition(formula).reduced_composition
    return smact_valid(tuple(e.Z for e in reduced), tuple(int(n) for n in reduced.values()))


@cache
def _featurizers() -> tuple[Any, Any]:
    from matminer.featurizers.composition.composite import ElementProperty
    from matminer.featurizers.site.fingerprint import CrystalNNFingerprint

    return CrystalNNFingerprint.from_preset("ops"), ElementProperty.from_preset("magpie")


@cache
def _scaler() -> tuple[np.ndarray, np.ndarray]:
    from pymatgen.core import Composition

    c = corpus("mp_20")
    held = c.development
    chosen = np.random.default_rng(0).permutation(np.flatnonzero(~held))[:1500]
    rows = np.array([_featurizers()[1].featurize(Composition(c[int(k)].formula)) for k in chosen], dtype=float)
    return np.nanmean(rows, 0), np.nanstd(rows, 0).clip(min=1e-6)


def fingerprints(arrays: AtomArrays) -> Fingerprints | None:
    """(structure [61], standardised composition [132]); None where CrystalNN fails, as CDVAE drops it."""
    sites, elements = _featurizers()
    structure: Any = from_arrays(arrays)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            # sites that symmetry makes alike have one fingerprint: computed once, counted as often as they are there
            kinds, times = np.unique(_alike(arrays), return_counts=True)
            found = np.average([sites.featurize(structure, int(k)) for k in kinds], axis=0, weights=times)
            mean, std = _scaler()
            composition = (np.array(elements.featurize(structure.composition), dtype=float) - mean) / std
        except Exception:  # CrystalNN raises several kinds on crystals that are none
            return None
    if not (np.isfinite(found).all() and np.isfinite(composition).all()):
        return None
    return found, composition


def _alike(arrays: AtomArrays) -> np.ndarray:
    """int [N]: the first site that is equivalent to each one, within 0.001 Angstrom."""
    try:
        return equivalent_sites(arrays, 0.001)
    except MotifDeskError:  # no symmetry found: every site is its own
        return np.arange(len(arrays))


_REMEMBERED: dict[int, tuple[AtomArrays, Fingerprints | None]] = {}


def _known(arrays: AtomArrays) -> Fingerprints | None:
    """`fingerprints`, computed once for the same object: references and curves ask again."""
    found = _REMEMBERED.get(id(arrays))
    if found is None or found[0] is not arrays:
        found = _REMEMBERED[id(arrays)] = (arrays, fingerprints(arrays))
    return found[1]


def coverage(generated: list[AtomArrays | None], reference: list[AtomArrays]) -> tuple[float, float]:
    """(recall, precision); a crystal without fingerprints covers nothing and counts against the precision, as CDVAE has
    it (its validity is no condition there)."""
    from scipy.spatial.distance import cdist

    ours = [f for f in (_known(a) for a in generated if a is not None) if f is not None]
    theirs = [f for f in (_known(a) for a in reference) if f is not None]
    if not ours or not theirs:
        return float("nan"), float("nan")
    s = cdist(np.array([f[0] for f in theirs]), np.array([f[0] for f in ours]))
    c = cdist(np.array([f[1] for f in theirs]), np.array([f[1] for f in ours]))
    near = [(s.min(k) <= STRUCTURE_CUTOFF) & (c.min(k) <= COMPOSITION_CUTOFF) for k in (1, 0)]
    return float(near[0].mean()), float(near[1].sum()) / len(generated)


def curve(generated: list[AtomArrays | None], reference: list[AtomArrays]) -> dict[str, list[float]]:
    """Number -> [recall, precision] of the first 1/8, 1/4, 1/2 and all of what was generated, and both of all of it
    against half of the reference (key "half the reference"): what more of either would bring."""
    sizes = sorted({max(1, len(generated) // d) for d in (8, 4, 2, 1)})
    found = {str(n): [round(v, 4) for v in coverage(generated[:n], reference)] for n in sizes}
    found["half the reference"] = [round(v, 4) for v in coverage(generated, reference[::2])]
    return found


def measures(generated: list[AtomArrays | None], reference: list[AtomArrays]) -> dict[str, float]:
    """The six figures of CDVAE for what was generated; None (no structure) counts as invalid."""
    from scipy.stats import wasserstein_distance

    total = len(generated)
    made = [a for a in generated if a is not None]
    good_structure = [structure_valid(a) for a in made]
    good_composition = [composition_valid(a.formula) for a in made]
    both = [a for a, s, c in zip(made, good_structure, good_composition, strict=True) if s and c]
    recall, precision = coverage(generated, reference)
    return {
        "validity_structure": sum(good_structure) / total,
        "validity_composition": sum(good_composition) / total,
        "coverage_recall": recall,
        "coverage_precision": precision,
        "wasserstein_density": wasserstein_distance(_densities(both), _densities(reference)) if both else float("nan"),
        "wasserstein_elements": (wasserstein_distance(_elements(both), _elements(reference)) if both else float("nan")),
    }


def _densities(many: list[AtomArrays]) -> list[float]:
    from motifdesk.screening.checks.geometry import mass_density

    return [mass_density(from_arrays(a)) for a in many]


def _elements(many: list[AtomArrays]) -> list[int]:
    return [len(set(a.numbers.tolist())) for a in many]
