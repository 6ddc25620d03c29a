"""Ways to write a structure down, and what each keeps: fingerprints, SMILES, graphs, images, coordinates, SOAP.

A :class:`Representation` is how to write and, where there is a way, how to read back; :func:`compare` writes a
structure and a turned copy of it, counts the bytes, reads the turned copy back and measures what came of it. RDKit and
DScribe do their share; they are optional (``pip install 'motifdesk[learn]'``) and imported on use. The codec's own
representations are in :mod:`motifdesk.codec.representations`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from motifdesk.structures.arrays import AtomArrays, element_symbols, to_arrays
from motifdesk.structures.errors import MotifDeskError, StructureError

SAME = 1e-3  # of the largest number: a representation that changes less under a rotation has not changed
NEIGHBOURS = 12
_PIXELS, _WINDOW, _BLOB = 64, 10.0, 0.3


@dataclass(frozen=True)
class Representation:
    """``write(atoms)``: numbers, text or bytes (or a tuple of such). ``read(written)``: atoms again, None if nothing
    does it. ``turn(written, rotation)``: how what is written turns with the structure, None if it should not change."""

    name: str
    write: Callable[[AtomArrays], Any]
    read: Callable[[Any], AtomArrays] | None = None
    turn: Callable[[Any, np.ndarray], Any] | None = None


@dataclass(frozen=True)
class Row:
    """What :func:`compare` measured. ``applies``: "" or why the structure cannot be written so. ``rotation``:
    "unchanged", "turns along" or "becomes another". ``change``: largest difference of the numbers, relative to the
    largest of them (0 or 1 for text). ``back``: root mean square difference of the distances to the
    :data:`NEIGHBOURS` nearest atoms of each atom, Angstrom, of what was read from the turned copy; infinity where
    other atoms came back, None where nothing reads it. ``problem``: why reading failed."""

    name: str
    applies: str
    bytes: int = 0
    rotation: str = ""
    change: float = 0.0
    back: float | None = None
    problem: str = ""


def compare(structure: Any, representations: Sequence[Representation] | None = None, seed: int = 0) -> list[Row]:
    """One :class:`Row` per representation (default: :func:`standard`), under one random rotation."""
    atoms = to_arrays(structure)
    turn = _rotation(np.random.default_rng(seed))
    turned = AtomArrays(atoms.numbers, atoms.positions @ turn.T, None if atoms.cell is None else atoms.cell @ turn.T)
    rows = []
    for one in standard() if representations is None else representations:
        try:
            before, after = one.write(atoms), one.write(turned)
        except MotifDeskError as error:
            rows.append(Row(one.name, error.what))
            continue
        change = difference(before, after)
        kept = "unchanged" if change <= SAME else "becomes another"
        if kept != "unchanged" and one.turn is not None and difference(one.turn(before, turn), after) <= SAME:
            kept = "turns along"
        back, problem = None, ""
        if one.read is not None:
            try:
                back = deviation(atoms, one.read(after))
            except MotifDeskError as error:
                back, problem = float("inf"), error.what
        rows.append(Row(one.name, "", size(before), kept, change, back, problem))
    return rows


def standard() -> list[Representation]:
    """Fingerprint, SMILES, bond graph, image, coordinates, SOAP."""
    return [
        Representation("fingerprint", fingerprint),
        Representation("SMILES", smiles, from_smiles),
        Representation("bond graph", bond_graph, from_bond_graph),
        Representation("image", image, from_image),
        Representation("SOAP", soap),
        Representation("coordinates", coordinates, from_coordinates, turn_coordinates),
    ]


# -- measures ----------------------------------------------------------------------------------------------------------


def size(written: Any) -> int:
    """Bytes of numbers, text, or a tuple of such."""
    if isinstance(written, tuple):
        return sum(size(part) for part in written)
    if written is None:
        return 0
    return len(written.encode()) if isinstance(written, str) else int(np.asarray(written).nbytes)


def difference(a: Any, b: Any) -> float:
    """Largest difference relative to the largest number; 1 for texts or shapes that are not the same."""
    if isinstance(a, tuple):
        return max(difference(x, y) for x, y in zip(a, b, strict=True))
    if a is None or isinstance(a, str):
        return float(a != b)
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if x.shape != y.shape:
        return 1.0
    return float(np.abs(x - y).max() / max(np.abs(x).max(), 1e-12)) if x.size else 0.0


def deviation(a: AtomArrays, b: AtomArrays) -> float:
    """See :class:`Row`: 0 for the same structure however turned, shifted and numbered; does not see the hand."""
    if a.is_crystal != b.is_crystal or a.formula != b.formula or (not a.is_crystal and len(a) != len(b)):
        return float("inf")
    from scipy.optimize import linear_sum_assignment

    x, y = _distances(a), _distances(b)
    if len(a) != len(b):  # other cells of one crystal: compare what is around an atom on average
        return float(np.sqrt(np.square(x.mean(0) - y.mean(0)).mean()))
    cost = np.square(x[:, None] - y[None]).mean(-1)
    cost[a.numbers[:, None] != b.numbers[None]] = 1e6
    return float(np.sqrt(cost[linear_sum_assignment(cost)].mean()))


def _distances(atoms: AtomArrays) -> np.ndarray:
    if atoms.cell is None:
        d = np.sort(np.linalg.norm(atoms.positions[:, None] - atoms.positions[None], axis=-1), axis=1)[:, 1:]
        return d[:, :NEIGHBOURS]
    grid = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3, indexing="ij"), -1).reshape(-1, 3) @ atoms.cell
    apart = atoms.positions[None, :, None] - atoms.positions[:, None, None] + grid[None, None]
    return np.sort(np.linalg.norm(apart, axis=-1).reshape(len(atoms), -1), axis=1)[:, 1 : NEIGHBOURS + 1]


def _rotation(rng: np.random.Generator) -> np.ndarray:
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else -q


# -- coordinates and images --------------------------------------------------------------------------------------------


def coordinates(atoms: AtomArrays) -> tuple:
    """Elements (a byte each), places and cell in float64."""
    return atoms.numbers.astype(np.uint8), atoms.positions, atoms.cell


def from_coordinates(written: tuple) -> AtomArrays:
    return AtomArrays(*written)


def turn_coordinates(written: tuple, rotation: np.ndarray) -> tuple:
    numbers, places, cell = written
    return numbers, places @ rotation.T, None if cell is None else cell @ rotation.T


def image(atoms: AtomArrays) -> np.ndarray:
    """64 x 64 grey pixels, uint8, over 10 x 10 Angstrom, seen along z; an atom is a spot as bright as its number,
    the brightest place of all is white."""
    x = atoms.positions - atoms.positions.mean(0)
    axis = (np.arange(_PIXELS) + 0.5) / _PIXELS * _WINDOW - _WINDOW / 2
    spots = [np.exp(-0.5 * ((axis[None] - x[:, k, None]) / _BLOB) ** 2) for k in (1, 0)]
    grey = np.einsum("a,ay,ax->yx", atoms.numbers.astype(float), *spots)
    return np.rint(grey / grey.max() * 255.0).astype(np.uint8)


def from_image(written: np.ndarray) -> AtomArrays:
    """The spots as carbon, bright, and hydrogen, dim, in the plane of the image: the best that a flat picture allows
    without knowing more; other elements cannot be told from their brightness alone."""
    grey = written.astype(float)
    inner = grey[1:-1, 1:-1]
    top = inner > 0.08 * grey.max()
    for i, j in ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)):
        beside = grey[1 + i : _PIXELS - 1 + i, 1 + j : _PIXELS - 1 + j]
        top &= (inner > beside) if (i, j) > (0, 0) else (inner >= beside)  # of two like pixels, one
    row, column = np.nonzero(top)
    if not len(row):
        raise StructureError("no spot is to be seen", where="image", remedy="centre the structure")
    bright = inner[row, column] > 0.5 * grey.max()
    place = (np.stack([column, row], 1) + 1.5) / _PIXELS * _WINDOW - _WINDOW / 2
    return AtomArrays(np.where(bright, 6, 1), np.pad(place, ((0, 0), (0, 1))))


# -- bonds -------------------------------------------------------------------------------------------------------------


def smiles(atoms: AtomArrays) -> str:
    """Canonical SMILES of a neutral molecule (RDKit, bonds perceived from the distances)."""
    molecule = _rdkit(atoms)
    from rdkit import Chem

    return Chem.MolToSmiles(Chem.RemoveHs(molecule))


def from_smiles(written: str) -> AtomArrays:
    """Distance geometry and the MMFF94 force field (RDKit's ETKDG, seed 0). StructureError for what is no SMILES."""
    _need("rdkit")
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(written)
    if molecule is None or not molecule.GetNumAtoms():
        raise StructureError(f"{written!r} is no SMILES of a molecule", where="SMILES", remedy="check the text")
    return _embedded(Chem.AddHs(molecule))


def fingerprint(atoms: AtomArrays) -> np.ndarray:
    """Morgan's of radius 2, 2,048 bits in 256 bytes."""
    molecule = _rdkit(atoms)
    from rdkit import Chem
    from rdkit.Chem import rdFingerprintGenerator

    make = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    bits = make.GetFingerprintAsNumPy(Chem.RemoveHs(molecule))
    return np.packbits(bits.astype(bool))


def bond_graph(atoms: AtomArrays) -> tuple:
    """Elements and bonds: of a molecule ``(i, j, twice the order)`` bytes, of a crystal (pymatgen's CrystalNN)
    ``(i, j, lattice translation)`` with ``j`` in that cell."""
    numbers = atoms.numbers.astype(np.uint8)
    if atoms.cell is None:
        bonds = [
            (b.GetBeginAtomIdx(), b.GetEndAtomIdx(), round(2 * b.GetBondTypeAsDouble()))
            for b in _rdkit(atoms).GetBonds()
        ]
        return numbers, np.array(sorted(bonds), dtype=np.uint8).reshape(-1, 3)
    from pymatgen.analysis.graphs import StructureGraph
    from pymatgen.analysis.local_env import CrystalNN

    from motifdesk.structures.arrays import from_arrays

    with warnings.catch_warnings():  # about oxidation states, which the structure need not have
        warnings.simplefilter("ignore")
        crystal: Any = from_arrays(atoms)
        graph = StructureGraph.from_local_env_strategy(crystal, CrystalNN())
    edges = sorted((i, j, *map(int, data["to_jimage"])) for i, j, data in graph.graph.edges(data=True))
    return numbers, np.array(edges, dtype=np.int8).reshape(-1, 5)


def from_bond_graph(written: tuple) -> AtomArrays:
    """A molecule by distance geometry, as :func:`from_smiles`. A crystal by the standard realisation of its net (M.
    Kotani and T. Sunada, Trans. AMS 353, 1 (2001)): every atom in the middle of its neighbours, the cell as isotropic
    as the bonds allow, the mean bond as long as the sum of covalent radii. Lengths are guessed: the graph has none."""
    numbers, bonds = written
    if not len(bonds):
        raise StructureError("has no bonds", where="bond graph", remedy="give atoms that are bonded")
    if bonds.shape[1] == 5:
        return _standard_realisation(numbers.astype(np.int64), bonds.astype(np.int64))
    _need("rdkit")
    from rdkit import Chem

    kinds = {2: Chem.BondType.SINGLE, 3: Chem.BondType.AROMATIC, 4: Chem.BondType.DOUBLE, 6: Chem.BondType.TRIPLE}
    molecule = Chem.RWMol()
    for z in numbers:
        atom = Chem.Atom(int(z))
        atom.SetNoImplicit(True)
        molecule.AddAtom(atom)
    for i, j, twice in bonds.tolist():
        if twice not in kinds:
            raise StructureError(f"bond {i}-{j} has the order {twice / 2:g}", where="bond graph", remedy="1, 1.5, 2, 3")
        molecule.AddBond(i, j, kinds[twice])
        if twice == 3:
            for k in (i, j):
                molecule.GetAtomWithIdx(k).SetIsAromatic(True)
    try:
        Chem.SanitizeMol(molecule)
    except ValueError as error:
        raise StructureError(f"RDKit refuses these bonds ({error})", where="bond graph") from error
    return _embedded(molecule)


def _standard_realisation(numbers: np.ndarray, bonds: np.ndarray) -> AtomArrays:
    from ase.data import covalent_radii

    n, i, j, shift = len(numbers), bonds[:, 0], bonds[:, 1], bonds[:, 2:].astype(float)
    laplacian, right = np.zeros((n, n)), np.zeros((n, 3))
    for a, b, s in zip(i, j, shift, strict=True):
        laplacian[a, a] += 1
        laplacian[b, b] += 1
        laplacian[a, b] -= 1
        laplacian[b, a] -= 1
        right[a] += s
        right[b] -= s
    fractional = np.linalg.lstsq(laplacian, right, rcond=None)[0]
    along = fractional[j] + shift - fractional[i]
    try:
        cell = np.linalg.cholesky(np.linalg.inv(along.T @ along))
    except np.linalg.LinAlgError as error:
        raise StructureError("the net does not extend in three directions", where="bond graph") from error
    wanted = (covalent_radii[numbers[i]] + covalent_radii[numbers[j]]).mean()
    cell *= wanted / np.linalg.norm(along @ cell, axis=1).mean()
    return AtomArrays(numbers, fractional @ cell, cell)


def _need(package: str) -> None:
    if find_spec(package) is None:
        raise StructureError(
            f"{package} is not installed", where="representations", remedy="pip install 'motifdesk[learn]'"
        )


def _rdkit(atoms: AtomArrays) -> Any:
    """RDKit's molecule with bonds; StructureError for crystals and for what it makes no neutral molecule of."""
    if atoms.cell is not None:
        raise StructureError("a crystal has no end, and this is for molecules", where=repr(atoms))
    _need("rdkit")
    from rdkit import Chem, rdBase
    from rdkit.Chem import rdDetermineBonds

    symbols = element_symbols()
    lines = [
        f"{symbols[z]} {x:.8f} {y:.8f} {w:.8f}" for z, (x, y, w) in zip(atoms.numbers, atoms.positions, strict=True)
    ]
    silent = rdBase.BlockLogs()
    molecule = Chem.MolFromXYZBlock(f"{len(lines)}\n\n" + "\n".join(lines) + "\n")
    try:
        rdDetermineBonds.DetermineBonds(molecule, charge=0)
    except (ValueError, RuntimeError) as error:
        raise StructureError("RDKit finds no neutral molecule with whole bonds in it", where=repr(atoms)) from error
    finally:
        del silent
    return molecule


def _embedded(molecule: Any) -> AtomArrays:
    from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

    if rdDistGeom.EmbedMolecule(molecule, randomSeed=0) != 0:
        raise StructureError("RDKit finds no coordinates for these bonds", where="distance geometry")
    if rdForceFieldHelpers.MMFFHasAllMoleculeParams(molecule):
        rdForceFieldHelpers.MMFFOptimizeMolecule(molecule, maxIters=2000)
    return AtomArrays(np.array([a.GetAtomicNum() for a in molecule.GetAtoms()]), molecule.GetConformer().GetPositions())


# -- SOAP --------------------------------------------------------------------------------------------------------------


def soap(atoms: AtomArrays) -> np.ndarray:
    """Smooth overlap of atomic positions (A. Bartok et al., Phys. Rev. B 87, 184115 (2013)) by DScribe: cutoff 5
    Angstrom, n_max 6, l_max 4, averaged over the atoms, float64. Nothing reads it: it can only be searched for."""
    _need("dscribe")
    from ase import Atoms
    from dscribe.descriptors import SOAP

    symbols = element_symbols()
    species = [symbols[z] for z in np.unique(atoms.numbers)]
    describe = SOAP(species=species, r_cut=5.0, n_max=6, l_max=4, average="inner", periodic=atoms.cell is not None)
    cell = None if atoms.cell is None else np.array(atoms.cell)
    return describe.create(Atoms(np.array(atoms.numbers), np.array(atoms.positions), cell=cell, pbc=cell is not None))
