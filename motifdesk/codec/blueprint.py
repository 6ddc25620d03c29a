"""The symmetry block of a code: space group, setting and occupied Wyckoff positions of a crystal, and nothing else.

Layout (58 whole numbers, exact in float32)::

    0       ITA number of the space group; 0: unknown (then everything is 0)
    1:10    integer matrix S, row by row: decoded cell = S @ primitive standard cell (rows are vectors); det S > 1 says
            that the cell is not primitive
    10:58   16 slots (atomic number, Wyckoff letter a = 1 ... z = 26 A = 27, occupied orbits), sorted; 0 0 0: empty

It holds no coordinate and no free parameter: those are what a decoder must find. The decoded cell is the Niggli-reduced
one of the lattice block. Equivalent descriptions (other origins and axes of the Euclidean normalizer, the symmetry of
the lattice) are reduced to the one that sorts first, so the block depends on neither the origin, the orientation, the
order of atoms nor the choice of the cell. Mirror images keep their own group (P3_121 and P3_221).

The symmetry is the one within ``TOLERANCE``: slightly distorted crystals carry their parent's. The decoder starts from
it and leaves it where the geometry code says so.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from motifdesk.codec.bonds import bond_block
from motifdesk.codec.codes import SYMMETRY_WIDTH
from motifdesk.codec.lattice import metric_symmetries, niggli_cell
from motifdesk.codec.wyckoff import LETTERS, GroupTable, group_table

TOLERANCE = 0.03  # Angstrom; groups other than P1: 89 % of Carbon-24 (73 % at 0.01, 92 % at 0.1), 99 % of MP-20
SLOTS = (SYMMETRY_WIDTH - 10) // 3  # 10 are the most needed by 1,600 crystals of four corpora

logging.getLogger("moyo").addHandler(logging.NullHandler())  # else its notes on supercells land on stderr


@dataclass(frozen=True)
class Blueprint:
    """A parsed symmetry block.

    Attributes:
        number: ITA number. matrix: int [3, 3], ``cell = matrix @ primitive``.
        sites: (atomic number, letter, occupied orbits), the orbits being those of the primitive cell.
    """

    number: int
    matrix: np.ndarray
    sites: tuple[tuple[int, str, int], ...]

    @property
    def multiple(self) -> int:
        """Primitive cells in the decoded cell."""
        return int(round(abs(np.linalg.det(self.matrix))))

    @property
    def table(self) -> GroupTable:
        return group_table(self.number)

    @property
    def free(self) -> int:
        """Free coordinates of all orbits together."""
        return sum(self.table.positions[letter].free * count for _, letter, count in self.sites)

    def numbers(self) -> np.ndarray:
        """Atomic numbers of the primitive cell, orbit by orbit: int [n]."""
        positions = self.table.positions
        return np.concatenate([np.full(positions[letter].multiplicity * count, z) for z, letter, count in self.sites])


def blueprint_block(numbers: np.ndarray, positions: np.ndarray, cell: np.ndarray | None) -> np.ndarray:
    """Symmetry block float32 [58] of a crystal (Cartesian positions, Angstrom); zeros when it is unknown.

    Molecules get their bonds instead (:mod:`motifdesk.codec.bonds`). Unknown are crystals in which no symmetry search
    converges, and more than 16 kinds of sites.
    """
    block = np.zeros(SYMMETRY_WIDTH, dtype=np.float32)
    if cell is None:
        return bond_block(numbers, positions)
    reduced, _ = niggli_cell(cell)
    found = _dataset(reduced, positions @ np.linalg.inv(reduced), numbers)
    if found is None:
        return block
    linear = np.array(found.prim_std_linear)
    matrix = np.linalg.inv(linear.T)
    if np.abs(matrix - np.rint(matrix)).max() > 1e-3:
        return block
    letters = [found.wyckoffs[k] for k in range(len(numbers))]
    sites, turn = _settled(found, numbers, letters)
    whole = _first_setting(np.rint(matrix).astype(np.int64) @ turn, reduced)
    if len(sites) > SLOTS:
        return block
    block[0] = found.number
    block[1:10] = whole.reshape(-1)
    for slot, (z, letter, count) in enumerate(sites):
        block[10 + 3 * slot : 13 + 3 * slot] = z, LETTERS.index(letter) + 1, count
    return block if read_blueprint(block, _counts(numbers)) is not None else np.zeros_like(block)


def read_blueprint(block: np.ndarray, counts: np.ndarray) -> Blueprint | None:
    """The blueprint in a symmetry block, or ``None`` when it is unknown, or no blueprint of these counts [94].

    Blends of codes and damaged blocks end here: every number must be whole, the group, letters and elements must exist,
    positions without a free coordinate are occupied once, and the orbits must add up to the counts.
    """
    values = np.asarray(block, dtype=np.float64)
    whole = np.rint(values)
    if values.shape != (SYMMETRY_WIDTH,) or not np.isfinite(values).all() or np.abs(values - whole).max() > 1e-4:
        return None
    if np.abs(whole).max() > 1000 or not 1 <= whole[0] <= 230:
        return None
    number, matrix = int(whole[0]), whole[1:10].reshape(3, 3).astype(np.int64)
    multiple = int(round(np.linalg.det(matrix)))
    if not 1 <= multiple <= 200:
        return None
    positions = group_table(number).positions
    sites: list[tuple[int, str, int]] = []
    total = np.zeros(len(counts), dtype=np.int64)
    for z, letter, count in whole[10:].reshape(-1, 3).astype(np.int64):
        if not (z or letter or count):
            continue
        if not (1 <= z <= len(counts) and 1 <= letter <= len(LETTERS) and 1 <= count <= 200):
            return None
        name = LETTERS[letter - 1]
        if name not in positions or (positions[name].free == 0 and count > 1):
            return None
        sites.append((int(z), name, int(count)))
        total[z - 1] += multiple * count * positions[name].multiplicity
    fixed = [letter for _, letter, _ in sites if positions[letter].free == 0]
    if not sites or len(set(fixed)) < len(fixed) or (total != np.rint(counts).astype(np.int64)).any():
        return None
    return Blueprint(number, matrix, tuple(sorted(sites)))


def _counts(numbers: np.ndarray) -> np.ndarray:
    return np.bincount(numbers, minlength=95)[1:95]


def _dataset(cell: np.ndarray, fractional: np.ndarray, numbers: np.ndarray) -> Any:
    import moyopy

    given = moyopy.Cell(basis=cell.tolist(), positions=fractional.tolist(), numbers=numbers.tolist())
    for tolerance in (TOLERANCE, TOLERANCE / 3):
        try:
            return moyopy.MoyoDataset(given, symprec=tolerance, setting=moyopy.Setting.standard())
        except Exception:  # moyopy raises its own types when nothing fits; then a smaller tolerance may
            continue
    return None


def _settled(
    found: Any, numbers: np.ndarray, letters: list[str]
) -> tuple[tuple[tuple[int, str, int], ...], np.ndarray]:
    """The sites under the origin and axes that sort first, and the change of the primitive basis that goes with it."""
    table = group_table(int(found.number))

    def tally(elements: np.ndarray, names: list[str], cells: float) -> tuple[tuple[int, str, int], ...]:
        pairs = Counter(zip(elements.tolist(), names, strict=True))
        return tuple(
            sorted((z, name, round(n / cells / table.positions[name].multiplicity)) for (z, name), n in pairs.items())
        )

    given = tally(numbers, letters, len(numbers) / len(found.prim_std_cell.numbers))
    options = [(given, np.eye(3, dtype=np.int64))]
    kinds = Counter((w.multiplicity, w.free) for w in table.positions.values())
    used = [table.positions[letter] for _, letter, _ in given]
    # letters are exchanged only among positions of one kind: most often there is nothing to choose
    if any(kinds[w.multiplicity, w.free] > 1 for w in used):
        try:
            normalizer = found.normalizer_wyckoff_positions(preserve_chirality=True, primitive=True)
            elements = np.array(found.std_cell.numbers)
            for operation, sequence in normalizer.coset_representatives:
                names = [w.letter for w in sequence]
                sites = tally(elements, names, table.centring)
                options.append((sites, np.rint(np.array(operation.linear)).astype(np.int64).T))
        except Exception:  # an older moyopy, or no normalizer found: the letters stay as they are
            pass
    return min(options, key=lambda item: (item[0], item[1].tolist()))


def _first_setting(matrix: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Of all matrices that the lattice's own rotations make of ``matrix``, the one that sorts first."""
    options = metric_symmetries(cell) @ matrix
    order = np.lexsort(options.reshape(len(options), 9).T[::-1])
    return options[order[-1]]


def primitive_cell(blueprint: Blueprint, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(as decoded, symmetrised) primitive cells [3, 3] of a blueprint in the decoded cell, rows in Angstrom.

    The second is the first with its metric averaged over the point group, in the same orientation.
    """
    primitive = np.linalg.solve(blueprint.matrix.astype(np.float64), cell)
    metric = primitive @ primitive.T
    rotations = blueprint.table.rotations.astype(np.float64)
    metric = np.mean(rotations.transpose(0, 2, 1) @ metric @ rotations, axis=0)
    root = square_root(metric) @ np.linalg.inv(square_root(primitive @ primitive.T))
    return primitive, root @ primitive


def square_root(matrix: np.ndarray) -> np.ndarray:
    """Of a symmetric positive definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(values)) @ vectors.T
