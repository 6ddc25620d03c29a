"""Ways to write a structure down: what turns, what does not, and what can be read back."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rdkit")
pytest.importorskip("dscribe")

from motifdesk.structures import AtomArrays, StructureError, read, to_arrays
from motifdesk.structures.representations import (
    Representation,
    compare,
    coordinates,
    deviation,
    fingerprint,
    from_bond_graph,
    from_coordinates,
    from_image,
    from_smiles,
    image,
    smiles,
    standard,
)


@pytest.fixture(scope="module")
def benzene() -> AtomArrays:
    return to_arrays(read("benzene.xyz"))


@pytest.fixture(scope="module")
def silicon() -> AtomArrays:
    return to_arrays(read("Si.cif", cell="primitive"))


def test_benzene_written_in_six_ways(benzene: AtomArrays) -> None:
    rows = {row.name: row for row in compare(benzene)}
    assert smiles(benzene) == "c1ccccc1" and rows["SMILES"].bytes == 8
    unchanged = {name for name, row in rows.items() if row.rotation == "unchanged"}
    assert unchanged == {"fingerprint", "SMILES", "bond graph", "SOAP"}
    assert rows["coordinates"].rotation == "turns along" and rows["coordinates"].back < 1e-12
    assert rows["image"].rotation == "becomes another" and rows["image"].back > 0.1
    assert rows["SMILES"].back < 0.05 and rows["bond graph"].back < 0.05  # a force field's benzene, not this one
    assert rows["fingerprint"].back is None and rows["SOAP"].back is None


def test_silicon_has_no_smiles_but_a_graph(silicon: AtomArrays) -> None:
    rows = {row.name: row for row in compare(silicon)}
    assert "molecules" in rows["SMILES"].applies and "molecules" in rows["fingerprint"].applies
    assert rows["bond graph"].rotation == rows["SOAP"].rotation == "unchanged"
    assert 0.05 < rows["bond graph"].back < 0.4  # the right net with guessed lengths
    assert rows["coordinates"].back < 1e-12
    assert rows["image"].back == np.inf


def test_the_standard_realisation_of_silicons_net_is_diamond(silicon: AtomArrays) -> None:
    from motifdesk.structures import from_arrays, space_group
    from motifdesk.structures.representations import bond_graph

    made = from_bond_graph(bond_graph(silicon))
    assert space_group(from_arrays(made)).number == 227


def test_a_flat_molecule_can_be_read_from_an_image_but_not_from_the_side(benzene: AtomArrays) -> None:
    assert deviation(benzene, from_image(image(benzene))) < 0.2
    side = AtomArrays(benzene.numbers, benzene.positions[:, [2, 0, 1]])
    assert deviation(benzene, from_image(image(side))) > 0.3


def test_two_molecules_may_share_one_fingerprint(benzene: AtomArrays) -> None:
    annulene = from_smiles("c1ccccccccccccccccc1")  # [18]annulene
    assert len(annulene) == 36
    from rdkit import Chem
    from rdkit.Chem import rdFingerprintGenerator

    make = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    bits = make.GetFingerprintAsNumPy(Chem.MolFromSmiles("c1ccccccccccccccccc1"))
    assert np.array_equal(np.packbits(bits.astype(bool)), fingerprint(benzene))


def test_deviation_does_not_feel_turns_order_or_cell_but_every_move(silicon: AtomArrays, benzene: AtomArrays) -> None:
    order = np.random.default_rng(0).permutation(12)
    assert deviation(benzene, AtomArrays(benzene.numbers[order], benzene.positions[order] + 5.0)) < 1e-12
    moved = np.array(benzene.positions)
    moved[0] += 0.1
    assert deviation(benzene, AtomArrays(benzene.numbers, moved)) > 0.01
    conventional = to_arrays(read("Si.cif", cell="conventional"))
    assert len(conventional) == 8
    assert deviation(silicon, conventional) < 1e-3
    assert deviation(silicon, AtomArrays(silicon.numbers, 1.01 * silicon.positions, 1.01 * silicon.cell)) > 0.01
    assert deviation(silicon, benzene) == np.inf


def test_a_reader_that_lies_is_found_out(benzene: AtomArrays) -> None:
    def read_wrongly(written: tuple) -> AtomArrays:
        right = from_coordinates(written)
        return AtomArrays(right.numbers, right.positions * 1.1)

    row = compare(benzene, [Representation("wrong", coordinates, read_wrongly)])[0]
    assert row.back > 0.1 and row.rotation == "becomes another"


def test_the_codecs_own_ways_come_back(benzene: AtomArrays, silicon: AtomArrays) -> None:
    from motifdesk.codec import load_codec
    from motifdesk.codec.representations import point_of_tensors, root_code
    from motifdesk.data import path
    from motifdesk.networks.motif_autoencoder import load_motif_weights

    ways = [
        root_code(load_codec(device="cpu")),
        point_of_tensors(load_motif_weights(path("weights", "motifs.safetensors"))[0]),
    ]
    root, point = compare(benzene, ways)
    assert root.rotation == "unchanged" and root.back < 0.01
    assert point.rotation == "turns along" and point.back < 1e-3
    root, point = compare(silicon, ways)
    assert root.back < 0.01 and "finite cluster" in point.applies


def test_bad_input_is_told() -> None:
    radical = AtomArrays([7, 7, 7], np.array([[0, 0, 0], [0.2, 0, 0], [0, 0.2, 0]]))
    rows = {row.name: row for row in compare(radical, standard()[:2])}
    assert "RDKit finds no" in rows["SMILES"].applies
    with pytest.raises(StructureError):
        compare("benzene")
    with pytest.raises(StructureError, match="no SMILES"):
        from_smiles("c1ccccc")
    with pytest.raises(StructureError, match="has no bonds"):
        from_bond_graph((np.array([1, 1], np.uint8), np.zeros((0, 3), np.uint8)))
    with pytest.raises(StructureError, match="RDKit refuses"):
        from_bond_graph((np.array([1, 1, 1], np.uint8), np.array([[0, 1, 2], [0, 2, 2]], np.uint8)))
    with pytest.raises(StructureError, match="order 4.5"):
        from_bond_graph((np.array([6, 6], np.uint8), np.array([[0, 1, 9]], np.uint8)))
