"""A density of codes, fitted on the map's structures: draw new codes, and say how usual a code is.

>>> density = fit_density(atlas)
>>> codes = density.sample(8, seed=0, formula="MgSiO3")
>>> density.log_density(codes), density.percentile(codes)

The model is a Gaussian mixture (full covariances, expectation maximisation) of three blocks together: the first 24
principal components of the geometry code, the logarithm of the volume per atom, and what the composition says (shares
of six chemical families, mean and spread of covalent radii, mean logarithm of the atomic number, of the number of
atoms, of the number of species, crystal or molecule). Conditioned on a composition, a Gaussian mixture is one again: so
are codes of given compositions drawn. The remaining components and the shape of the cell come from the known structure
of the same anonymous formula that lies nearest to what was drawn.

A draw is a point near the known codes, not the code of a structure: its decode stops at the nearest structure with a
residual above the certificate, and that structure, encoded again, is the sample. Fitted on first use, in seconds, from
the arrays of the map: there is no file that could belong to other weights.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from motifdesk.codec.codes import COUNTS, GEOMETRY, LATTICE, N_ELEMENTS, ROOT_WIDTH, Codes
from motifdesk.codec.lattice import cell_to_block
from motifdesk.codec.radii import COVALENT_RADII
from motifdesk.structures.errors import AtlasError

from .atlas import Atlas

MAIN = 24  # principal components that the mixture models
COMPONENTS = 32
_ITERATIONS = 12
_FITTED = 10_000  # structures at most, drawn with the seed
_FLOOR = 0.02  # of the standardised variances: near-discrete columns stay regular

_KNOWN: weakref.WeakKeyDictionary[Atlas, RootDensity] = weakref.WeakKeyDictionary()
_LOCK = threading.Lock()


def fit_density(atlas: Atlas, seed: int = 0) -> RootDensity:
    """The density of the map's structures; fitted once per map and remembered for seed 0."""
    with _LOCK:
        if seed == 0 and atlas in _KNOWN:
            return _KNOWN[atlas]
        made = _fit(atlas, seed)
        if seed == 0:
            _KNOWN[atlas] = made
        return made


@dataclass(frozen=True, eq=False)
class RootDensity:
    """Made by `fit_density`.

    Attributes
    ----------
    atlas : the map it was fitted on
    weights [K], means [K, F], covariances [K, F, F] : of the standardised features, geometry and volume first
    centre, scale [F] : of the standardisation
    counts : float32 [M, 94], atoms of each element of the map's structures
    features : float64 [M, F], standardised
    reference : float64, sorted log densities of the map's structures, for `percentile`
    """

    atlas: Atlas
    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    counts: np.ndarray
    features: np.ndarray
    reference: np.ndarray

    def log_density(self, codes: Codes) -> np.ndarray:
        """float64 [B]: log p(geometry, volume | composition), nats, in standardised units."""
        points = self._features(self.atlas.embed(codes), codes.lattice[:, 1], codes.counts, codes.is_crystal)
        return self._conditional(points)

    def percentile(self, codes: Codes) -> np.ndarray:
        """float64 [B], 0 to 100: the share of known structures that are less usual; 0 is off everything known."""
        return 100.0 * np.searchsorted(self.reference, self.log_density(codes)) / len(self.reference)

    def sample(
        self,
        n: int,
        seed: int = 0,
        *,
        formula: str | Mapping[str, int] | None = None,
        max_atoms: int = 20,
        crystal: bool = True,
        temperature: float = 1.0,
    ) -> Codes:
        """`n` codes drawn from the density, to be decoded.

        Parameters
        ----------
        formula : "TiO2" with the atoms of one cell ("Ti2O4"), or symbol -> count; by default each draw takes the
            composition of a known structure with at most `max_atoms`, a crystal or a molecule
        temperature : scale of the variances; below 1 nearer to what is known

        Raises
        ------
        AtlasError
            no known structure has this anonymous formula, or nothing was asked for.
        """
        if n < 1 or not temperature > 0:
            raise AtlasError(f"{n} samples at temperature {temperature}", where="sample", remedy="use positive numbers")
        rng = np.random.default_rng(seed)
        kind = self.features[:, -1] * self.scale[-1] + self.centre[-1] > 0.5
        if formula is None:
            pool = np.flatnonzero((kind == crystal) & (self.counts.sum(1) <= max_atoms))
            if not len(pool):
                raise AtlasError(f"no known structure has at most {max_atoms} atoms", where="sample")
            counts = self.counts[rng.choice(pool, n)]
        else:
            counts = np.repeat(_counts(formula)[None], n, axis=0)
        return Codes(
            np.stack([self._draw(rng, c, kind == crystal, temperature) for c in counts]), (), self.atlas.version
        )

    def _draw(self, rng: np.random.Generator, counts: np.ndarray, kind: np.ndarray, temperature: float) -> np.ndarray:
        pattern = np.sort(counts)[::-1]
        fellows = np.flatnonzero(kind & (np.sort(self.counts, axis=1)[:, ::-1][:, :12] == pattern[:12]).all(1))
        if not len(fellows):
            raise AtlasError("no known structure has this anonymous formula", where="sample", remedy="try another cell")
        crystal = bool(kind[fellows[0]] and self.features[fellows[0], -1] * self.scale[-1] + self.centre[-1] > 0.5)
        g = MAIN + 1
        given = (_composition(counts[None], np.array([crystal]))[0] - self.centre[g:]) / self.scale[g:]
        shares, means, covariances = self._given(given)
        k = rng.choice(len(shares), p=shares)
        drawn = rng.multivariate_normal(means[k], temperature * covariances[k], method="cholesky")
        near = fellows[np.square(self.features[fellows] - np.concatenate([drawn, given])).sum(1).argmin()]
        values = drawn * self.scale[:g] + self.centre[:g]
        latent = self.atlas._latent[near].copy()
        latent[:MAIN] = values[:MAIN]
        root = np.zeros(ROOT_WIDTH, dtype=np.float32)
        root[COUNTS] = counts
        root[GEOMETRY] = (latent + self.atlas._offset) @ self.atlas._back
        root[LATTICE] = cell_to_block(self.atlas.arrays(int(near)).cell, int(counts.sum()))
        if crystal:
            root[LATTICE.start + 1] = values[MAIN]
        return root

    def _given(self, given: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The mixture conditioned on composition features [C]: weights [K], means [K, G], covariances [K, G, G]."""
        g = MAIN + 1
        logs, means, covariances = [], [], []
        for w, m, s in zip(self.weights, self.means, self.covariances, strict=True):
            gain = np.linalg.solve(s[g:, g:], s[g:, :g]).T
            means.append(m[:g] + gain @ (given - m[g:]))
            covariances.append(s[:g, :g] - gain @ s[g:, :g])
            logs.append(np.log(w) + _log_normal(given[None], m[g:], s[g:, g:])[0])
        shares = np.exp(np.array(logs) - max(logs))
        return shares / shares.sum(), np.array(means), np.array(covariances)

    def _conditional(self, points: np.ndarray) -> np.ndarray:
        g = MAIN + 1
        parts = list(zip(self.weights, self.means, self.covariances, strict=True))
        both = np.stack([np.log(w) + _log_normal(points, m, s) for w, m, s in parts])
        given = np.stack([np.log(w) + _log_normal(points[:, g:], m[g:], s[g:, g:]) for w, m, s in parts])
        return _log_sum(both) - _log_sum(given)

    def _features(self, latent: np.ndarray, volume: np.ndarray, counts: np.ndarray, crystal: np.ndarray) -> np.ndarray:
        raw = np.concatenate([latent[:, :MAIN], volume[:, None], _composition(counts, crystal)], axis=1)
        return (raw - self.centre) / self.scale


def _fit(atlas: Atlas, seed: int) -> RootDensity:
    counts = np.zeros((len(atlas), N_ELEMENTS), dtype=np.float32)
    volume = np.full(len(atlas), 3.0 * np.log(2.0))
    crystal = np.zeros(len(atlas), dtype=bool)
    for i in range(len(atlas)):
        a = atlas.arrays(i)
        counts[i] = np.bincount(a.numbers, minlength=N_ELEMENTS + 1)[1 : N_ELEMENTS + 1]
        if a.cell is not None:
            crystal[i] = True
            volume[i] = np.log(abs(np.linalg.det(a.cell)) / len(a))
    raw = np.concatenate([atlas._latent[:, :MAIN], volume[:, None], _composition(counts, crystal)], axis=1)
    raw = raw.astype(np.float64)
    centre, scale = raw.mean(0), raw.std(0).clip(min=1e-3)
    scale[:MAIN] = scale[0]  # principal components keep their relative sizes
    features = (raw - centre) / scale
    rng = np.random.default_rng(seed)
    chosen = np.sort(rng.permutation(len(features))[:_FITTED])
    weights, means, covariances = _mixture(features[chosen], min(COMPONENTS, max(1, len(chosen) // 100)), rng)
    made = RootDensity(atlas, weights, means, covariances, centre, scale, counts, features, np.zeros(1))
    sample = rng.permutation(len(features))[:4000]
    object.__setattr__(made, "reference", np.sort(made._conditional(features[sample])))
    return made


def _mixture(x: np.ndarray, k: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Expectation maximisation from a few rounds of k-means."""
    means = x[rng.choice(len(x), k, replace=False)]
    for _ in range(6):
        nearest = (np.square(means).sum(1)[None] - 2.0 * x @ means.T).argmin(1)
        means = np.stack([x[nearest == j].mean(0) if (nearest == j).any() else means[j] for j in range(k)])
    shares = np.eye(k)[nearest]
    floor = _FLOOR * x.var(0).clip(min=1e-3)
    weights, covariances = np.ones(k) / k, np.zeros((k, x.shape[1], x.shape[1]))
    for _ in range(_ITERATIONS):
        total = shares.sum(0) + 1e-6
        weights, means = total / total.sum(), shares.T @ x / total[:, None]
        for j in range(k):
            d = x - means[j]
            # ten structures' worth of the whole spread: a small component keeps a full rank
            covariances[j] = ((d * shares[:, j : j + 1]).T @ d + 10.0 * np.diag(x.var(0))) / (total[j] + 10.0)
            covariances[j] += np.diag(floor)
        logs = np.stack([np.log(weights[j]) + _log_normal(x, means[j], covariances[j]) for j in range(k)], axis=1)
        shares = np.exp(logs - _log_sum(logs.T)[:, None])
    return weights, means, covariances


def _log_normal(x: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    factor = np.linalg.cholesky(covariance)
    white = (x - mean) @ np.linalg.inv(factor).T
    return -0.5 * np.square(white).sum(1) - np.log(np.diag(factor)).sum() - 0.5 * len(mean) * np.log(2.0 * np.pi)


def _log_sum(logs: np.ndarray) -> np.ndarray:
    """log of the sum of exponentials over the first axis."""
    top = logs.max(axis=0)
    return top + np.log(np.exp(logs - top).sum(axis=0))


def _composition(counts: np.ndarray, crystal: np.ndarray) -> np.ndarray:
    """float64 [B, C], what the mixture is told about a composition."""
    from motifdesk.networks.heads import GROUPS, element_groups

    counts = np.rint(counts).astype(np.float64)
    total = counts.sum(1, keepdims=True)
    shares = counts / np.maximum(total, 1.0)
    family = np.eye(GROUPS)[element_groups().numpy()[1 : N_ELEMENTS + 1]]
    radii = np.asarray(COVALENT_RADII, dtype=np.float64)[1 : N_ELEMENTS + 1]
    mean = shares @ radii
    spread = np.sqrt(np.maximum(shares @ np.square(radii) - np.square(mean), 0.0))
    more = [mean, spread, shares @ np.log(np.arange(1, N_ELEMENTS + 1)), np.log(np.maximum(total[:, 0], 1.0))]
    more += [np.log(np.maximum((counts > 0).sum(1), 1)), np.asarray(crystal, dtype=np.float64)]
    return np.concatenate([shares @ family, np.stack(more, axis=1)], axis=1)


def _counts(formula: str | Mapping[str, Any]) -> np.ndarray:
    from pymatgen.core import Composition, Element

    out = np.zeros(N_ELEMENTS, dtype=np.float32)
    try:
        found = Composition(formula).get_el_amt_dict()
        for symbol, amount in found.items():
            if not Element.is_valid_symbol(symbol):  # a dummy species' Z is a number at random
                raise ValueError
            z = Element(symbol).Z
            if amount != int(amount) or z > N_ELEMENTS:
                raise ValueError
            out[z - 1] = amount
    except (ValueError, KeyError, AttributeError):
        out[:] = 0.0
    if not out.any():
        raise AtlasError(f"{formula!r} is no formula of whole atoms", where="sample", remedy='write "Ti2O4"')
    return out
