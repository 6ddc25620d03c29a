"""Molecules from the root alone: the bonds in the symmetry block, conformers from them, the certificate over both."""

from __future__ import annotations

import numpy as np
import pytest

from motifdesk.codec import load_codec
from motifdesk.codec.bonds import bond_block, read_bonds
from motifdesk.codec.codes import SYMMETRY, Codes
from motifdesk.codec.conformers import bounds, conformers
from motifdesk.structures.arrays import AtomArrays
from motifdesk.structures.corpora import corpus


@pytest.fixture(scope="module")
def codec():
    return load_codec(device="cpu")


def counts(numbers):
    return np.bincount(numbers, minlength=95)[1:95]


def bonds_of(a):
    return read_bonds(bond_block(a.numbers, a.positions), counts(a.numbers))


def cube(edge=1.57):
    """Cubane: eight like centres with 48 symmetries."""
    corners = np.array(np.meshgrid(*[[-0.5, 0.5]] * 3)).reshape(3, -1).T * edge
    out = corners * (1 + 1.09 / np.linalg.norm(corners[0]))
    return AtomArrays(np.repeat([6, 1], 8), np.concatenate([corners, out]))


def test_the_bonds_depend_on_neither_order_nor_orientation():
    rng = np.random.default_rng(0)
    table = corpus("qm9")
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    for a in [*(table[k] for k in range(0, len(table), 400)), cube()]:
        block = bond_block(a.numbers, a.positions)
        order = rng.permutation(len(a))
        assert block.any() and (bond_block(a.numbers[order], a.positions[order] @ turn + 3.0) == block).all()


def test_the_bonds_are_read_back_as_they_were():
    table = corpus("qm9")
    for a in [*(table[k] for k in range(0, len(table), 400)), cube()]:
        read = bonds_of(a)
        degree = np.bincount(read.pairs.ravel(), minlength=len(a))
        # the graph as the bonds' ends see it: elements and their neighbours' elements
        distance = np.linalg.norm(a.positions[:, None] - a.positions[None], axis=-1)
        from motifdesk.codec.radii import COVALENT_RADII as radii

        near = (distance < 1.2 * (radii[a.numbers][:, None] + radii[a.numbers])) & (distance > 0)
        assert sorted(zip(read.numbers, degree, strict=True)) == sorted(zip(a.numbers, near.sum(1), strict=True))
        ours = sorted(tuple(sorted(read.numbers[p])) for p in read.pairs)
        assert ours == sorted(tuple(sorted(a.numbers[[i, j]])) for i, j in np.argwhere(np.triu(near)))


def test_different_isomers_have_different_bonds():
    table = corpus("qm9")
    formulas: dict[bytes, list[int]] = {}
    for k in range(0, 2500):
        formulas.setdefault(counts(table.numbers(k)).tobytes(), []).append(k)
    group = max(formulas.values(), key=len)[:60]
    blocks = {bond_block(table[k].numbers, table[k].positions).tobytes() for k in group}
    assert len(blocks) > 0.9 * len(group)  # the rest are conformers and diastereomers


def test_forged_blocks_are_no_bonds():
    a = corpus("qm9")[900]
    block, right = bond_block(a.numbers, a.positions), counts(a.numbers)
    assert read_bonds(block, right) is not None
    for change in ((0, 0.5), (0, -57.0), (1, 2.0**24), (1, -8.0), (2, 0.0), (57, 49.0), (1, np.nan)):
        forged = block.copy()
        forged[change[0]] = change[1]
        assert read_bonds(forged, right) is None, change
    assert read_bonds(block, right + np.eye(94, dtype=int)[0]) is None
    assert read_bonds(0.5 * (block + bond_block(cube().numbers, cube().positions)), right) is None
    assert read_bonds(np.zeros(58), right) is None


def test_what_the_slots_cannot_hold_stays_unknown():
    n = 60  # a chain of carbon: more centres than slots
    line = np.stack([1.4 * np.arange(n), np.zeros(n), np.zeros(n)], axis=1)
    assert not bond_block(np.full(n, 6), line).any()
    assert bond_block(np.full(20, 6), line[:20]).any()


def test_conformers_keep_the_bonds_and_differ():
    rng = np.random.default_rng(0)
    for a in (corpus("qm9")[3000], cube()):
        bonds = bonds_of(a)
        made = conformers(bonds, 12, rng)
        assert made.shape == (12, len(a), 3) and np.isfinite(made).all()
        lower, upper = bounds(bonds)
        distance = np.linalg.norm(made[:, :, None] - made[:, None], axis=-1)
        off = np.maximum(distance - upper, 0) + np.maximum(lower - distance, 0)
        assert np.median(off.max((1, 2))) < 0.35
        spread = distance[:, *np.triu_indices(len(a), 1)]
        if len(np.unique(bonds.numbers)) > 2:
            assert np.abs(spread[0] - spread[1:]).max(1).min() > 0.05


def test_odd_molecules_have_starts_too():
    rng = np.random.default_rng(1)
    lone = AtomArrays(np.array([18]), np.zeros((1, 3)))
    hydrogen = AtomArrays(np.array([1, 1]), np.array([[0, 0, 0], [0.74, 0, 0]]))
    apart = AtomArrays(np.array([8, 1, 1, 18]), np.array([[0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0], [0, 0, 4.0]]))
    for a in (lone, hydrogen, apart):
        made = conformers(bonds_of(a), 4, rng)
        assert made.shape == (4, len(a), 3) and np.isfinite(made).all()


def test_molecules_come_back_from_the_root_alone_without_a_corpus(codec):
    table = corpus("qm9")
    development = [int(k) for k in np.flatnonzero(table.development) if 12 <= table.natoms[k] <= 16]
    certified = 0
    for k in development[:3]:
        code = codec.encode(table[k])
        made = codec.decode(code, proposals=("free",), max_seconds=30.0, root_only=True)[0]
        certified += made.converged
        if made.converged:
            assert made.source.startswith("bonds")
            ours, theirs = (
                np.sort(np.linalg.norm(x[:, None] - x[None], axis=-1), axis=None)
                for x in (made.arrays.positions, table[k].positions)
            )
            assert np.abs(ours - theirs).max() < 0.01
    assert certified >= 2


def test_bonds_of_another_molecule_are_no_result(codec):
    table = corpus("qm9")
    a = table[900]
    right = bond_block(a.numbers, a.positions)
    others = (k for k in range(len(table)) if k != 900 and (counts(table.numbers(k)) == counts(a.numbers)).all())
    blocks = (bond_block(table[k].numbers, table[k].positions) for k in others)
    wrong = next(b for b in blocks if (b != right).any())
    root = codec.encode(a).root.copy()
    root[0, SYMMETRY] = wrong
    made = codec.decode(Codes(root, (), codec.version), proposals=("symmetry",), max_seconds=6.0)[0]
    back = codec.encode(made.arrays, symmetry=False)
    assert made.converged == (made.residual <= 1e-8)
    assert np.square(back.geometry - root[:, 102:486]).mean() == pytest.approx(made.residual, rel=0.05, abs=1e-7)


def test_blends_of_bonds_are_said_to_be_none(codec):
    a, b = corpus("qm9")[900], cube()
    root = codec.encode(a).root.copy()
    root[0, SYMMETRY] = bond_block(b.numbers, b.positions)
    made = codec.decode(Codes(root, (), codec.version), proposals=("symmetry",), max_seconds=2.0)[0]
    assert not made.converged and "not of this composition" in made.note
