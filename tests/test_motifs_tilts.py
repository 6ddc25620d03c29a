"""Published facts about rigid octahedra: their constraints, tilts, cells and space groups, through the public API."""

import itertools

import numpy as np
import pytest
from octahedra import TILT, A, Frame

from motifdesk.motifs import Distorter
from motifdesk.motifs.figures.measure import relative
from motifdesk.motifs.testing import assert_motifs_rigid, assert_symmetry_kept
from motifdesk.structures import space_group


@pytest.fixture(scope="module")
def frame() -> Frame:
    return Frame()


class Rigid:
    """All distances inside the octahedra, and the retraction x <- x - J^+ C(x) in displacements and strain."""

    def __init__(self, frame: Frame) -> None:
        self.structure = frame.structure
        first, second, image = [], [], []
        for motif in frame.octahedra:
            sites = [(motif.centre, (0, 0, 0)), *motif.ligands]
            for (a, s), (b, t) in itertools.combinations(sites, 2):
                first.append(a)
                second.append(b)
                image.append(np.subtract(t, s))
        self.first, self.second, self.image = np.array(first), np.array(second), np.array(image, dtype=float)
        self.strains = np.zeros((6, 3, 3))
        for n, (i, j) in enumerate(((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))):
            self.strains[n, i, j] = self.strains[n, j, i] = 1.0 if i == j else 0.5

    def jacobian(self, positions, cell):
        apart = positions[self.second] + self.image @ cell - positions[self.first]
        length = np.linalg.norm(apart, axis=1)
        along, rows = apart / length[:, None], np.arange(len(length))
        out = np.zeros((len(length), 3 * len(positions) + 6))
        for x in range(3):
            np.add.at(out, (rows, 3 * self.second + x), along[:, x])
            np.add.at(out, (rows, 3 * self.first + x), -along[:, x])
        out[:, -6:] = np.einsum("pi,sij,pj->ps", along, self.strains, apart)
        return out, length

    def retracted(self, moves):
        positions, cell = self.structure.cart_coords, self.structure.lattice.matrix
        wanted = self.jacobian(positions, cell)[1]
        positions = positions + moves
        steps = 0
        while np.abs(self.jacobian(positions, cell)[1] - wanted).max() > 1e-11 and steps < 10:
            steps += 1
            matrix, length = self.jacobian(positions, cell)
            step = -np.linalg.pinv(matrix, rcond=1e-9) @ (length - wanted)
            grow = np.eye(3) + np.einsum("s,sij->ij", step[-6:], self.strains)
            positions, cell = positions @ grow + step[:-6].reshape(-1, 3), cell @ grow
        return positions, cell, steps


def linear_tilt(frame: Frame, degrees):
    """Displacements u_O = omega x (a/2) e of the oxygens."""
    moves = np.zeros_like(frame.structure.cart_coords)
    for name, value in degrees.items():
        axis, phase = "xyz".index(name[0]), name[2:]
        omega = np.radians(value) * np.eye(3)[axis]
        others = [x for x in range(3) if x != axis] if phase == "in" else [0, 1, 2]
        part = {}
        for index, cell in zip(frame.targets, frame.cells, strict=True):
            motif = frame.graph.motifs[index]
            for ligand, bond in zip(motif.ligands, relative(frame.structure, motif), strict=True):
                part[ligand.site] = (-1) ** cell[others].sum() * np.cross(omega, bond)
        for site, move in part.items():
            moves[site] += move
    return moves


def test_frame_has_168_constraints_on_102_unknowns_and_nullity_nine(frame):
    rigid = Rigid(frame)
    matrix, _ = rigid.jacobian(frame.structure.cart_coords, frame.structure.lattice.matrix)
    assert matrix.shape == (168, 102)
    values = np.linalg.svd(matrix, compute_uv=False)
    assert 102 - int((values > 1e-8).sum()) == 9
    # three translations and the six tilts of the modes, all of them free
    free = [np.append(np.tile(np.eye(3)[x], 32), np.zeros(6)) for x in range(3)]
    for axis, phase in itertools.product("xyz", ("in", "out")):
        solved = frame.distorter.solve({m: 1e-5 for m in frame.tilts(**{f"{axis}_{phase}": 1.0})})
        free.append(np.append((solved.positions - frame.structure.cart_coords).ravel() / 1e-5, np.zeros(6)))
    assert np.abs(matrix @ np.array(free).T).max() < 1e-4
    assert np.linalg.matrix_rank(np.array(free), tol=1e-3) == 9


@pytest.mark.parametrize(
    ("degrees", "factors"),
    [
        ({"z_in": 9}, (0.98790, 0.98790, 1.0)),
        ({"z_out": 9}, (0.98790, 0.98790, 1.0)),
        ({"x_out": 6, "y_out": 6, "z_out": 6}, (0.98934, 0.98934, 0.98934)),
        ({"x_in": 9, "y_out": 7, "z_out": 7}, (0.98576, 0.98122, 0.98122)),
    ],
    ids=["a0a0c+", "a0a0c-", "a-a-a-", "a+b-b-"],
)
def test_cells_shrink_as_published_and_the_distorter_finds_the_same_cell(frame, degrees, factors):
    # the published factors belong to linear oxygen displacements, retracted onto rigid octahedra
    positions, cell, steps = Rigid(frame).retracted(linear_tilt(frame, degrees))
    np.testing.assert_allclose(np.linalg.norm(cell, axis=1) / (2 * A), factors, atol=6e-6)
    assert steps <= 3
    retracted = frame.structure.copy()
    retracted = type(retracted)(cell, retracted.species, positions, coords_are_cartesian=True)
    asked = {}
    for mode in frame.tilts(**degrees):
        shifts = [
            relative(retracted, frame.graph.motifs[i]) - relative(frame.structure, frame.graph.motifs[i])
            for i in frame.targets
        ]
        asked[mode] = np.mean([(s * v).sum() for s, (_, v) in zip(shifts, mode.targets, strict=True)])
    solved, made = frame.made(asked)
    assert solved.converged
    np.testing.assert_allclose(np.array(made.lattice.abc) / (2 * A), factors, atol=6e-6)


@pytest.mark.parametrize("phase", ["in", "out"])
def test_a_rigid_turn_of_nine_degrees_shrinks_the_cell_by_its_cosine(frame, phase):
    amplitudes = frame.tilts(**{f"z_{phase}": 9.0})
    solved, made = frame.made(amplitudes)
    assert solved.converged
    assert_motifs_rigid(frame.graph, solved, 1e-6)
    np.testing.assert_allclose(np.array(made.lattice.abc) / (2 * A), [np.cos(np.radians(9))] * 2 + [1], atol=1e-6)
    for mode, asked in amplitudes.items():
        assert solved.achieved[mode.key] == pytest.approx(asked, abs=1e-6)


@pytest.mark.parametrize(
    ("tilts", "symbol"),
    [
        ({}, "Pm-3m"),
        ({"z_in": 8}, "P4/mbm"),
        ({"y_in": 6, "z_in": 6}, "I4/mmm"),
        ({"x_in": 6, "y_in": 6, "z_in": 6}, "Im-3"),
        ({"x_in": 4, "y_in": 6, "z_in": 8}, "Immm"),
        ({"x_in": 6, "y_in": 6, "z_out": 8}, "P4_2/nmc"),
        ({"y_in": 6, "z_out": 8}, "Cmcm"),
        ({"x_in": 9, "y_out": 7, "z_out": 7}, "Pnma"),
        ({"x_in": 9, "y_out": 5, "z_out": 7}, "P2_1/m"),
        ({"z_out": 8}, "I4/mcm"),
        ({"y_out": 6, "z_out": 6}, "Imma"),
        ({"x_out": 6, "y_out": 6, "z_out": 6}, "R-3c"),
        ({"y_out": 5, "z_out": 8}, "C2/m"),
        ({"x_out": 5, "y_out": 7, "z_out": 7}, "C2/c"),
        ({"x_out": 4, "y_out": 6, "z_out": 8}, "P-1"),
    ],
    ids=(
        "a0a0a0 a0a0c+ a0b+b+ a+a+a+ a+b+c+ a+a+c- a0b+c- a+b-b- a+b-c- a0a0c- a0b-b- a-a-a- a0b-c- a-b-b- a-b-c-"
    ).split(),
)
@pytest.mark.parametrize("keep", [None, "request"])
def test_all_fifteen_tilt_systems_have_the_howard_stokes_group(frame, tilts, symbol, keep):
    # Howard and Stokes, Acta Cryst. B54, 782 (1998); groups at 1e-4 Angstrom
    distorter = frame.distorter if keep is None else Distorter(frame.structure, frame.graph, keep=keep)
    amplitudes = frame.tilts(**tilts)
    solved, made = frame.made(amplitudes, distorter)
    assert solved.converged and solved.cost.max() < 2e-3
    if symbol != "P4_2/nmc":  # a+a+c- with these mean turns takes 0.001 Angstrom of the octahedra
        assert solved.cost.max() < 1e-6
    assert space_group(made, 1e-4).symbol == symbol
    if keep and tilts:
        assert_symmetry_kept(frame.structure, made, solved.operations, atol=1e-9)
        assert space_group(made, 1e-6).symbol == symbol


def test_uniform_turn_is_no_mode_of_the_frame(frame):
    solved, made = frame.made({frame.mode(TILT["z"], ""): 0.3})
    assert max(map(abs, solved.achieved.values())) < 1e-6
    assert space_group(made, 1e-4).symbol == "Pm-3m"
