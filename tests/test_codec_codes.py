"""Codes: what they must not depend on, what they keep, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from motifdesk.codec import Codec, Codes, concatenate, load_codec
from motifdesk.codec.codes import ROOT_WIDTH, SYMMETRY
from motifdesk.codec.lattice import block_to_cell, cell_to_block, matching_bases, niggli_cell
from motifdesk.motifs import find_motifs
from motifdesk.networks.testing import random_rotation
from motifdesk.structures.arrays import AtomArrays, from_arrays, to_arrays
from motifdesk.structures.corpora import corpus
from motifdesk.structures.errors import CodecError, MotifDeskWarning
from motifdesk.structures.read import read


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec.untrained(0)


@pytest.fixture(scope="module")
def crystals() -> list[AtomArrays]:
    table = corpus("mp_20")
    return [table[k] for k in range(0, 4000, 700)]


def test_codes_do_not_see_rotation_origin_order_or_cell_choice(codec, crystals):
    rng = np.random.default_rng(0)
    reference = codec.encode(crystals)
    changed = []
    for a in crystals:
        turn, order = random_rotation(rng), rng.permutation(len(a))
        basis = np.array([[1, 0, 0], [1, 1, 0], [-1, 2, 1]]) @ a.cell  # unimodular: another cell of the same lattice
        positions = (a.positions + rng.integers(-2, 3, (len(a), 3)) @ a.cell + rng.normal(size=3))[order]
        changed.append(AtomArrays(a.numbers[order], positions @ turn.T, basis @ turn.T))
    codes = codec.encode(changed)
    assert np.abs(codes.geometry - reference.geometry).max() < 5e-4
    assert np.abs(codes.lattice - reference.lattice).max() < 1e-5
    assert (codes.counts == reference.counts).all()


def test_geometry_does_not_see_supercells(codec, crystals):
    a = crystals[1]
    doubled = AtomArrays(
        np.tile(a.numbers, 2), np.concatenate([a.positions, a.positions + a.cell[0]]), np.diag([2, 1, 1]) @ a.cell
    )
    one, two = codec.encode([a, doubled])
    assert np.abs(one.geometry - two.geometry).max() < 5e-4
    assert (two.counts == 2 * one.counts).all()


def test_different_structures_have_different_codes(codec, crystals):
    codes = codec.encode(crystals)
    distance = np.square(codes.geometry[:, None] - codes.geometry[None]).mean(-1) + np.eye(len(codes))
    assert distance.min() > 1e-3


def test_batches_do_not_mix(codec, crystals):
    together = codec.encode(crystals)
    for k, a in enumerate(crystals):
        assert np.abs(codec.encode(a).root - together[k].root).max() < 1e-4


def test_lattice_block_and_cell_are_inverse():
    rng = np.random.default_rng(0)
    for _ in range(20):
        cell = rng.normal(size=(3, 3)) * 4
        if abs(np.linalg.det(cell)) < 20:
            continue
        block = cell_to_block(cell, 6)
        back = block_to_cell(block.astype(np.float32), 6)
        assert np.allclose(cell_to_block(back, 6), block, atol=1e-5)
        assert abs(abs(np.linalg.det(back)) / abs(np.linalg.det(cell)) - 1) < 1e-5
        reduced, matrix = niggli_cell(cell)
        assert np.allclose(np.sort(np.linalg.norm(back, axis=1)), np.sort(np.linalg.norm(reduced, axis=1)), rtol=1e-5)
        assert abs(np.linalg.det(matrix)) == pytest.approx(1.0)


def test_interpolated_lattice_blocks_are_cells():
    a = cell_to_block(np.diag([3.0, 4.0, 9.0]), 4)
    b = cell_to_block(np.array([[4.0, 0, 0], [2.0, 3.5, 0], [1.0, 1.0, 6.0]]), 4)
    for t in np.linspace(0, 1, 7):
        cell = block_to_cell((1 - t) * a + t * b, 4)
        assert np.log(np.linalg.det(cell) / 4) == pytest.approx((1 - t) * a[1] + t * b[1])


def test_matching_bases_undo_a_change_of_basis():
    cell = np.array([[4.0, 0, 0], [0.3, 4.5, 0], [0.2, 0.1, 6.0]])
    other = np.array([[0, 1, 0], [1, 0, 0], [0, 0, -1]]) @ cell
    matrix = matching_bases(other, cell)[0]
    assert np.allclose((matrix @ other) @ (matrix @ other).T, cell @ cell.T)


def test_molecules_are_flagged_and_have_no_cell(codec):
    codes = codec.encode(corpus("qm9").structure(5))
    assert not codes.is_crystal[0]
    assert block_to_cell(codes.lattice[0], 3) is None


def test_one_atom_and_two_hundred_atoms(codec):
    copper = AtomArrays(np.array([29]), np.zeros((1, 3)), np.array([[0, 1.8, 1.8], [1.8, 0, 1.8], [1.8, 1.8, 0]]))
    grid = np.stack(np.meshgrid(*[range(k) for k in (5, 8, 5)], indexing="ij"), -1).reshape(-1, 3)
    big = AtomArrays(np.full(200, 29), grid @ copper.cell, np.diag([5, 8, 5]) @ copper.cell)
    one, many = codec.encode([copper, big])
    assert np.abs(one.geometry - many.geometry).max() < 1e-3
    assert np.isfinite(codec.encode(AtomArrays(np.array([2]), np.zeros((1, 3)))).root).all()  # a lone atom, no edge


def test_codes_survive_saving(codec, crystals, tmp_path):
    codes = codec.encode(crystals)
    codes = Codes(codes.root, tuple(np.full((k, 192), k, np.float32) for k in range(len(codes))), codes.version)
    path = codes.save(tmp_path / "codes.safetensors")
    back = Codes.load(path)
    assert (back.root == codes.root).all() and back.version == codes.version
    assert [m.shape for m in back.motifs] == [m.shape for m in codes.motifs]
    assert all((a == b).all() for a, b in zip(back.motifs, codes.motifs, strict=True))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["codes.safetensors"]
    joined = concatenate([back[0], back[1:3]])
    assert len(joined) == 3 and (joined.root == codes.root[:3]).all()


def test_codes_refuse_what_is_no_code(codec, crystals, tmp_path):
    codes = codec.encode(crystals[:1])
    with pytest.raises(CodecError, match="486"):
        Codes(np.zeros((1, 100)))
    with pytest.raises(CodecError, match="NaN"):
        Codes(np.full((2, ROOT_WIDTH), np.nan))
    with pytest.raises(CodecError, match="untrained-0"):
        Codec.untrained(1).decode(codes)
    with pytest.raises(CodecError, match="no atoms"):
        codec.decode(np.zeros((1, ROOT_WIDTH), np.float32))
    wild = codes.root.copy()
    wild[0, 95] = 50.0
    with pytest.raises(CodecError, match="volume"):
        codec.decode(wild)
    for content in (b"", b"not safetensors at all"):
        bad = tmp_path / "bad.safetensors"
        bad.write_bytes(content)
        with pytest.raises(CodecError, match="bad.safetensors"):
            Codes.load(bad)
        with pytest.raises(CodecError, match="bad.safetensors"):
            load_codec(bad)
    with pytest.raises(CodecError, match="missing.safetensors"):
        load_codec(tmp_path / "missing.safetensors")
    with pytest.raises(CodecError, match="cannot write"):
        codes.save(tmp_path / "no" / "such" / "folder")
    with pytest.raises(CodecError, match="device"):
        load_codec(device="abacus")


def test_encode_refuses_what_has_no_code(codec):
    cell = np.eye(3) * 4
    with pytest.raises(CodecError, match="95"):
        codec.encode(AtomArrays(np.array([95]), np.zeros((1, 3)), cell))
    with pytest.raises(CodecError, match="apart|one site"):
        codec.encode(AtomArrays(np.array([8, 8]), np.array([[0, 0, 0], [0, 0, 0.05]]), cell))
    with pytest.raises(CodecError, match="nothing"):
        codec.encode([])
    with pytest.raises(CodecError, match="structure 1"):
        codec.encode([AtomArrays(np.array([8]), np.zeros((1, 3)), cell), "rutile"])
    partly = from_arrays(AtomArrays(np.array([8]), np.zeros((1, 3)), cell))
    partly.replace(0, {"O": 0.5})
    with pytest.raises(CodecError, match="partly occupied"):
        codec.encode(partly)


def test_the_bundled_weights_load_and_predict(crystals):
    codec = load_codec(device="cpu")
    codes = codec.encode([*crystals, corpus("qm9")[3]])
    assert codes.version == codec.version and len(codec.version) == 16
    found = codec.predict(codes)
    assert found
    for values in found.values():
        assert np.isfinite(values[:-1]).all() and np.isnan(values[-1])


def test_motif_codes_are_read_at_motif_centres_and_do_not_see_rotation(codec):
    structure = read("beta-Li2IrO3.cif", cell="primitive")
    codes = codec.encode([structure, read("NaCl.cif", cell="primitive")], motifs=True)
    graph = find_motifs(structure)
    assert codes.motifs[0].shape == (len(graph.motifs), 192) and len(codes.motifs[1]) > 0
    a = to_arrays(structure)
    turn = random_rotation(np.random.default_rng(1))
    turned = codec.encode(from_arrays(AtomArrays(a.numbers, a.positions @ turn.T, a.cell @ turn.T)), motifs=True)
    assert np.abs(turned.motifs[0] - codes.motifs[0]).max() < 1e-3
    iridium = [k for k, m in enumerate(graph.motifs) if a.numbers[m.centre] == 77]
    lithium = [k for k, m in enumerate(graph.motifs) if a.numbers[m.centre] == 3]
    if lithium:
        assert np.abs(codes.motifs[0][iridium[0]] - codes.motifs[0][lithium[0]]).max() > 0.05
    equivalent = codes.motifs[0][iridium]
    assert np.abs(equivalent - equivalent[0]).max() < 1e-2


def test_out_of_gpu_memory_goes_on_on_the_cpu():
    made = Codec.untrained(0)
    made.device = torch.device("cuda")  # as if it ran on one
    calls = []

    def work() -> str:
        calls.append(made.device.type)
        if len(calls) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return "done"

    with pytest.warns(MotifDeskWarning, match="GPU memory"):
        assert made._guarded(work) == "done"
    assert calls == ["cuda", "cpu"]
    assert np.isfinite(made.encode(read("NaCl.cif", cell="primitive")).root).all()


def test_roots_from_before_the_symmetry_block_are_read(codec, crystals, tmp_path):
    codes = codec.encode(crystals[:2])
    old = Codes(codes.root[:, : SYMMETRY.start], (), codes.version)
    assert old.root.shape == codes.root.shape and not old.symmetry.any()
    assert (old.root[:, : SYMMETRY.start] == codes.root[:, : SYMMETRY.start]).all()
    tensors = {
        "root": np.ascontiguousarray(codes.root[:, : SYMMETRY.start]),
        "motifs": np.zeros((0, 192), np.float32),
        "motif_counts": np.zeros(2, np.int64),
    }
    save_file(tensors, tmp_path / "old.safetensors", {"format": "motifdesk-codes-1", "weights": codes.version})
    assert (Codes.load(tmp_path / "old.safetensors").root == old.root).all()
