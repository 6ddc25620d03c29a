"""The experiments of tensor field networks on the codec's layers: all trained anew with --seed, then measured.

Tetris: share of right names over --limit (default 1,000) random rotations and translations of all eight pieces, with
the baseline (PointNet of like size) as trained in one orientation and with random rotations (ten times the steps).
Gravity, inertia: validation loss in the published definition (docstrings of motifdesk/networks/experiments), 1,000
sets. Two masses: error and equivariance, relative to the root mean square of the answers. Rebuild: pieces reduced to
one point and created again by the shipped autoencoder, in --limit / 10 orientations. Representations: bytes and what
came back (Angstrom) of benzene and silicon.
"""

import time


def run(args) -> dict:
    import numpy as np
    import torch

    from motifdesk.codec import load_codec
    from motifdesk.codec.representations import point_of_tensors, root_code
    from motifdesk.data import path
    from motifdesk.networks.experiments import gravity, inertia, tetris, two_masses
    from motifdesk.networks.experiments.rebuild import exactness, rebuild_wall, wall
    from motifdesk.networks.experiments.store import train_all
    from motifdesk.networks.motif_autoencoder import load_motif_weights
    from motifdesk.networks.testing import random_rotation
    from motifdesk.structures import read
    from motifdesk.structures.representations import compare, standard

    torch.set_num_threads(1)
    rotations = 1000 if args.limit is None else max(10, args.limit)
    trained = train_all(args.seed)
    summary: dict = {}
    tables = {}
    for name in ("tetris", "tetris_pointnet", "tetris_pointnet_turned"):
        tables[name] = tetris.confusion(trained[name], rotations, args.seed)
        summary[f"{name}_accuracy"] = tetris.accuracy(tables[name])
        hands = tables[name][:2]
        summary[f"{name}_hands_right"] = float(np.trace(hands) / hands.sum())
    summary["gravity_loss"] = gravity.validation_loss(trained["gravity"])
    summary["gravity_loss_published"] = gravity.PUBLISHED
    summary["inertia_loss"] = inertia.validation_loss(trained["inertia"])
    summary["inertia_loss_published"] = inertia.PUBLISHED
    d = np.linspace(0.5, 4.0, 36)
    summary["gravity_radial_error"] = float(np.abs(trained["gravity"].radial_function(d) * d * d - 1).max())
    d = np.linspace(0.3, 1.5, 25)
    scalar, tensor = trained["inertia"].radial_functions(d)
    summary["inertia_radial_error"] = float(max(abs(scalar * 1.5 / d**2 - 1).max(), abs(-tensor / d**2 - 1).max()))
    for name in ("two_masses", "two_masses_perceptron", "two_masses_perceptron_turned"):
        for key, value in two_masses.errors(trained[name]).items():
            summary[f"{name}_{key}"] = value
    for name, about in trained.training.items():
        summary[f"{name}_seconds"] = about["seconds"]
        summary[f"{name}_parameters"] = about["parameters"]

    model, _ = load_motif_weights(path("weights", "motifs.safetensors"))
    began = time.perf_counter()
    found = exactness(model, max(1, rotations // 10), args.seed)
    summary["rebuild_pieces"] = int(found["deviation"].size)
    summary["rebuild_ms_a_piece"] = (time.perf_counter() - began) / found["deviation"].size * 1e3
    summary["rebuild_deviation_largest"] = float(found["deviation"].max())
    summary["rebuild_right"] = float((found["nearest"] == np.arange(len(tetris.NAMES))).mean())
    rng = np.random.default_rng(args.seed)
    pieces = [x @ random_rotation(rng).T for x in tetris.all_pieces()]
    places = np.array([(4 * (k % 4), 4 * (k // 4), 0) for k in range(len(pieces))], float)
    _, width, farthest = rebuild_wall(model, wall(pieces, places))
    summary["rebuild_wall_numbers"], summary["rebuild_wall_farthest"] = width, farthest

    rows = {}
    ways = [*standard(), root_code(load_codec(device="cpu")), point_of_tensors(model)]
    for name, structure in (("benzene", read("benzene.xyz")), ("silicon", read("Si.cif", cell="primitive"))):
        rows[name] = [vars(row) for row in compare(structure, ways, args.seed)]
        for row in compare(structure, ways[-2:], args.seed):
            if not row.applies:
                summary[f"{name}_{row.name.replace(' ', '_')}_back"] = row.back
    return {
        "summary": summary,
        "confusion": {name: table.tolist() for name, table in tables.items()},
        "representations": rows,
        "weights": trained.digest[:12],
    }
