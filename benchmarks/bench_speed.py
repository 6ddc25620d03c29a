"""Speed of the codec and its convolution in one run: encode, cold decode, warm drag step, ratios against e3nn.

``motifdesk bench speed [--data FILE.npz] [--limit N] [--seed S] --json OUT``

The throughput of the bare encoder and its convolution are measured in `benchmarks.convolutions` (ratios of the fastest
of several rounds, one thread; ``--data`` and ``--limit`` say on what). ``encode_per_s`` is the whole `Codec.encode`
with the symmetry block, ``network_encode_per_s`` the encoder with its neighbour search. The decode is measured at 20
atoms, the drag between the two polymorphs of Li2IrO3, 24 atoms. Milliseconds depend on the machine and on what else it
does: compare ratios.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from benchmarks import convolutions


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Flat figures of the codec, then those of the bare encoder."""
    from motifdesk.codec import load_codec

    codec = load_codec()
    return {**codec_speed(codec, int(getattr(args, "seed", 0) or 0)), **convolutions.run(args)}


def codec_speed(codec: Any, seed: int) -> dict[str, Any]:
    """Encode rate, cold decode and warm drag step at 20 to 24 atoms."""
    from motifdesk.codec.codes import Codes
    from motifdesk.structures.corpora import corpus
    from motifdesk.structures.read import read

    table = corpus("mp_20")
    rng = np.random.default_rng(seed)
    arrays = [table[int(k)] for k in rng.choice(len(table), 128, replace=False)]
    codec.encode(arrays[:8])
    began = time.perf_counter()
    codec.encode(arrays)
    summary = {"encode_per_s": len(arrays) / (time.perf_counter() - began)}
    twenty = [int(k) for k in np.flatnonzero(table.natoms == 20)[:6]]
    codes = codec.encode([table[k] for k in twenty])
    codec.decode(codes[0], seed=seed)
    made = [codec.decode(code, seed=seed)[0] for code in codes]
    summary["cold_decode_20_atoms_ms_median"] = 1e3 * float(np.median([m.seconds for m in made]))
    start = read("beta-Li2IrO3.cif", cell="primitive")
    ends = codec.encode([start, read("alpha-Li2IrO3.cif", cell="primitive")])
    for composition in ("keep", "follow"):
        follower = codec.follower(start, composition)
        times, moved = [], []
        for t in np.linspace(0, 1, 31):
            target = Codes((1 - t) * ends.root[:1] + t * ends.root[1:])
            began = time.perf_counter()
            frame = follower.step(target, steps=2)
            times.append(time.perf_counter() - began)
            moved.append(frame.moved)
        summary[f"warm_step_24_atoms_{composition}_ms_median"] = 1e3 * float(np.median(times))
        summary[f"warm_step_24_atoms_{composition}_ms_p95"] = 1e3 * float(np.percentile(times, 95))
        summary[f"warm_step_24_atoms_{composition}_max_move_A"] = max(moved)
    return summary
