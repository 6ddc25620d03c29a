"""Write tests/data/crystalnn_reference.npz: the neighbour sets of pymatgen's CrystalNN on real structures.

    python scripts/make_crystalnn_reference.py [OUT.npz]

Structures: random ones of the bundled corpora and every crystal among the bundled examples, coordinates rounded to 1e-6
of the cell and cells to single precision as in the corpora. Oxidation states are those of `oxidation_states`, put on
the sites before CrystalNN sees them. Takes about two minutes.

Layout: that of motifdesk/data/corpora (natoms, Z, frac_1e6, lattice), and name [M], oxidation float64 [sum n], counts
uint8 [sum n], sites uint8 and images int8 of the neighbours, each site's sorted.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
from pymatgen.analysis.local_env import CrystalNN
from pymatgen.core import Lattice, Structure

from motifdesk.data import path
from motifdesk.motifs.detection.oxidation import oxidation_states
from motifdesk.structures import corpus, read

CHOSEN = {"mp_20": 130, "mpts_52": 45, "carbon_24": 20, "perov_5": 20}


def structures():
    for name, count in CHOSEN.items():
        source = corpus(name)
        for k in np.sort(np.random.default_rng(2020).permutation(len(source))[:count]):
            yield f"{name} {k}", source.structure(int(k))
    for file in sorted(path("examples").glob("*.cif")):
        structure = read(file, cell="primitive")
        if len(structure) <= 48:
            yield file.stem, structure


def rounded(structure: Structure) -> Structure:
    cell = np.asarray(structure.lattice.matrix, dtype=np.float32).astype(float)
    numbers = [site.specie.Z for site in structure]
    return Structure(Lattice(cell), numbers, np.rint(structure.frac_coords * 1e6) / 1e6)


def main() -> None:
    out = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / "tests/data/crystalnn_reference.npz")
    warnings.simplefilter("ignore")
    reference = CrystalNN()
    names, crystals, oxidation, found = [], [], [], []
    for name, structure in structures():
        structure = rounded(structure)
        states = oxidation_states(structure)
        decorated = structure.copy()
        decorated.add_oxidation_state_by_site(list(states))
        try:
            sets = [reference.get_nn_info(decorated, n) for n in range(len(decorated))]
        except Exception as error:
            print(f"{name}: left out, CrystalNN raises {error}")
            continue
        names.append(name)
        crystals.append(structure)
        oxidation += states
        found += [sorted((int(x["site_index"]), *map(int, x["image"])) for x in near) for near in sets]
    flat = np.array([row for near in found for row in near])
    np.savez_compressed(
        out,
        name=np.array(names),
        natoms=np.array([len(s) for s in crystals], dtype=np.uint8),
        Z=np.array([site.specie.Z for s in crystals for site in s], dtype=np.uint8),
        frac_1e6=np.rint(np.concatenate([s.frac_coords for s in crystals]) * 1e6).astype(np.int32),
        lattice=np.array([s.lattice.matrix for s in crystals], dtype=np.float32),
        oxidation=np.array(oxidation),
        counts=np.array([len(near) for near in found], dtype=np.uint8),
        sites=flat[:, 0].astype(np.uint8),
        images=flat[:, 1:].astype(np.int8),
    )
    print(f"{len(crystals)} structures, {len(found)} sites, {len(flat)} neighbours -> {out}")


if __name__ == "__main__":
    main()
