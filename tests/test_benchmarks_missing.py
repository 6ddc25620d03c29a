"""`motifdesk bench missing-atom`: any file of the two layouts, its summary keys, and one clear error for bad files."""

import argparse
from pathlib import Path

import numpy as np
import pytest

from motifdesk._bench import _load
from motifdesk.structures.corpora import corpus
from motifdesk.structures.errors import StructureError

bench = _load(Path(__file__).parent.parent / "benchmarks" / "bench_missing_atom.py")
METHANE = np.array([[0, 0, 0], [63, 63, 63], [63, -63, -63], [-63, 63, -63], [-63, -63, 63]]) * 1000


def bench_on(file, **arrays):
    np.savez(file, **arrays)
    return bench.run(argparse.Namespace(data=str(file), limit=1))


def molecule(**other):
    return {"natoms": [5], "gdb_id": [-1], "Z": [6, 1, 1, 1, 1], "pos_1e5A": METHANE} | other


def test_molecules_are_measured_by_size(tmp_path):
    summary = bench_on(tmp_path / "methane.npz", **molecule())["summary"]
    assert summary["molecules_5_18"] == 1 and summary["molecules_19"] == 0
    assert 0.0 <= summary["accuracy_5_18"] <= 1.0 and summary["mae_5_18"] >= 0.0
    for name in ("5_18", "19", "23", "25_29"):
        assert {f"accuracy_{name}", f"mae_{name}", f"mae_right_{name}"} <= set(summary)
    assert summary["accuracy_19"] is None


def test_molecules_that_were_trained_on_are_left_out(tmp_path):
    from motifdesk.data import path
    from motifdesk.networks.missing_training import load_missing

    _, about = load_missing(path("weights", "missing_molecules.safetensors"))
    assert len(about["ids"]) == 1000
    summary = bench_on(tmp_path / "seen.npz", **molecule(gdb_id=[int(about["ids"][0])]))["summary"]
    assert summary["molecules_5_18"] == 0


def test_crystals_are_measured_beside_a_baseline(tmp_path):
    salt = {"natoms": [2], "Z": [11, 17], "frac_1e6": [[0, 0, 0], [500000] * 3]}
    cell = 2.82 * np.array([[[0.0, 1, 1], [1, 0, 1], [1, 1, 0]]])
    summary = bench_on(tmp_path / "salt.npz", material_id=["mine"], lattice=cell, **salt)["summary"]
    assert summary["crystals"] == 1
    assert summary["place_baseline"] == 1.0 and summary["element_baseline"] == 0.0
    assert {"accuracy_crystals", "place_crystals", "element_crystals", "mae_crystals"} <= set(summary)
    seen = next(str(i) for i, d in zip(corpus("mp_20").ids, corpus("mp_20").development, strict=True) if not d)
    with pytest.raises(StructureError, match="no crystal is left"):
        bench_on(tmp_path / "seen.npz", material_id=[seen], lattice=cell, **salt)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"Z": [9, 1, 1, 1, 1]}, "structure -1 holds F, which the weights do not know"),
        ({"natoms": [4, 1], "gdb_id": [-1, -2]}, "molecule -2 has one atom"),
        ({"pos_1e5A": METHANE[:4]}, "5 atoms are announced"),
        ({"pos_1e5A": METHANE * np.nan}, "not finite"),
    ],
)
def test_molecules_that_cannot_be_asked_about_are_named(tmp_path, change, told):
    with pytest.raises(StructureError, match=told):
        bench_on(tmp_path / "bad.npz", **molecule(**change))


def test_files_that_are_none_are_told(tmp_path):
    without = molecule()
    del without["pos_1e5A"]
    with pytest.raises(StructureError, match="bad.npz: there is no array 'pos_1e5A'"):
        bench_on(tmp_path / "bad.npz", **without)
    (tmp_path / "text.npz").write_text("no archive")
    for name, told in (("text.npz", "not an .npz archive"), ("none.npz", "no such file")):
        with pytest.raises(StructureError, match=told):
            bench.run(argparse.Namespace(data=str(tmp_path / name), limit=1))
