"""Analogues: well attested, new, each once, as asked for; volumes counted in known crystals."""

import numpy as np
import pytest

from motifdesk.screening import ScreeningError, make_generator
from motifdesk.screening.energies import competing_phases
from motifdesk.screening.energies.hull import comparable
from motifdesk.screening.generators.substitution import resized
from motifdesk.screening.similarity import counts
from motifdesk.screening.volumes import log_volume_change, rescaled
from motifdesk.structures import corpus, space_group
from motifdesk.structures.arrays import element_symbols

MANY = {"kind": "analogue", "max_atoms": 12, "count": 150}


@pytest.fixture(scope="module")
def made():
    return list(make_generator(MANY, seed=4))


def _pairs(arrays):
    z, n = np.unique(arrays.numbers, return_counts=True)
    return tuple(zip(z.tolist(), n.tolist(), strict=True))


def test_an_analogue_is_made_from_its_seed_and_index_alone(made):
    fresh = make_generator(MANY, seed=4)
    for k in (149, 17, 0):
        assert {**fresh.make(k).to_dict(), "seconds": 0} == {**made[k].to_dict(), "seconds": 0}
    other = make_generator({**MANY, "count": 20}, seed=5)
    assert [c.recipe for c in other] != [c.recipe for c in made[:20]]


def test_analogues_are_attested_and_start_from_no_held_out_structure(made):
    symbols = {s: z for z, s in enumerate(element_symbols())}
    for c in made:
        source, identifier = c.recipe["parent"].split("/")
        known = corpus(source)
        place = known.index(identifier)
        assert not known.development[place] and known.natoms[place] <= 12
        ((a, b),) = c.recipe["replaced"].items()
        assert counts()[symbols[a], symbols[b]] == c.recipe["observed"] >= 10
        parent = known[place]
        assert (c.arrays.numbers != parent.numbers).any()
        assert set(c.arrays.numbers[parent.numbers == symbols[a]].tolist()) == {symbols[b]}


def test_no_target_is_proposed_twice_and_every_crystal_has_its_turn(made):
    targets = [(_pairs(c.arrays), space_group(c.arrays, 0.05).number) for c in made]
    assert len(set(targets)) >= len(targets) - 2  # the map's symmetry tolerance is not that of this test
    assert len({c.recipe["parent"] for c in made}) == len(made)


def test_conditions_of_analogues_are_met_exactly():
    wish = {"kind": "analogue", "chemical_system": ["Na", "Ir", "O"], "observed": 1, "draws": 1, "count": 8}
    for c in make_generator(wish):
        assert {e.symbol for e in c.structure.composition.elements} == {"Na", "Ir", "O"}
    twice = {"kind": "analogue", "chemical_system": ["Li", "Fe", "P", "O"], "replace": 2, "observed": 1, "draws": 1}
    with pytest.raises(ScreeningError, match="no known crystal"):
        make_generator({**twice, "replace": 1, "count": 1, "max_atoms": 20})
    made = list(make_generator({**twice, "count": 5, "max_atoms": 40}))
    assert made and all({e.symbol for e in c.structure.composition.elements} == {"Li", "Fe", "P", "O"} for c in made)
    assert any(len(c.recipe["replaced"]) == 2 for c in make_generator({**twice, "count": 9, "max_atoms": 20}))
    observed = [c.recipe["observed"] for c in made]
    assert observed == sorted(observed, reverse=True) and observed[0] >= 10
    for c in make_generator({"kind": "analogue", "formula": "KCl", "observed": 1, "draws": 1, "count": 3}):
        assert c.structure.composition.reduced_formula == "KCl"
    cubic = [c for c in make_generator({"kind": "analogue", "space_group": 225, "count": 12}) if c.arrays is not None]
    assert sum(space_group(c.arrays, 0.05).number == 225 for c in cubic) >= 11


def test_a_property_asked_for_shifts_the_predicted_values():
    from motifdesk.screening.checks.wishes import the_codec

    codec = the_codec()

    def gaps(options):
        found = [c.arrays for c in make_generator({"kind": "analogue", "max_atoms": 12, "count": 8, **options})]
        return np.mean([float(codec.predict(codec.encode([a], symmetry=False))["band_gap"][0]) for a in found])

    assert gaps({"band_gap": [2.0, 5.0], "draws": 8}) > gaps({}) + 0.5


def test_what_analogues_cannot_do_is_refused_before_anything_runs():
    for table, words in [
        ({"chemical_system": ["Xx"]}, "Xx"),
        ({"formula": "Qq2"}, "no formula"),
        ({"band_gap": [1]}, "Two numbers"),
        ({"corpora": ["qm9"]}, "molecules"),
        ({"replace": 2}, "anything allowed"),
        ({"space_group": 1, "formula": "KCl"}, "no known crystal"),
    ]:
        with pytest.raises(ScreeningError, match=words):
            make_generator({"kind": "analogue", "count": 1, **table})


def test_predicted_volumes_are_nearer_to_the_truth_than_covalent_radii():
    """Held-out crystals that differ from a known one of the same symmetry in one element."""
    from motifdesk.screening.similarity import _space_groups

    c, groups = corpus("mp_20"), _space_groups()
    by_hole = {}
    for k in np.flatnonzero(~c.development):
        pairs = _pairs(c[int(k)])
        for i, (z, n) in enumerate(pairs):
            key = (groups.get(("mp_20", str(c.ids[k]))), n, pairs[:i] + pairs[i + 1 :])
            by_hole.setdefault(key, []).append((z, int(k)))
    ours, radii = [], []
    for k in np.flatnonzero(c.development):
        pairs = _pairs(c[int(k)])
        for i, (z, n) in enumerate(pairs):
            key = (groups.get(("mp_20", str(c.ids[k]))), n, pairs[:i] + pairs[i + 1 :])
            for old, parent in by_hole.get(key, [])[:2]:
                start = c[parent]
                numbers = np.where(start.numbers == old, z, start.numbers)
                truth = np.log(c[int(k)].volume)
                ours.append(abs(np.log(rescaled(start, numbers).volume) - truth))
                radii.append(abs(np.log(resized(start, numbers).volume) - truth))
    assert len(ours) > 200 and np.median(ours) < 0.03 and np.median(ours) < 0.5 * np.median(radii)
    a, b = np.array([11, 17]), np.array([19, 17])
    assert log_volume_change(a, b) == pytest.approx(-log_volume_change(b, a)) and log_volume_change(a, b) > 0.1


def test_comparable_compositions_are_those_whose_hull_is_known():
    from motifdesk.screening.energies.phases import bundled_hull

    salts = [[11, 17], [3, 9], [9, 9, 20], [15, 15, 15, 37], [31, 8, 8], [35, 55, 8], [5, 5, 72], [1, 1, 8]]
    cases = [*salts, [25, 1], [85, 11], [86, 9, 9]]
    seen = set()
    for numbers in cases:
        found = bundled_hull(tuple(sorted(set(numbers)))).above(np.array(numbers), -1.0)[0] is not None
        assert comparable(np.array(numbers)) == found
        seen.add(found)
    assert seen == {True, False}
    assert list(competing_phases([11, 17])) == [i for i in competing_phases([11, 17, 2]) if "element/He" not in i]


def test_analogues_are_near_rest_where_that_is_asked_for():
    from motifdesk.screening.generators.analogues import unrest

    few = {"kind": "analogue", "max_atoms": 12, "count": 12}
    calm = [unrest(c.arrays) for c in make_generator({**few, "unrest": 0.3}, 3)]
    any_ = [unrest(c.arrays) for c in make_generator({**few, "unrest": 0}, 3)]
    assert sum(f <= 0.3 for f in calm) > sum(f <= 0.3 for f in any_) and np.mean(calm) < np.mean(any_)
    assert len({c.arrays.formula for c in make_generator(few, 3)}) == 12


def test_every_class_of_compounds_has_its_share():
    """Intermetallics are rarely neutral and never the nearest to rest, and yet they are proposed."""
    generator = make_generator({"kind": "analogue", "max_atoms": 12}, seed=2)
    table = generator._table

    def shares(rows):
        z = [{z for z, _ in generator._target(k)} for k in rows]
        return np.array([np.mean([bool(s & {9, 17, 35, 53}) for s in z]), np.mean([bool(s & {8}) for s in z])])

    first = [rows[0] for rows in generator._draws]
    everything = [k for rows in generator._draws for k in rows]
    assert len(table["parent"]) >= len(everything) == len(set(everything)) == generator.most()
    best = [generator._places[n] for n in range(len(first))]
    assert best == [(n, 0) for n in range(len(first))], "every draw gives its best before any gives its second best"
    assert np.abs(shares(first) - shares(everything)).max() < 0.05


def test_after_the_best_of_every_draw_come_the_second_best():
    from motifdesk.screening.generators.analogues import unrest

    generator = make_generator({"kind": "analogue", "max_atoms": 6, "unrest": 0.3}, seed=1)
    places = {place: n for n, place in enumerate(generator._places)}
    mixed = 0
    for draw, rows in enumerate(generator._draws[:12]):
        order = [places[draw, rank] for rank in range(len(rows))]
        assert order == sorted(order)
        made = [generator.make(n) for n in order]
        expected = sorted(generator._made(k)[1]["parent"] for k in rows)
        assert sorted(c.recipe["parent"] for c in made) == expected, "each of a draw once"
        by_recipe = {str(generator._made(k)[1]): k for k in rows}
        sound = [generator._sound(by_recipe[str(c.recipe)]) for c in made]
        assert sound == sorted(sound, reverse=True), "what is neutral and comparable goes first"
        restless = [unrest(c.arrays) > 0.3 for c, good in zip(made, sound, strict=True) if good]
        assert restless == sorted(restless), "and of that what is near rest"
        mixed += len(set(sound)) > 1
    assert mixed
