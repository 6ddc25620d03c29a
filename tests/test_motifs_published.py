"""Published numbers for motifs, measures, tilts and rigid frames that the other motif tests do not hold already.

Signs and the naming of equivalent axes are convention: magnitudes are compared.
"""

from __future__ import annotations

import gzip
import itertools
import json
from functools import cache
from importlib.resources import files

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from motifdesk.motifs import Distorter, distortion_modes, find_motifs, measure_motif
from motifdesk.motifs.figures.measure import relative, van_vleck
from motifdesk.structures import read, space_group

A = 3.9

# minerals -------------------------------------------------------------------------------------------------------------


def aflow(label: str) -> Structure:
    """A structure of the AFLOW library of crystallographic prototypes, as pymatgen carries it."""
    return Structure.from_dict(next(x["snl"] for x in _library() if x["tags"]["aflow"] == label))


@cache
def _library() -> list[dict]:
    # importing pymatgen's own door to it builds 300 structures, in ten seconds
    file = files("pymatgen.analysis") / "prototypes" / "aflow_prototypes.json.gz"
    return json.loads(gzip.decompress(file.read_bytes()))


def around(structure: Structure, element: str):
    graph = find_motifs(structure)
    motif = next(m for m in graph.motifs if graph.element(m.centre) == element)
    return graph, motif, measure_motif(structure, motif)


@pytest.mark.parametrize(
    ("label", "element", "symbol", "volume", "elongation", "variance"),
    [
        ("A2BC4_cF56_227_d_a_e", "Al", "O:6", 9.371, 1.0108, 40.79),
        ("A2B3_hR10_167_c_e", "Al", "O:6", 9.076, 1.0203, 67.31),
        ("A2B_hP9_152_c_a", "Si", "T:4", 2.138, 1.0002, 0.87),
        ("A4BC_tI24_141_h_b_a", "Si", "T:4", 2.118, 1.0237, 97.31),
        ("A2B_tP6_136_f_a", "Ti", "O:6", 9.892, 1.0081, 28.37),
    ],
    ids=["spinel", "corundum", "quartz", "zircon", "rutile"],
)
def test_polyhedra_of_the_prototype_minerals(label, element, symbol, volume, elongation, variance):
    _, motif, found = around(aflow(label), element)
    assert motif.symbol == symbol
    assert found.volume == pytest.approx(volume, abs=6e-4)
    assert found.quadratic_elongation == pytest.approx(elongation, abs=6e-5)
    assert found.bond_angle_variance == pytest.approx(variance, abs=6e-3)


@pytest.mark.parametrize(
    ("make", "element", "expected"),
    [
        (lambda: aflow("A2B_tP6_136_f_a"), "Ti", 0.400),
        (lambda: read("CaTiO3.cif"), "Ti", 0.086),
        (lambda: aflow("A2BC4_cF56_227_d_a_e"), "Al", 0.542),
        (lambda: aflow("A2BC4_cF56_227_d_a_e"), "Mg", 0.000),
        (lambda: aflow("A2B_hP9_152_c_a"), "Si", 0.012),
    ],
    ids=["rutile", "CaTiO3", "spinel-Al", "spinel-Mg", "quartz"],
)
def test_symmetry_measures_are_chemenvs_to_three_decimals(make, element, expected):
    _, motif, _ = around(make(), element)
    assert motif.csm == pytest.approx(expected, abs=5.1e-4)


def test_zircon_shares_edges_and_corners_between_silicon_and_zirconium():
    graph, silicon, _ = around(aflow("A4BC_tI24_141_h_b_a"), "Si")
    assert graph.sharing(silicon) == {("edge", "Zr"): 2, ("corner", "Zr"): 4}


def test_potassium_copper_fluoride_by_its_own_formulas():
    """lambda of a right-angled octahedron is the arithmetic over the geometric mean of its squared half axes."""
    structure = read("KCuF3.cif")
    _, motif, found = around(structure, "Cu")
    lengths = np.sort(np.linalg.norm(relative(structure, motif), axis=1))
    np.testing.assert_allclose(lengths, np.repeat([0.2284, 7.8456 / 4 / 5.855 / 2**0.5, 0.2716], 2) * 5.855 * 2**0.5)
    squares = lengths[::2] ** 2
    assert found.quadratic_elongation == pytest.approx(squares.mean() / np.prod(squares) ** (1 / 3), abs=1e-9)
    assert found.bond_angle_variance == pytest.approx(0.0, abs=1e-9)
    q = van_vleck(relative(structure, motif))
    assert (abs(q[1]), abs(q[2])) == pytest.approx((0.35771, 0.12546), abs=6e-6)


# the rigid frame ------------------------------------------------------------------------------------------------------


class Frame:
    """2x2x2 corner-sharing octahedra (ReO3) with tilts of each octahedron from the rotation modes of its own."""

    def __init__(self) -> None:
        cell = Structure(
            Lattice.cubic(A), ["Re", "O", "O", "O"], [[0.5] * 3, [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
        )
        self.structure = cell * (2, 2, 2)
        self.graph = find_motifs(self.structure)
        modes = distortion_modes(self.structure, self.graph.motifs[0], "orbit", graph=self.graph)
        self.modes = {}
        for mode in modes:
            if mode.block == "rotation":
                turn = np.cross(relative(self.structure, self.graph.motifs[0]), mode.vectors).sum(axis=0)
                self.modes["xyz"[int(np.abs(turn).argmax())]] = mode
        centres = self.structure.frac_coords[[m.centre for m in self.graph.motifs]]
        self.cells = np.floor(centres * 2 + 1e-6).astype(int)

    def sign(self, axis: str, phase: str) -> np.ndarray:
        """'+' about x: (-1)^(j + k), in phase along the axis; '-': (-1)^(i + j + k)."""
        kept = [n for n in range(3) if phase == "-" or "xyz"[n] != axis]
        return (-1) ** self.cells[:, kept].sum(axis=1)

    def character(self, axis: str, phase: str) -> list[int]:
        targets = [index for index, _ in self.modes[axis].targets]
        signs = self.sign(axis, phase)[targets]
        return [int(s) for s in signs * signs[0]]

    def linear(self, tilts: dict[str, tuple[str, float]]) -> Structure:
        """Oxygens displaced along the arcs: by each of its two octahedra an oxygen must be moved the same way."""
        moved = np.full((len(self.structure), 3), np.nan)
        moved[[m.centre for m in self.graph.motifs]] = 0.0
        wanted = {m.index: np.zeros((6, 3)) for m in self.graph.motifs}
        for axis, (phase, degrees) in tilts.items():
            signs = self.sign(axis, phase)
            mode = self.modes[axis]
            size = np.radians(degrees) * (A / 2) / np.abs(mode.vectors).max()
            for index, vectors in mode.targets:
                wanted[index] += signs[index] * size * vectors
        for motif in self.graph.motifs:
            for ligand, vector in zip(motif.ligands, wanted[motif.index], strict=True):
                if np.isfinite(moved[ligand.site]).all():
                    np.testing.assert_allclose(moved[ligand.site], vector, atol=1e-9)
                moved[ligand.site] = vector
        return Structure(
            self.structure.lattice,
            self.structure.species,
            self.structure.cart_coords + moved,
            coords_are_cartesian=True,
        )


@pytest.fixture(scope="module")
def frame() -> Frame:
    return Frame()


HOWARD_STOKES = {
    "a0a0a0": "Pm-3m", "a0a0c+": "P4/mbm", "a0b+b+": "I4/mmm", "a+a+a+": "Im-3", "a+b+c+": "Immm",
    "a+a+c-": "P4_2/nmc", "a0b+c-": "Cmcm", "a+b-b-": "Pnma", "a+b-c-": "P2_1/m", "a0a0c-": "I4/mcm",
    "a0b-b-": "Imma", "a-a-a-": "R-3c", "a0b-c-": "C2/m", "a-b-b-": "C2/c", "a-b-c-": "P-1",
}  # fmt: skip


@pytest.mark.parametrize("glazer", sorted(HOWARD_STOKES))
def test_howard_and_stokes_tilt_systems_from_the_rotation_modes_of_octahedra(frame, glazer):
    angles = {"a": 9.0, "b": 7.0, "c": 5.0}
    tilts = {
        axis: (phase, angles[letter])
        for axis, letter, phase in zip("xyz", glazer[::2], glazer[1::2], strict=True)
        if phase != "0"
    }
    assert space_group(frame.linear(tilts), 1e-4).symbol == HOWARD_STOKES[glazer]


def test_corner_sharing_frame_has_nine_ways_to_move_without_stretching(frame):
    """The rigidity matrix of all distances inside the octahedra: 168 x 102, three translations and six tilts free."""
    sites = frame.structure.cart_coords
    cell = frame.structure.lattice.matrix
    rows = []
    for motif in frame.graph.motifs:
        members = [(motif.centre, (0, 0, 0)), *motif.ligands]
        for (a, home), (b, image) in itertools.combinations(members, 2):
            bond = sites[b] + np.array(image) @ cell - sites[a] - np.array(home) @ cell
            bond /= np.linalg.norm(bond)
            row = np.zeros((len(sites) + 2, 3))
            row[b] += bond
            row[a] -= bond
            full = np.linalg.norm(sites[b] + np.array(image) @ cell - sites[a] - np.array(home) @ cell)
            strain = full * np.outer(bond, bond)
            row[-2] = np.diag(strain)
            row[-1] = 2 * np.array([strain[1, 2], strain[0, 2], strain[0, 1]])
            rows.append(row.ravel())
    jacobian = np.array(rows)
    assert jacobian.shape == (168, 102)
    assert 102 - np.linalg.matrix_rank(jacobian, tol=1e-9) == 9


@pytest.mark.parametrize(
    ("tilts", "cell"),
    [
        ({"z": ("+", 9)}, (0.98790, 0.98790, 1.0)),
        ({"x": ("-", 6), "y": ("-", 6), "z": ("-", 6)}, (0.98934,) * 3),
        ({"x": ("+", 9), "y": ("-", 7), "z": ("-", 7)}, (0.98576, 0.98122, 0.98122)),
    ],
    ids=["a0a0c+", "a-a-a-", "a+b-b-"],
)
def test_tilted_frames_shrink_by_themselves_as_published(frame, tilts, cell):
    """Published for oxygens moved by angle times a/2 and then retracted to the nearest rigid turn, arctan of it all."""
    turn = np.radians([tilts.get(axis, ("+", 0))[1] for axis in "xyz"])
    size = float(np.linalg.norm(turn))
    amplitudes = {}
    for axis, (phase, _) in tilts.items():
        modes = distortion_modes(
            frame.structure, frame.graph.motifs[0], "orbit", graph=frame.graph, character=frame.character(axis, phase)
        )
        mode = next(m for m in modes if m.key.endswith(frame.modes[axis].key.split(":", 2)[2]))
        amplitudes[mode] = 2 * (A / 2) * np.sin(np.arctan(size)) * turn["xyz".index(axis)] / size
    solved = Distorter(frame.structure, frame.graph).solve(amplitudes)
    assert solved.converged and solved.cost.max() < 1e-6
    lengths = np.linalg.norm(solved.cell, axis=1) / (2 * A)
    # in phase and out of phase do not commute: which rigid state is the nearest is convention to second order
    np.testing.assert_allclose(lengths, cell, atol=3e-4 if len(set(tilts.values())) > 1 else 5e-5)
