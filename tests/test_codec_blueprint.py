"""The symmetry block of a root: canonical, exact, of no use to a forger; decodes that start from it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pymatgen.analysis.structure_matcher import StructureMatcher

from motifdesk.codec import Codec
from motifdesk.codec.blueprint import TOLERANCE, blueprint_block, primitive_cell, read_blueprint
from motifdesk.codec.codes import SYMMETRY, Codes
from motifdesk.codec.decode import goal_of
from motifdesk.codec.jacobian import GeometryMap
from motifdesk.codec.lattice import metric_symmetries, niggli_cell
from motifdesk.codec.orbits import OrbitMap, lattice_shifts
from motifdesk.codec.symmetric import blueprint_search
from motifdesk.codec.wyckoff import group_table
from motifdesk.networks.testing import random_rotation
from motifdesk.structures.arrays import AtomArrays, to_arrays
from motifdesk.structures.corpora import corpus
from motifdesk.structures.read import read

STRICT = StructureMatcher(stol=0.2, angle_tol=5, ltol=0.1)


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec.untrained(0)


def example(name: str) -> AtomArrays:
    return to_arrays(read(name, cell="primitive"))


def counts_of(numbers: np.ndarray) -> np.ndarray:
    return np.bincount(numbers, minlength=95)[1:95]


def parsed(a: AtomArrays):  # noqa: ANN201
    return read_blueprint(blueprint_block(a.numbers, a.positions, a.cell), counts_of(a.numbers))


@pytest.mark.parametrize(
    ("name", "number", "sites", "free"),
    [
        ("NaCl.cif", 225, ((11, "a", 1), (17, "b", 1)), 0),
        ("Si.cif", 227, ((14, "a", 1),), 0),
        ("rutile-TiO2.cif", 136, ((8, "f", 1), (22, "a", 1)), 1),
        ("SrTiO3.cif", 221, ((8, "c", 1), (22, "a", 1), (38, "b", 1)), 0),
        ("quartz-SiO2.cif", 154, ((8, "c", 1), (14, "a", 1)), 4),
        ("CaTiO3.cif", 62, ((8, "c", 1), (8, "d", 1), (20, "c", 1), (22, "a", 1)), 7),
    ],
)
def test_prototypes_have_the_sites_of_the_textbook(name, number, sites, free):
    found = parsed(example(name))
    assert found.number == number and found.multiple == 1 and found.free == free
    letters = {(z, letter) for z, letter, _ in found.sites}
    # several origins are right: Ca may be on a and Ti on b or the other way round
    assert letters == {(z, letter) for z, letter, _ in sites} or number in (62, 221)
    assert sum(count for _, _, count in found.sites) == sum(count for _, _, count in sites)


def test_the_block_does_not_see_rotation_origin_order_or_cell_choice():
    rng = np.random.default_rng(0)
    for name, step in (("mp_20", 130), ("mpts_52", 240), ("perov_5", 400), ("carbon_24", 120)):
        table = corpus(name)
        for k in range(0, len(table), step * 4):
            a = table[k]
            turn, order = random_rotation(rng), rng.permutation(len(a))
            basis = np.array([[1, 0, 0], [1, 1, 0], [-1, 2, 1]]) @ a.cell
            positions = (a.positions + rng.integers(-2, 3, (len(a), 3)) @ a.cell + rng.normal(size=3))[order]
            block = blueprint_block(a.numbers, a.positions, a.cell)
            other = blueprint_block(a.numbers[order], positions @ turn.T, basis @ turn.T)
            assert (block == other).all(), f"{name} {table.ids[k]}"


def test_a_supercell_has_the_sites_of_its_primitive_cell():
    a = example("rutile-TiO2.cif")
    big = np.array([[2, 0, 0], [0, 1, 0], [1, 0, 2]])
    shifts = np.array([[i, 0, j] for i in range(-1, 4) for j in range(-1, 4)])
    inside = np.all([(f := shifts @ np.linalg.inv(big)) > -1e-9, f < 1 - 1e-9], axis=(0, 2))
    positions = (a.positions[:, None] + (shifts[inside] @ a.cell)[None]).reshape(-1, 3)
    doubled = AtomArrays(np.repeat(a.numbers, 4), positions, big @ a.cell)
    one, four = parsed(a), parsed(doubled)
    assert four.multiple == 4 and one.multiple == 1
    assert four.number == one.number and four.sites == one.sites
    cell, symmetrised = primitive_cell(four, niggli_cell(doubled.cell)[0])
    assert abs(np.linalg.det(cell)) == pytest.approx(a.volume, rel=1e-6)
    assert np.allclose(cell, symmetrised, atol=1e-6)


def test_slight_distortions_carry_their_parents_symmetry():
    a = example("SrTiO3.cif")
    rng = np.random.default_rng(0)
    shaken = AtomArrays(a.numbers, a.positions + rng.uniform(-0.2, 0.2, (5, 3)) * TOLERANCE, a.cell)
    assert parsed(shaken).number == 221
    torn = AtomArrays(a.numbers, a.positions + rng.uniform(-10, 10, (5, 3)) * TOLERANCE, a.cell)
    assert parsed(torn).number == 1


def test_molecules_and_the_opt_out_have_no_blueprint(codec):
    block = codec.encode(corpus("qm9")[5]).symmetry[0]  # bonds, which no crystal's blueprint is
    assert block[0] < 0 and read_blueprint(block, codec.encode(corpus("qm9")[5]).counts[0]) is None
    assert not codec.encode(example("NaCl.cif"), symmetry=False).symmetry.any()
    assert blueprint_search(goal_of(codec.encode(corpus("qm9")[5])), np.zeros(58), codec._arrays) == (None, "")


def test_tables_agree_with_the_operations_of_moyo():
    for number in (1, 2, 14, 47, 62, 146, 166, 194, 205, 227, 230):
        table = group_table(number)
        for position in table.positions.values():
            t = np.full(position.free, 0.137)
            orbit = position.directions @ t + position.place
            images = np.einsum("gij,nj->gni", table.rotations, orbit) + table.translations[:, None]
            difference = images[:, :, None] - orbit[None, None]
            assert (np.abs(difference - np.rint(difference)).max(-1).min(-1) < 1e-9).all()


@pytest.mark.parametrize("name", ["quartz-SiO2.cif", "rutile-TiO2.cif", "NaCl.cif"])
def test_the_code_over_free_coordinates_is_the_code_of_all_atoms(codec, name):
    a = example(name)
    goal = goal_of(codec.encode(a))
    search, note = blueprint_search(goal, blueprint_block(a.numbers, a.positions, a.cell), codec._arrays)
    assert not note
    orbits = OrbitMap(codec._arrays, search.orbits, search.cell, dtype=torch.float64)
    t = torch.from_numpy(np.random.default_rng(0).random((3, orbits.free)))
    code, slope, cost, terms = orbits(t, jacobian=True)
    whole = GeometryMap(codec._arrays, search.orbits.numbers)
    cells = torch.from_numpy(search.cell).expand(3, 3, 3).contiguous()
    expected, _ = whole(torch.from_numpy(search.orbits.fractional(t.numpy()) @ search.cell), cells)
    assert (code - expected).abs().max() < 1e-10
    for p in range(orbits.free):
        step = torch.zeros_like(t)
        step[:, p] = 1e-6
        ahead, _, high, _ = orbits(t + step)
        behind, _, low, _ = orbits(t - step)
        assert ((ahead - behind) / 2e-6 - slope[:, :, p]).abs().max() < 1e-5 * slope.abs().max()
        assert ((high - low) / 2e-6 - 2 * terms[:, p, -1]).abs().max() < 1e-5


def test_translations_within_reach_are_complete():
    cell = niggli_cell(np.array([[3.0, 0, 0], [1.4, 2.8, 0], [0.3, -1.0, 5.0]]))[0]
    rng = np.random.default_rng(0)
    shifts = lattice_shifts(cell, 4.0)
    wide = np.stack(np.meshgrid(*[np.arange(-6, 7)] * 3, indexing="ij"), -1).reshape(-1, 3) @ cell
    for _ in range(50):
        difference = (rng.random(3) - rng.random(3)) @ cell
        near = np.linalg.norm(difference + shifts, axis=1) < 4.0
        assert near.sum() == (np.linalg.norm(difference + wide, axis=1) < 4.0).sum()


def test_metric_symmetries_are_the_lattices_rotations():
    assert len(metric_symmetries(np.eye(3) * 4)) == 24
    assert len(metric_symmetries(np.diag([3.0, 4.0, 5.0]))) == 4
    assert len(metric_symmetries(niggli_cell(example("Si.cif").cell)[0])) == 24


@pytest.mark.parametrize("name", ["quartz-SiO2.cif", "rutile-TiO2.cif", "SrTiO3.cif", "anatase-TiO2.cif"])
def test_decodes_from_the_blueprint_alone(codec, name):
    structure = read(name, cell="primitive")
    made = codec.decode(codec.encode(structure), proposals=("symmetry",), max_seconds=None)[0]
    assert made.converged and made.source.startswith("symmetry, space group") and not made.note
    assert STRICT.get_rms_dist(structure, made.require())[0] < 0.005


def test_a_cell_that_is_not_primitive_decodes_through_its_primitive_part(codec):
    structure = read("rutile-TiO2.cif", cell="primitive").make_supercell([2, 1, 1], in_place=False)
    structure.perturb(1e-6)
    made = codec.decode(codec.encode(structure), proposals=("symmetry",), max_seconds=None)[0]
    assert made.converged and len(made.structure) == 12
    assert STRICT.get_rms_dist(structure, made.structure)[0] < 0.005


def test_a_blueprint_that_is_slightly_wrong_does_not_hold_the_atoms(codec):
    a = example("SrTiO3.cif")
    moved = a.positions.copy()
    moved[a.numbers == 22] += [0.0, 0.0, 0.05]
    polar = AtomArrays(a.numbers, moved, a.cell)
    code = codec.encode(polar).root.copy()
    code[:, SYMMETRY] = blueprint_block(a.numbers, a.positions, a.cell)  # the cubic parent's
    made = codec.decode(Codes(code, (), codec.version), proposals=("symmetry",), max_seconds=None)[0]
    assert made.converged
    landed = codec.encode(made.structure, symmetry=False)
    assert np.square(landed.geometry - code[:, : SYMMETRY.start][:, 102:]).mean() < 1e-6


def forgeries(block: np.ndarray) -> dict[str, np.ndarray]:
    made = {
        name: block.copy() for name in ("number", "letter", "element", "count", "cell", "huge", "blend", "nonsense")
    }
    made["number"][0] = 230
    made["letter"][11] = 27
    made["element"][10] = 79
    made["count"][12] = 7
    made["cell"][1:10] = [0, 1, 0, 1, 0, 0, 0, 0, 1]
    made["huge"][1] = 1e30
    made["blend"] *= 0.5
    made["nonsense"][:] = np.random.default_rng(0).normal(size=58) * 100
    return made


def test_forged_blueprints_are_told_and_never_give_a_wrong_structure(codec):
    structure = read("rutile-TiO2.cif", cell="primitive")
    honest = codec.encode(structure)
    notes = {}
    for name, block in forgeries(honest.symmetry[0]).items():
        root = honest.root.copy()
        root[0, SYMMETRY] = block
        made = codec.decode(Codes(root, (), codec.version), proposals=("symmetry", "corpus"), max_seconds=8.0)[0]
        notes[name] = made.note
        assert made.converged and STRICT.fit(structure, made.structure), name
    assert "not used" in notes["element"] and "not used" in notes["count"] and "not used" in notes["nonsense"]
    # a block of another crystal of the same counts and cell is believed, tried and found out by its residual
    root = honest.root.copy()
    root[0, SYMMETRY] = 0
    root[0, SYMMETRY.start : SYMMETRY.start + 16] = [225, 1, 0, 0, 0, 1, 0, 0, 0, 1, 8, 3, 1, 22, 1, 1]
    made = codec.decode(root, proposals=("symmetry",), max_seconds=3.0)[0]
    assert not made.converged


def test_one_atom_and_two_hundred_atoms_decode_in_the_time_given(codec):
    copper = AtomArrays(np.array([29]), np.zeros((1, 3)), np.array([[0, 1.8, 1.8], [1.8, 0, 1.8], [1.8, 1.8, 0]]))
    one = codec.decode(codec.encode(copper), max_seconds=None)[0]
    assert one.converged and len(one.structure) == 1
    grid = np.stack(np.meshgrid(*[range(k) for k in (5, 8, 5)], indexing="ij"), -1).reshape(-1, 3)
    big = AtomArrays(np.full(200, 29), grid @ copper.cell, np.diag([5, 8, 5]) @ copper.cell)
    many = codec.decode(codec.encode(big), max_seconds=5.0)[0]  # two hundred primitive cells: nothing to search
    assert many.converged and len(many.structure) == 200 and many.source.startswith("symmetry")
    rng = np.random.default_rng(0)
    glass = AtomArrays(big.numbers, big.positions + rng.normal(scale=0.3, size=(200, 3)), big.cell)
    lost = codec.decode(codec.encode(glass), proposals=("symmetry",), max_seconds=1.0)[0]
    assert not lost.converged
