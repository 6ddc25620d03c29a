"""Code trees: children at the motifs, structures from root and children, one motif edited."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from motifdesk import read
from motifdesk.codec import Codec, Codes, concatenate, load_codec
from motifdesk.codec.children import Children, children_of, motif_autoencoder, standard_frame
from motifdesk.codec.editing import edit_motif
from motifdesk.codec.shells import MAX_NEIGHBOURS, shells_of
from motifdesk.codec.tree import assemble, decode_children
from motifdesk.motifs import find_motifs
from motifdesk.networks.polynomials import turning
from motifdesk.networks.testing import random_rotation
from motifdesk.structures.arrays import AtomArrays, from_arrays, to_arrays
from motifdesk.structures.corpora import corpus
from motifdesk.structures.errors import CodecError


@pytest.fixture(scope="module")
def codec() -> Codec:
    return load_codec(device="cpu")


def apart(structure, decoded: AtomArrays) -> float:
    """Largest distance (Angstrom) of an atom from its own after decoding, in the frame of the children."""
    from scipy.optimize import linear_sum_assignment

    a = to_arrays(structure)
    origin, cell, turn = standard_frame(a)
    delta = ((a.positions - origin) @ turn)[:, None] - decoded.positions[None]
    if cell is not None:
        delta = delta - np.rint(delta @ np.linalg.inv(cell)) @ cell
    cost = np.linalg.norm(delta, axis=-1) + 100.0 * (a.numbers[:, None] != decoded.numbers[None])
    return float(cost[linear_sum_assignment(cost)].max())


FILES = ["SrTiO3.cif", "alpha-Li2IrO3.cif", "quartz-SiO2.cif", "Si.cif", "benzene.xyz", "Zn-oxalate-dihydrate.cif"]


@pytest.mark.parametrize("name", FILES)
def test_shells_cover_every_atom_and_hold_at_most_fourteen_neighbours(name: str) -> None:
    structure = read(name)
    shells = shells_of(structure)
    covered = {s.centre for s in shells} | {int(k) for s in shells for k in s.sites}
    assert covered == set(range(len(structure)))
    assert max(len(s) for s in shells) <= MAX_NEIGHBOURS
    x = to_arrays(structure).positions
    for shell in shells[:3]:
        assert np.allclose(np.linalg.norm(shell.offsets, axis=1) > 0.5, True)
        if name.endswith("xyz"):
            assert np.allclose(x[shell.sites] - x[shell.centre], shell.offsets)


@pytest.mark.parametrize("name", FILES)
def test_root_and_children_give_the_structure_without_any_corpus(codec: Codec, name: str) -> None:
    structure = read(name, **({} if name.endswith("xyz") else {"cell": "primitive"}))
    codes = codec.encode(structure, motifs=True)
    made = codec.decode(codes)[0]
    assert made.converged and made.source.endswith("motifs") and made.tried == 1
    assert apart(structure, made.arrays) < 0.02
    assert "agree within" in made.note


def test_molecules_that_were_not_trained_on_come_back_atom_by_atom(codec: Codec) -> None:
    data = corpus("qm9")
    members = np.flatnonzero(data.development)[[3, 40, 90, 150]]
    structures = [data.structure(int(k)) for k in members]
    codes = codec.encode(structures, motifs=True)
    for structure, made in zip(structures, codec.decode(codes), strict=True):
        assert made.converged
        assert apart(structure, made.arrays) < 0.01


def test_children_of_a_turned_crystal_are_the_same_and_those_of_a_molecule_turn() -> None:
    matrix = random_rotation(np.random.default_rng(0))

    def turned(structure):
        a = to_arrays(structure)
        return from_arrays(AtomArrays(a.numbers, a.positions @ matrix.T, None if a.cell is None else a.cell @ matrix.T))

    crystal = read("alpha-Li2IrO3.cif", cell="primitive")
    before, after = children_of(crystal), children_of(turned(crystal))
    assert before.frame == "niggli"
    place = {tuple(np.round(c, 3) % 1.0): k for k, c in enumerate(after.centres)}
    for k, centre in enumerate(before.centres):
        other = place[tuple(np.round(centre, 3) % 1.0)]
        assert np.abs(before.tensors[k] - after.tensors[other]).max() < 2e-3
    molecule = read("benzene.xyz")
    before, after = children_of(molecule), children_of(turned(molecule))
    assert before.frame == "input"
    d = turning(motif_autoencoder()[0].irreps, torch.from_numpy(matrix)).numpy()
    assert np.abs(before.tensors @ d.T - after.tensors).max() < 1e-4
    assert np.abs(before.centres @ matrix.T - after.centres).max() < 1e-5


def test_trees_survive_slicing_joining_and_the_disk(codec: Codec, tmp_path) -> None:
    structures = [read("Si.cif", cell="primitive"), read("benzene.xyz")]
    codes = codec.encode(structures, motifs=True)
    assert [len(c) for c in codes.children] == [2, 6]
    assert codes[1].children[0].frame == "input"
    joined = concatenate([codes[1], codes[0]])
    assert [len(c) for c in joined.children] == [6, 2]
    again = Codes.load(codes.save(tmp_path / "codes.safetensors"))
    for a, b in zip(again.children, codes.children, strict=True):
        assert a.frame == b.frame and a.version == b.version
        assert np.array_equal(a.tensors, b.tensors) and np.array_equal(a.centres, b.centres)
    plain = codec.encode(structures)
    assert plain.children == () and Codes.load(plain.save(tmp_path / "plain.safetensors")).children == ()


def test_root_only_leaves_the_children_aside(codec: Codec) -> None:
    structure = read("NaCl.cif", cell="primitive")
    codes = codec.encode(structure, motifs=True)
    assert "motifs" not in codec.decode(codes, root_only=True)[0].source
    assert "motifs" in codec.decode(codes)[0].source


def test_damaged_children_are_noticed_and_the_root_answers(codec: Codec) -> None:
    codes = codec.encode(read("rutile-TiO2.cif", cell="primitive"), motifs=True)
    child = codes.children[0]
    tensors = child.tensors.copy()
    tensors[:, 40:] += np.random.default_rng(0).normal(size=tensors[:, 40:].shape)
    bad = replace(codes, children=(replace(child, tensors=tensors),))
    alone = decode_children(bad, codec._arrays)
    made = codec.decode(bad)[0]
    assert made.converged or not alone.converged
    assert apart(read("rutile-TiO2.cif", cell="primitive"), made.arrays) < 0.5 or not made.converged
    # a shell that lost its oxygen: atoms are missing, and it says so
    fewer = replace(codes, children=(replace(child, tensors=np.tile(_empty(), (len(child), 1))),))
    told = decode_children(fewer, codec._arrays)
    assert told.structure is None and not told.converged and "0 places" in told.note
    assert codec.decode(fewer)[0].converged


def _empty() -> np.ndarray:
    from motifdesk.networks.clusters import Clusters

    nothing = Clusters(torch.zeros(1, 1, dtype=torch.int64), torch.zeros(1, 1, 3))
    with torch.no_grad():
        return motif_autoencoder()[0].encode(nothing).numpy()


def test_children_that_do_not_fit_are_refused(codec: Codec) -> None:
    codes = codec.encode(read("Si.cif", cell="primitive"), motifs=True)
    child = codes.children[0]
    with pytest.raises(CodecError, match="do not fit together"):
        Children(child.numbers[:1], child.centres, child.tensors, "niggli")
    with pytest.raises(CodecError, match="NaN"):
        replace(child, tensors=np.full_like(child.tensors, np.nan))
    with pytest.raises(CodecError, match="frame"):
        replace(child, frame="lab")
    with pytest.raises(CodecError, match="encode the structure again|Encode the structure again"):
        codec.decode(replace(codes, children=(replace(child, version="other"),)))
    with pytest.raises(CodecError, match="sets of children"):
        replace(codes, children=(child, child))


# ------------------------------------------------------------------------------------------------------ editing


def octahedron(codec: Codec, name: str = "quartz-SiO2.cif") -> tuple[Codes, int]:
    codes = codec.encode(read(name, cell="primitive"), motifs=True)
    return codes, 0


def test_one_tetrahedron_stretched_pulls_its_network_along(codec: Codec) -> None:
    codes, index = octahedron(codec)
    made = edit_motif(codes, index, stretch=(0, 1.06))
    assert made.residual[index] < 0.2 * made.before[index]
    assert made.residual.max() < made.before.max()
    graph = find_motifs(made.structure)
    assert sorted(m.formula for m in graph.motifs) == ["SiO4"] * 3  # still a network of tetrahedra
    assert {link.kind for link in graph.links} == {"corner"}
    lengths = np.sort(np.linalg.norm(np.diff(graph.motifs[0].positions(made.structure)[[0, 1]], axis=0), axis=1))
    assert np.isfinite(lengths).all() and 0.005 < made.moved.max() < 0.5


def test_an_edit_that_asks_for_nothing_moves_nothing(codec: Codec) -> None:
    codes, index = octahedron(codec)
    made = edit_motif(codes, index, stretch=((0, 0, 1), 1.0))
    assert made.moved.max() < 1e-3 and np.abs(made.strain).max() < 1e-4 and made.residual.max() < 1e-8
    same = edit_motif(codes, index, ligands=lambda z, x: x)
    assert same.moved.max() < 1e-3


def test_a_heavier_weight_and_a_fixed_cell_are_obeyed(codec: Codec) -> None:
    codes, index = octahedron(codec, "rutile-TiO2.cif")
    light, heavy = (edit_motif(codes, index, stretch=(0, 1.08), weight=w) for w in (1.0, 20.0))
    assert heavy.residual[index] < light.residual[index]
    fixed = edit_motif(codes, index, stretch=(0, 1.08), free_cell=False)
    assert np.array_equal(fixed.strain, np.zeros((3, 3)))
    assert fixed.residual[index] > light.residual[index]
    assert "motif 0" in repr(fixed)


def test_a_code_may_be_blended_towards_another_of_the_same_formula(codec: Codec) -> None:
    codes, index = octahedron(codec)
    child = codes.children[0]
    stretched = edit_motif(codes, index, stretch=(0, 1.08)).targets.tensors[index]
    half = edit_motif(codes, index, blend=(stretched, 0.5))
    full = edit_motif(codes, index, blend=(stretched, 1.0))
    assert half.before[index] < full.before[index]
    assert half.residual.max() < full.before[index]
    titanium = codec.encode(read("rutile-TiO2.cif", cell="primitive"), motifs=True).children[0]
    with pytest.raises(CodecError, match="other neighbours"):
        edit_motif(codes, index, blend=(titanium.tensors[0], 0.5))
    assert len(child) == 3


def test_edits_without_sense_are_refused(codec: Codec) -> None:
    codes, index = octahedron(codec)
    for words, arguments in (
        ("no motif 9", {"index": 9, "stretch": (0, 1.1)}),
        ("one edit at a time", {"index": 0}),
        ("no ligand 7", {"index": 0, "stretch": (7, 1.1)}),
        ("no direction", {"index": 0, "stretch": ((0, 0, 0), 1.1)}),
        ("shape", {"index": 0, "ligands": np.zeros((3, 3))}),
        ("not finite", {"index": 0, "ligands": np.full((4, 3), np.nan)}),
    ):
        with pytest.raises(CodecError, match=words):
            edit_motif(codes, **arguments)
    with pytest.raises(CodecError, match="without children"):
        edit_motif(codec.encode(read("Si.cif")), 0, stretch=(0, 1.1))


def test_motifs_agree_about_the_ligands_they_share(codec: Codec) -> None:
    structure = read("alpha-Li2IrO3.cif", cell="primitive")
    codes = codec.encode(structure, motifs=True)
    counts = np.rint(codes.counts[0]).astype(int)
    made = assemble(codes.children[0], counts, standard_frame(to_arrays(structure))[1])
    assert made.disagreement < 1e-3 and made.note == ""
    x, cell = made.arrays.positions, made.arrays.cell
    for k, (sites, images) in enumerate(zip(made.ligands, made.images, strict=True)):
        assert np.abs(x[sites] + images @ cell - x[made.centres[k]] - made.offsets[k]).max() < 2e-3
