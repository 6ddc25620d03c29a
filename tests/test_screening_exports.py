"""Reports and exports: self-contained, escaped, and readable by those they are made for."""

import csv
import json
import re

import numpy as np
import pytest

from motifdesk import cli
from motifdesk.screening import Campaign, Candidate, Energy, Plan, ScreeningError, Store, Verdict
from motifdesk.screening.exporting import espresso_input, export_shortlist, optimade, shortlist, to_ase_db, vasp_input
from motifdesk.screening.plots import _texts, _ticks
from motifdesk.screening.report import html_report, write_report
from motifdesk.structures import AtomArrays, read, to_arrays

NASTY = "<script>alert(1)</script>"


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "s.sqlite")
    cs = []
    for k, name in enumerate(["rutile-TiO2.cif", "NaCl.cif", "SrTiO3.cif", "Si.cif"]):
        arrays = to_arrays(read(name))
        energy = Energy("test", -5.0 - k, True, 0.05, 7, above_hull=0.3 - 0.1 * k if k < 3 else None, note="against X")
        figures = {"spacegroup": 100 + k, "density": 4.0, "motif": NASTY, "x": float(k), "y": 2.0, "novel": k == 1}
        recipe = {"kind": "test", "parent": NASTY}
        cs.append(Candidate(NASTY, 0, k, recipe, arrays, None, (Verdict("size", True),), energy, figures=figures))
    cs.append(Candidate("bad", 0, 0, error=f"calculator: {NASTY}"))
    made.put(cs)
    made.mark([(NASTY, 0, 2, {"duplicate_of": f"{NASTY}/0/0"})])
    return made


def test_the_shortlist_is_the_best_without_duplicates_and_unknown_ones_last(store):
    assert [c.index for c in shortlist(store)] == [1, 0, 3]
    assert [c.index for c in shortlist(store, 1)] == [1]


def test_the_report_is_one_file_with_everything_escaped(store, tmp_path):
    text = html_report(store)
    assert NASTY not in text and "&lt;script&gt;" in text
    assert not re.search(r"<(script|link|img|iframe)|https?://|\bon\w+=", text)
    assert text.count("<figure><svg") == 2 and text.count("<svg") == 3 + 2 + 1  # the table, map and hull, one key
    assert "1 duplicates" in text and "1 error" in text
    assert write_report(store, tmp_path / "deep" / "r.html").read_text() == text


def test_an_empty_store_has_a_report_too(tmp_path):
    assert "The store is empty" in html_report(Store(tmp_path / "none.sqlite"))


def test_a_shortlist_is_files_a_table_and_recipes(store, tmp_path):
    folder = export_shortlist(store, tmp_path / "out", inputs=True)
    with open(folder / "table.csv") as f:
        rows = list(csv.DictReader(f))
    assert [r["formula"] for r in rows] == ["NaCl", "TiO2", "Si"]
    for r in rows:
        assert read(folder / r["file"]).composition.reduced_formula == r["formula"]
    assert json.loads((folder / "recipes.json").read_text())["candidates"][0]["recipe"]["kind"] == "test"
    from pymatgen.core import Structure

    flow = json.loads((folder / "flows.json").read_text())[1]
    assert np.allclose(Structure.from_dict(flow["structure"]).lattice.matrix, read("rutile-TiO2.cif").lattice.matrix)
    assert len(list((folder / "vasp").glob("*/POSCAR"))) == 3 and len(list((folder / "espresso").glob("*.in"))) == 3
    with pytest.raises(ScreeningError, match="not empty"):
        export_shortlist(store, folder)


def test_optimade_answers_hold_what_the_specification_asks(store):
    entry = optimade(shortlist(store))["data"][1]
    a = entry["attributes"]
    assert entry["type"] == "structures" and a["chemical_formula_reduced"] == "O2Ti"
    assert a["chemical_formula_anonymous"] == "A2B" and a["nsites"] == 6 and a["elements"] == ["O", "Ti"]
    assert a["elements_ratios"] == pytest.approx([2 / 3, 1 / 3]) and a["dimension_types"] == [1, 1, 1]
    assert np.array(a["cartesian_site_positions"]).shape == (6, 3)


def test_dft_inputs_read_back_as_the_same_crystal(store, tmp_path):
    from ase.io import read as ase_read

    c = shortlist(store)[1]
    folder = vasp_input(c, tmp_path / "v")
    assert sorted(p.name for p in folder.iterdir()) == ["INCAR", "KPOINTS", "POSCAR", "POTCAR.spec"]
    assert read(folder / "POSCAR").volume == pytest.approx(c.final.volume)
    back = ase_read(espresso_input(c, tmp_path / "pw.in"), format="espresso-in")
    assert back.get_volume() == pytest.approx(c.final.volume) and back.get_chemical_formula() == "O4Ti2"


def test_a_left_handed_cell_is_handed_over_right_handed_with_every_atom_in_its_place(store, tmp_path):
    from ase.io import read as ase_read
    from pymatgen.io.vasp import Poscar

    c = shortlist(store)[1]
    mirrored = c.with_(relaxed=AtomArrays(c.arrays.numbers, c.arrays.positions, -c.arrays.cell))
    poscar = Poscar.from_file(vasp_input(mirrored, tmp_path / "v") / "POSCAR").structure
    pw = ase_read(espresso_input(mirrored, tmp_path / "pw.in"), format="espresso-in")
    for cell in (poscar.lattice.matrix, pw.cell, optimade([mirrored])["data"][0]["attributes"]["lattice_vectors"]):
        assert np.linalg.det(cell) > 0
    assert np.allclose(pw.positions, c.arrays.positions)


def test_axes_carry_few_round_numbers_around_the_data():
    for low, high in ((0.13, 0.87), (-6.48, -5.94), (3.0, 3.0), (-1e-4, 2e-4), (12.0, 9120.0)):
        ticks = _ticks(low, high)
        assert ticks[0] <= low and ticks[-1] >= high and 2 <= len(ticks) <= 7
        assert len(set(_texts(ticks))) == len(ticks)
        assert np.allclose([float(t.replace("−", "-")) for t in _texts(ticks)], ticks)


def test_ase_opens_the_database(store, tmp_path):
    from ase.db import connect

    assert to_ase_db(store, tmp_path / "a.db") == 4
    (salt,) = connect(tmp_path / "a.db").select("Na")
    assert salt.above_hull == pytest.approx(0.2) and salt.spacegroup == 101


def test_the_command_runs_reports_exports_and_says_where_it_stands(tmp_path, capsys):
    (tmp_path / "plan.toml").write_text(
        '[campaign]\nmap = false\n[[generate]]\nkind = "family"\nfamily = "spinel"\n'
        'parameters = {a = [8.0, 8.1], centre = ["Mg", "Zn"]}\n'
    )
    plan, report = str(tmp_path / "plan.toml"), str(tmp_path / "r.html")
    assert cli.main(["screen", plan, "--status"]) == 0
    assert "0 of 4" in capsys.readouterr().out
    command = ["screen", plan, "--workers", "0", "--quiet", "--report", report, "--export", str(tmp_path / "out")]
    assert cli.main(command) == 0
    out = capsys.readouterr().out
    assert "4 candidates: 4 passed; 2 duplicates" in out
    assert len(list((tmp_path / "out").glob("*.cif"))) == 2
    assert cli.main(["screen", str(tmp_path / "none.toml")]) == 2
    assert "no such plan" in capsys.readouterr().err


def test_a_hundred_thousand_candidates_are_a_table_at_once(tmp_path):
    """The map's columns come without structures being parsed."""
    store = Store(tmp_path / "many.sqlite")
    c = shortlist_of_one(tmp_path)
    row = store._db
    store.put(c)
    row.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 99999) INSERT INTO candidates "
        "(generator, seed, idx, id, status, reason, x, y, error, structure) "
        "SELECT 'g', 0, i, 'g/0/' || i, 'passed', '', i, -i, '', (SELECT structure FROM candidates) FROM n"
    )
    row.commit()
    t = store.table(["x", "y", "above_hull"], "x IS NOT NULL")
    assert len(t["x"]) == 99_999 and t["x"][10] == 11.0 and np.isnan(t["above_hull"]).all()
    assert len(html_report(store)) < 2_000_000


def shortlist_of_one(tmp_path):
    campaign = Campaign(Plan.make({"generate": [{"kind": "family", "family": "fluorite"}]}, tmp_path))
    return campaign.generators[0].make(0)
