"""A store as columns: searched, sorted, starred, and 'passed' compared after relaxing."""

import csv

import numpy as np
import pytest

from motifdesk.screening import Candidate, Energy, ScreeningError, Store, Verdict
from motifdesk.screening.listing import Listing, export_starred
from motifdesk.structures import read, to_arrays

NAMES = ["rutile-TiO2.cif", "NaCl.cif", "SrTiO3.cif", "Si.cif", "Na2IrO3.cif"]


@pytest.fixture
def path(tmp_path):
    with Store(tmp_path / "s.sqlite") as store:
        for k, name in enumerate(NAMES):
            arrays = to_arrays(read(name))
            energy = Energy("test", -5.0 - k, True, 0.05, 7, above_hull=[0.3, 0.1, 0.2, None, 0.05][k])
            verdicts = (Verdict("contacts", k != 4, "too short"),)
            figures = {"spacegroup": 100 + k, "density": 4.0, "novel": k == 1}
            if k < 3:
                figures |= {"x": float(k), "y": 2.0}
            generator = "odd" if k % 2 else "even"
            store.put(Candidate(generator, 0, k, {"kind": "test"}, arrays, None, verdicts, energy, figures=figures))
        store.put(Candidate("even", 0, 9, error="calculator: it threw"))
        store.mark([("even", 0, 2, {"duplicate_of": "even/0/0"})])
    return tmp_path / "s.sqlite"


@pytest.fixture
def listing(path):
    made = Listing(path)
    yield made
    made.close()


def ids(listing, query="", **order):
    return [str(listing.columns["id"][k]) for k in listing.search(query, **order)]


def test_passed_come_first_then_the_lowest_and_what_is_unknown_last(listing):
    assert ids(listing) == ["odd/0/1", "even/0/2", "even/0/0", "odd/0/3", "even/0/4", "even/0/9"]
    assert ids(listing, by="energy_per_atom", descending=False)[:4] == ["odd/0/3", "even/0/2", "odd/0/1", "even/0/0"]
    assert ids(listing, "passed", by="above_hull", descending=True) == ["even/0/0", "even/0/2", "odd/0/1", "odd/0/3"]
    with pytest.raises(ScreeningError, match="sorted"):
        listing.search("", by="beauty")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("O", {0, 2, 4}),
        ("O -Sr passed", {0}),
        ("-O", {1, 3}),
        ("Na-Ir-O", {4}),
        ("Ti2O4", {0}),
        ("Na-Cl", {1}),
        ("hull<0.25", {1, 2, 4}),
        ("energy<=-7 natoms<9", {2, 3}),
        ("gen=odd", {1, 3}),
        ("unique passed", {0, 1, 3}),
        ("new", {1}),
        ("error", {9}),
        ("sg=103", {3}),
        ("starred", set()),
    ],
)
def test_words_of_a_search(listing, query, found):
    assert {int(i.rsplit("/")[-1]) for i in ids(listing, query)} == found


@pytest.mark.parametrize("query", ["Xx", "hull<", "beauty>3", "passed drop;--", "gap>1"])
def test_a_word_that_means_nothing_is_named(listing, query):
    with pytest.raises(ScreeningError, match="no word of a search"):
        listing.search(query)


def test_stars_stay_in_the_store_and_are_what_is_exported(listing, path, tmp_path):
    with pytest.raises(ScreeningError, match="starred"):
        export_starred(listing.store, tmp_path / "none")
    row = int(listing.search("Na2IrO3")[0])
    listing.star(row)
    listing.star(int(listing.search("NaCl")[0]))
    listing.star(int(listing.search("NaCl")[0]), False)
    other = Listing(path)
    assert ids(other, "starred") == ["even/0/4"] and other.starred[row]
    other.close()
    candidate = listing.candidate(row)
    listing.store.put(candidate)  # made again: the star stays
    assert listing.refresh() == 6 and ids(listing, "starred") == ["even/0/4"]
    with open(export_starred(listing.store, tmp_path / "out") / "table.csv") as f:
        assert [r["id"] for r in csv.DictReader(f)] == ["even/0/4"], "also one that was rejected: it was chosen"
    with pytest.raises(ScreeningError, match="no candidate 77"):
        listing.star(77)


def test_what_is_no_store_is_one_clear_error(tmp_path):
    with pytest.raises(ScreeningError, match="no such store"):
        Listing(tmp_path / "none.sqlite")
    (tmp_path / "text.sqlite").write_text("not a database, but long enough to be one" * 40)
    with pytest.raises(ScreeningError, match="not a store"):
        Listing(tmp_path / "text.sqlite")


def test_a_running_campaign_is_read_again(listing):
    arrays = to_arrays(read("Si.cif"))
    listing.store.put([Candidate("more", 0, k, {}, arrays) for k in range(20)])
    assert len(listing) == 6
    assert listing.refresh() == 26 and len(ids(listing, "gen=more")) == 20
    assert np.isnan(listing.columns["x"][listing.search("gen=more")]).all()
