"""The map: how faithful it is, and what opening, projecting and lifting cost.

summary: the quality figures of `motifdesk.atlas.fit.measure` computed anew (trustworthiness, prototype purity on the
map and in the latent space beside chance, landing errors), the same trustworthiness for random places and for the first
two principal components (what a map without umap would have), open_ms, project_ms, neighbours_ms, lift_first_* (the
first visit of a place encodes its neighbours) and lift_* (a second visit: the drag), roundtrip_error_median (codes
lifted between the structures, projected back: how far they land, as a share of the map's radius).
"""

import statistics
import time

import numpy as np


def run(args) -> dict:
    from motifdesk.atlas import load_atlas
    from motifdesk.atlas.fit import measure
    from motifdesk.atlas.quality import trustworthiness
    from motifdesk.codec import load_codec
    from motifdesk.structures import read

    rng = np.random.default_rng(args.seed)
    codec = load_codec()
    began = time.perf_counter()
    atlas = load_atlas(codec=codec)
    open_ms = 1e3 * (time.perf_counter() - began)
    codes = codec.encode([read("beta-Li2IrO3.cif", cell="primitive")])
    atlas.lift(atlas.xy[0])  # loads the corpora

    def median_ms(call, count: int = 20) -> float:
        times = []
        for _ in range(count):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
        return 1e3 * statistics.median(times)

    # a pointer path between structures: many small steps, each point near the one before
    count = min(args.limit or 200, 1000)
    ends = atlas.xy[rng.choice(len(atlas), 6, replace=False)]
    path = np.concatenate([np.linspace(a, b, count // 5) for a, b in zip(ends[:-1], ends[1:], strict=True)])
    first, second, landed = [], [], []
    for times in (first, second):
        for point in path:
            start = time.perf_counter()
            code = atlas.lift(point)
            times.append(1e3 * (time.perf_counter() - start))
            if times is second:
                landed.append(np.linalg.norm(atlas.project(code)[0] - point))
    radius = float(np.sqrt(np.square(atlas.xy - atlas.xy.mean(0)).sum(1).mean()))
    return {
        "points": len(atlas),
        **measure(atlas, seed=args.seed),
        "trustworthiness_15_random": trustworthiness(
            atlas._latent, rng.normal(size=atlas.xy.shape), 15, sample=500, seed=args.seed
        ),
        "trustworthiness_15_components": trustworthiness(
            atlas._latent, atlas._latent[:, :2], 15, sample=2000, seed=args.seed
        ),
        "open_ms": open_ms,
        "project_ms": median_ms(lambda: atlas.project(codes)),
        "neighbours_ms": median_ms(lambda: atlas.neighbours(codes)),
        "lift_first_p50_ms": float(np.percentile(first, 50)),
        "lift_first_p95_ms": float(np.percentile(first, 95)),
        "lift_p50_ms": float(np.percentile(second, 50)),
        "lift_p95_ms": float(np.percentile(second, 95)),
        "roundtrip_error_median": float(np.median(landed)) / radius,
    }
