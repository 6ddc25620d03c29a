"""Fit the map with umap-learn: ``motifdesk atlas-fit``. Only this file imports umap."""

from __future__ import annotations

import argparse
import os
import platform
import time
import warnings
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from motifdesk.data import path as data_path
from motifdesk.structures import AtomArrays, corpora, corpus, examples, space_group
from motifdesk.structures.errors import AtlasError, MotifDeskError

from .atlas import EXAMPLES, Atlas, known_arrays
from .file import AtlasData
from .quality import landing_errors, prototypes, purity, trustworthiness

if TYPE_CHECKING:
    from motifdesk.codec import Codec

# symmetry of the labels: the tolerance (Angstrom) of the Materials Project's own space groups
_SYMMETRY = 0.1
_MAX_BYTES = 8_000_000


def fit(
    codec: Codec,
    names: Sequence[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    seed: int = 0,
    progress: bool = True,
    *,
    limit: int | None = None,
    dimensions: int = 128,
    neighbours: int = 15,
    min_dist: float = 0.5,
    spread: float = 1.5,
    card: bool = True,
) -> dict[str, Any]:
    """Encode the corpora, lay them out, write the map; returns the facts of the fit.

    Parameters
    ----------
    codec
        anything with ``encode(list) -> Codes`` and ``version``.
    names
        corpora to lay out, all by default; the bundled examples are always added.
    out
        the ``.npz`` to write, by default the bundled ``atlas.npz``.
    seed
        of umap; with the same weights, versions and machine the same map comes out.
    progress
        show progress bars.
    limit
        at most so many structures of each corpus, evenly spaced (for tests).
    dimensions
        at most so many principal components are kept; fewer if 99.9 % of the variance needs fewer or the file would
        grow beyond 8 MB.
    neighbours, min_dist, spread
        of umap. The defaults spread the points over the pane, for the pointer; a smaller `min_dist` is a little more
        faithful (0.15, 1.0 and 20 neighbours: trustworthiness 0.978) but leaves most of the pane empty.
    card
        write ``README.md`` with the figures beside the map.

    Raises
    ------
    AtlasError
        too few structures could be encoded, or the map cannot be written. Structures that the codec refuses are left
        out and counted in ``info["left_out"]``.
    """
    began = time.perf_counter()
    target = data_path("atlas", "atlas.npz") if out is None else Path(out)
    known = list(_known(corpora() if names is None else names, limit))
    geometry, kept = _encode(codec, known, progress)
    if len(kept) < 4 * neighbours:
        raise AtlasError(f"{len(kept)} structures are too few for a map", remedy="give more corpora or a larger limit")
    columns = _columns([known[k] for k in kept], progress)
    encoded = time.perf_counter()
    mean, scale, components, explained = principal_components(geometry, dimensions)
    latent = ((geometry - mean) / scale @ components.T).astype(np.float16).astype(np.float32)  # as it will be read
    xy = _layout(latent, seed, neighbours, min_dist, spread, progress)
    info = {
        "weights": str(codec.version),
        "seed": seed,
        "points": len(xy),
        "sources": {str(s): int(n) for s, n in zip(*np.unique(columns["source"], return_counts=True), strict=True)},
        "left_out": len(known) - len(kept),
        "dimensions": len(components),
        "explained_variance": explained,
        "umap": {
            "n_neighbors": neighbours,
            "min_dist": min_dist,
            "spread": spread,
            "metric": "euclidean",
            "init": "pca",
        },
        "versions": _versions(),
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }
    data = AtlasData(xy, latent, mean, scale, components, columns, info)
    figures = measure(Atlas(data))
    info.update(figures=figures, encode_s=round(encoded - began, 1), fit_s=round(time.perf_counter() - began, 1))
    target.parent.mkdir(parents=True, exist_ok=True)
    data.save(target)
    if target.stat().st_size > _MAX_BYTES and dimensions > 16:
        return fit(
            codec,
            names,
            out,
            seed,
            progress,
            limit=limit,
            dimensions=len(components) * 3 // 4,
            neighbours=neighbours,
            min_dist=min_dist,
            spread=spread,
            card=card,
        )
    info["bytes"] = target.stat().st_size
    if card:
        (target.parent / "README.md").write_text(_card(target, info))
    return info


def measure(atlas: Atlas, seed: int = 0) -> dict[str, float]:
    """Quality figures of a map: see `motifdesk.atlas.quality` for each definition."""
    labels, ask = prototypes(atlas.columns)
    of_map, chance = purity(atlas.xy, labels, ask, seed=seed)
    of_latent, _ = purity(atlas._latent, labels, ask, seed=seed)
    of_source, source_chance = purity(atlas.xy, atlas.columns["source"].astype(str), seed=seed)
    errors = landing_errors(atlas, seed=seed)
    found = {
        "trustworthiness_15": trustworthiness(atlas._latent, atlas.xy, 15, seed=seed),
        "prototype_purity_map_5": of_map,
        "prototype_purity_latent_5": of_latent,
        "prototype_purity_chance": chance,
        "source_purity_map_5": of_source,
        "source_purity_chance": source_chance,
        "landing_error_median": float(np.median(errors)),
        "landing_error_p90": float(np.percentile(errors, 90)),
    }
    return {name: round(value, 5) for name, value in found.items() if np.isfinite(value)}


def principal_components(
    geometry: np.ndarray, dimensions: int, share: float = 0.999
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """mean [G], scale [G], components [D, G] and their share of the variance, of standardised columns.

    D is the smallest number with `share` of the variance, at most `dimensions`. Columns that do not vary get scale 1.
    """
    mean = geometry.mean(axis=0)
    scale = geometry.std(axis=0)
    scale = np.where(scale > 1e-6, scale, 1.0)
    standard = ((geometry - mean) / scale).astype(np.float64)
    values, vectors = np.linalg.eigh(standard.T @ standard / len(standard))
    values, vectors = values[::-1].clip(min=0), vectors[:, ::-1]
    cumulated = np.cumsum(values) / max(values.sum(), 1e-12)
    d = min(dimensions, int(np.searchsorted(cumulated, share)) + 1, len(values))
    components = vectors[:, :d].T
    # sign by the largest entry: eigenvectors are defined up to it, and the map should not depend on the library
    components = components * np.sign(components[np.arange(d), np.abs(components).argmax(1)])[:, None]
    return mean.astype(np.float32), scale.astype(np.float32), components.astype(np.float32), float(cumulated[d - 1])


def _known(names: Sequence[str], limit: int | None) -> Iterator[tuple[str, int, str]]:
    """(source, index, id) of everything on the map."""
    for name in names:
        found = corpus(name)
        count = len(found) if limit is None else min(limit, len(found))
        for k in np.linspace(0, len(found) - 1, count).astype(int) if count else ():
            yield name, int(k), str(found.ids[k])
    for k, name in enumerate(examples()):
        yield EXAMPLES, k, name


def _encode(codec: Codec, known: Sequence[tuple[str, int, str]], progress: bool) -> tuple[np.ndarray, list[int]]:
    """geometry float32 [n, G] and the positions in `known` of those that could be encoded."""
    from tqdm import tqdm

    geometry: list[np.ndarray] = []
    kept: list[int] = []
    with tqdm(total=len(known), desc="encode", disable=not progress) as bar:
        for start in range(0, len(known), 256):
            block = range(start, min(start + 256, len(known)))
            arrays = [known_arrays(*known[k]) for k in block]
            try:
                geometry.append(codec.encode(arrays).geometry)
                kept.extend(block)
            except MotifDeskError:  # one of them: find out which
                for k, one in zip(block, arrays, strict=True):
                    try:
                        geometry.append(codec.encode([one]).geometry)
                        kept.append(k)
                    except MotifDeskError as error:
                        bar.write(f"left out {known[k][0]}/{known[k][2]}: {error}")
            bar.update(len(block))
    return (np.concatenate(geometry) if geometry else np.empty((0, 1), np.float32)), kept


def _columns(known: Sequence[tuple[str, int, str]], progress: bool) -> dict[str, np.ndarray]:
    from pymatgen.core import Composition
    from tqdm import tqdm

    count = len(known)
    columns: dict[str, np.ndarray] = {
        "source": np.array([source for source, _, _ in known]),
        "index": np.array([index for _, index, _ in known], dtype=np.int32),
        "id": np.array([identifier for _, _, identifier in known]),
        "natoms": np.zeros(count, dtype=np.int16),
        "spacegroup": np.zeros(count, dtype=np.int16),
    }
    labels = {
        "formation_energy": "formation_energy_per_atom",
        "band_gap": "band_gap",
        "energy_above_hull": "energy_above_hull",
    }
    for name in labels:
        columns[name] = np.full(count, np.nan, dtype=np.float32)
    formulas, anonymous = [], []
    for row, (source, index, identifier) in enumerate(tqdm(known, desc="label", disable=not progress)):
        arrays = known_arrays(source, index, identifier)
        columns["natoms"][row] = len(arrays)
        columns["spacegroup"][row] = _group(source, index, arrays)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # noble gases have no electronegativity to sort by
            reduced = Composition(arrays.formula).reduced_formula
        formulas.append(reduced if arrays.is_crystal else arrays.formula)
        anonymous.append(anonymous_formula(arrays))
        if source != EXAMPLES:
            of = corpus(source).labels
            for name, label in labels.items():
                if label in of:
                    columns[name][row] = of[label][index]
    columns["formula"], columns["anonymous"] = np.array(formulas), np.array(anonymous)
    return columns


def _group(source: str, index: int, arrays: AtomArrays) -> int:
    """Space-group number, 0 for molecules and where no search converges; the corpus's own label where it has one."""
    if not arrays.is_crystal:
        return 0
    if source != EXAMPLES and "spacegroup_number" in corpus(source).labels:
        return int(corpus(source).labels["spacegroup_number"][index])
    try:
        return space_group(arrays, _SYMMETRY).number
    except MotifDeskError:
        return 0


def anonymous_formula(arrays: AtomArrays) -> str:
    """Stoichiometry without elements, the rarest first: rutile "AB2", perovskite "ABC3"; molecules are not reduced."""
    counts = np.sort(np.unique(arrays.numbers, return_counts=True)[1])
    divisor = int(np.gcd.reduce(counts)) if arrays.is_crystal else 1
    return "".join(f"{chr(65 + k)}{n // divisor if n > divisor else ''}" for k, n in enumerate(counts))


def _layout(
    latent: np.ndarray, seed: int, neighbours: int, min_dist: float, spread: float, progress: bool
) -> np.ndarray:
    """float32 [M, 2], centred; umap with a fixed seed, begun from the first two principal components."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numba's and umap's notes on threads under a fixed seed
        import umap

        start = latent[:, :2] / latent[:, :2].std(axis=0).clip(min=1e-6)
        start = 4.0 * start + np.random.default_rng(seed).normal(0, 1e-3, start.shape)
        model = umap.UMAP(
            n_components=2,
            n_neighbors=neighbours,
            min_dist=min_dist,
            spread=spread,
            metric="euclidean",
            init=start.astype(np.float32),
            random_state=seed,
            verbose=progress,
        )
        xy = np.asarray(model.fit_transform(latent), dtype=np.float32)
    return xy - xy.mean(axis=0)


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in ("motifdesk", "umap-learn", "numpy", "numba", "torch"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # a checkout on the path without an installation
            found[name] = "uninstalled"
    return found


_CARD = """# The map: {name}

Two-dimensional layout of the bundled corpora by umap-learn over the codec's standardised geometry blocks; made by
`motifdesk atlas-fit --seed {seed}` on {date} in {fit_s:.0f} s ({machine}).

- weights {weights}; {points:,} points; {left_out} structures left out, refused by the codec
- {dimensions} principal components hold {explained:.2f} % of the variance; half precision; {megabytes:.1f} MB
- umap: {umap}
- versions: {versions}

| source | points |
|---|---|
{sources}

| figure | value |
|---|---|
{figures}

trustworthiness_15: Venna and Kaski, 15 neighbours (1 is perfect, 0.5 random). prototype_purity: share of the 5 nearest
neighbours, on the map or in the latent space, with the same anonymous formula and space group, for crystals of mp_20
and mpts_52 whose prototype occurs at least twice, among all points. landing_error: leave-one-out error of
`Atlas.project` as a share of the map's radius. Space groups: the corpus label where there is one, else moyopy at
{tolerance} A. The structures, licences and citations are those of `../SOURCES.md`.
"""


def _card(target: Path, info: dict[str, Any]) -> str:
    given = {
        **info,
        "name": target.name,
        "explained": 100 * info["explained_variance"],
        "megabytes": info.get("bytes", 0) / 1e6,
        "umap": ", ".join(f"{k} {v}" for k, v in info["umap"].items()),
        "versions": ", ".join(f"{k} {v}" for k, v in info["versions"].items()),
        "sources": "\n".join(f"| {name} | {count:,} |" for name, count in info["sources"].items()),
        "figures": "\n".join(f"| {name} | {value:.4g} |" for name, value in info["figures"].items()),
        "tolerance": _SYMMETRY,
    }
    return _CARD.format(**given)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``motifdesk atlas-fit``."""
    parser.add_argument("--weights", help="a codec.safetensors; default: the bundled one")
    parser.add_argument("--out", help="the .npz to write; default: the bundled map")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=int, help="at most so many structures of each corpus")
    parser.add_argument("--dimensions", type=int, default=128, help="principal components to keep, at most")
    parser.add_argument("--neighbours", type=int, default=15, help="of umap")
    parser.add_argument("--min-dist", type=float, default=0.5, help="of umap")
    parser.add_argument("--spread", type=float, default=1.5, help="of umap")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")


def main(args: argparse.Namespace) -> int:
    """``motifdesk atlas-fit``."""
    from motifdesk.codec import load_codec

    info = fit(
        load_codec(args.weights, device=args.device),
        out=args.out,
        seed=args.seed,
        progress=not args.quiet,
        limit=args.limit,
        dimensions=args.dimensions,
        neighbours=args.neighbours,
        min_dist=args.min_dist,
        spread=args.spread,
    )
    print(f"{info['points']:,} points, {info['bytes'] / 1e6:.1f} MB, {info['fit_s']:.0f} s")
    for name, value in info["figures"].items():
        print(f"  {name:28s} {value:.4g}")
    return 0
