"""Modes of whole crystals: wavevectors, irreps, directions of the order parameter and the space groups they lead to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parents import parent
from pymatgen.core import Lattice, Structure
from strategies import changes, crystals, random_crystals

from motifdesk.motifs import find_motifs
from motifdesk.motifs.symmetry.crystal_characters import motif_shares
from motifdesk.motifs.symmetry.crystal_modes import crystal_modes
from motifdesk.motifs.symmetry.isotropy import directions
from motifdesk.motifs.symmetry.supercells import supercell_of
from motifdesk.structures import read, space_group
from motifdesk.structures.arrays import AtomArrays, from_arrays, to_arrays
from motifdesk.structures.errors import MotifDeskError

A = 3.9
# Howard and Stokes, Acta Cryst. B 54, 782 (1998)
TILTS = {
    "a0a0a0": "Pm-3m",
    "a0a0c+": "P4/mbm",
    "a0b+b+": "I4/mmm",
    "a+a+a+": "Im-3",
    "a+b+c+": "Immm",
    "a+a+c-": "P4_2/nmc",
    "a0b+c-": "Cmcm",
    "a+b-b-": "Pnma",
    "a+b-c-": "P2_1/m",
    "a0a0c-": "I4/mcm",
    "a0b-b-": "Imma",
    "a-a-a-": "R-3c",
    "a0b-c-": "C2/m",
    "a-b-b-": "C2/c",
    "a-b-c-": "P-1",
}
SIZES = {"a": 0.08, "b": 0.11, "c": 0.05}


def tilts_of(name):
    """x, y, z: (size in radians, "+" or "-"), nothing where the axis does not tilt."""
    out = {}
    for axis, (letter, sign) in zip("xyz", (name[n : n + 2] for n in (0, 2, 4)), strict=True):
        if sign != "0":
            out[axis] = (SIZES[letter], sign)
    return out


def cubic_perovskite():
    return Structure.from_spacegroup("Pm-3m", Lattice.cubic(A), ["Sr", "Ti", "O"], [[0.5] * 3, [0] * 3, [0.5, 0, 0]])


@pytest.fixture(scope="module")
def doubled():
    return crystal_modes(cubic_perovskite(), (2, 2, 2))


def test_modes_of_a_doubled_perovskite_are_a_complete_orthonormal_basis_of_32_irreps(doubled):
    assert len(doubled) == 120
    np.testing.assert_allclose(doubled.basis @ doubled.basis.T, np.eye(120), atol=1e-9)
    assert sum(m.component == 1 for m in doubled) == 32
    assert {m.point for m in doubled} == {"GM", "X", "M", "R"}


def test_irreps_of_the_perovskite_are_the_published_ones(doubled):
    # Gamma: Cowley, Phys. Rev. 134, A981 (1964): 4 T1u (one acoustic) and T2u. M and R: one in-phase and one
    # out-of-phase octahedral tilt, M3+ and R4+, three-dimensional (Howard and Stokes)
    found = {}
    for m in doubled:
        if m.component == 1:
            found.setdefault((m.point, m.orbit.split()[0]), []).append(m.irrep.split()[1])
    assert sorted(found["GM", "Sr"] + found["GM", "Ti"] + found["GM", "O"]) == ["T1u"] * 4 + ["T2u"]
    assert sorted(found["R", "O"]) == ["A1g", "Eg", "T1g", "T2g"]
    assert sorted(found["M", "O"]) == ["A1g", "A2g", "A2u", "B1g", "B2g", "Eg", "Eu"]
    assert sorted(found["X", "O"]) == ["A1g", "A2u", "B2u", "Eg", "Eu", "Eu"]


def tilt_modes(modes):
    """(axis, sign) -> (mode, rotation in radians of the octahedron in the home cell for each Angstrom)."""
    graph = find_motifs(modes.parent)
    octahedron = next(m for m in graph.motifs if m.formula == "TiO6")
    out = {}
    for key, share in motif_shares(modes, octahedron, graph=graph).items():
        if share.rotation > 1 - 1e-9:
            mode = modes[key]
            home = share.turns[0]
            axis = int(np.abs(home).argmax())
            assert np.abs(np.delete(home, axis)).max() < 1e-9
            out["xyz"[axis], {"M": "+", "R": "-"}[mode.point]] = mode, home[axis]
    return out


def test_octahedral_tilts_are_found_by_wavevector_and_by_what_they_do_to_the_octahedra(doubled):
    found = tilt_modes(doubled)
    assert set(found) == {(axis, sign) for axis in "xyz" for sign in "+-"}
    for (axis, sign), (mode, _) in found.items():
        assert mode.irrep == ("M A2g" if sign == "+" else "R T1g") and mode.dimension == 3
        zero = [x == "xyz".index(axis) for x in range(3)]
        expected = np.where(zero, 0.0, 0.5) if sign == "+" else np.full(3, 0.5)
        np.testing.assert_allclose(mode.wavevector, expected)


def direct(name):
    """O displacements [40, 3] of a tilt system: u = omega x (a / 2) e for each O, summed over the axes."""
    modes = crystal_modes(cubic_perovskite(), (2, 2, 2))
    places = modes.supercell.cart_coords
    out = np.zeros_like(places)
    cells = np.stack(np.meshgrid(*[range(2)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    for axis, (size, sign) in tilts_of(name).items():
        x = "xyz".index(axis)
        for cell in cells:
            phase = cell.sum() if sign == "-" else np.delete(cell, x).sum()
            omega = np.eye(3)[x] * size * (-1) ** phase
            for y in range(3):
                target = (cell + 0.5 * np.eye(3)[y]) * A
                delta = (places - target) / (2 * A)
                atom = int(np.linalg.norm(delta - np.rint(delta), axis=1).argmin())
                out[atom] += np.cross(omega, np.eye(3)[y] * A / 2)
    return modes, out


@pytest.mark.parametrize("name", sorted(TILTS))
def test_all_fifteen_tilt_systems_have_their_space_groups_through_the_modes(doubled, name):
    tilts = tilt_modes(doubled)
    asked = {}
    for axis, (size, sign) in tilts_of(name).items():
        mode, turn = tilts[axis, sign]
        asked[mode.key] = size / turn
    assert doubled.space_group(asked, 1e-4).symbol == TILTS[name]
    assert doubled.subgroup(asked).symbol == TILTS[name]
    assert space_group(doubled.apply(asked), 1e-4).symbol == TILTS[name]


@pytest.mark.parametrize("name", sorted(TILTS))
def test_tilts_written_down_by_hand_are_made_of_the_tilt_modes_alone(doubled, name):
    modes, moved = direct(name)
    arrays = to_arrays(modes.supercell)
    structure = Structure(modes.supercell.lattice, arrays.numbers, arrays.positions + moved, coords_are_cartesian=True)
    assert space_group(structure, 1e-4).symbol == TILTS[name]
    expected = {}
    for axis, (size, sign) in tilts_of(name).items():
        mode, turn = tilt_modes(doubled)[axis, sign]
        expected[mode.key] = size / turn
    for key, amplitude in modes.amplitudes(moved).items():
        assert amplitude == pytest.approx(expected.get(key, 0.0), abs=1e-9)
    assert {m.key for m in modes.primary(moved)} == set(expected)


def test_polar_modes_of_cubic_barium_titanate_lead_to_its_three_ferroelectric_phases():
    modes = crystal_modes(read("BaTiO3-cubic.cif"))
    polar = [m for m in modes if m.polar]
    assert {m.irrep for m in polar} == {"GM T1u"} and len(polar) == 12
    assert not any(m.polar for m in modes if m.irrep == "GM T2u")
    for m in polar:
        assert modes.subgroup(m).number == 99
    for first in (m for m in polar if m.component == 1):
        listed = {d.written: d.group.symbol for d in directions(modes, first)}
        assert listed == {"(a,0,0)": "P4mm", "(a,a,0)": "Amm2", "(a,a,a)": "R3m"}
        for d in directions(modes, first):
            assert modes.space_group({k: 0.1 * w for k, w in d.weights.items()}, 1e-4).number == d.group.number


def test_special_directions_of_the_tilts_are_those_of_howard_and_stokes(doubled):
    tilts = tilt_modes(doubled)
    out_of_phase = {d.group.symbol: d.index for d in directions(doubled, tilts["z", "-"][0])}
    assert out_of_phase == {"I4/mcm": 6, "R-3c": 8, "Imma": 12}
    in_phase = {d.group.symbol: d.index for d in directions(doubled, tilts["z", "+"][0])}
    assert in_phase == {"P4/mbm": 6, "Im-3": 8, "I4/mmm": 12}


@pytest.mark.parametrize("name", ["perovskite", "MoS2", "MoS2 root 3", "Sr2TiO4 root 2", "quartz tripled", "rutile"])
def test_the_first_component_points_where_most_symmetry_is_left(name):
    modes = crystal_modes(cubic_perovskite(), (2, 2, 2)) if name == "perovskite" else crystal_modes(*parent(name))
    whole = modes.operations.keepers(np.zeros((len(modes.operations), 3))).sum()
    seen: set[str] = set()
    for first in modes:
        if first.component != 1 or not 2 <= first.dimension <= 6 or first.irrep in seen:
            continue
        seen.add(first.irrep)
        kept = modes.operations.keepers(first.vectors).sum()
        arm = {m.key for m in modes.partners(first) if m.wavevector == first.wavevector}
        for d in directions(modes, first):
            if set(d.weights) <= arm:
                assert whole / kept <= d.index + 1e-9, (first.key, d)


def test_copies_of_one_irrep_share_their_components(doubled):
    """The same combination of components leads to the same group on every orbit and copy."""
    by_irrep = {}
    for m in doubled:
        if m.component == 1:
            partners = doubled.partners(m)
            weights = dict(zip((p.key for p in partners), (1.0, 0.6, -0.3, 0.8, 0.2, 0.5), strict=False))
            kept = doubled.operations.keepers(doubled.displacements(weights))
            by_irrep.setdefault(m.irrep, []).append(kept)
            for c in range(1, len(partners)):
                pair = {partners[0].key: 1.0, partners[c].key: 1.0}
                by_irrep.setdefault((m.irrep, c), []).append(doubled.operations.keepers(doubled.displacements(pair)))
    assert max(len(kept) for kept in by_irrep.values()) >= 4
    for kept in by_irrep.values():
        for other in kept[1:]:
            np.testing.assert_array_equal(kept[0], other)


def test_amplitudes_give_back_what_was_applied_and_the_whole_displacement(doubled):
    rng = np.random.default_rng(7)
    asked = {m.key: float(q) for m, q in zip(doubled, rng.normal(0, 0.1, len(doubled)), strict=True)}
    moved = doubled.apply(asked).cart_coords - doubled.supercell.cart_coords
    found = doubled.amplitudes(moved)
    assert list(found) == [m.key for m in doubled]
    assert max(abs(found[k] - asked[k]) for k in asked) < 1e-9
    u = rng.normal(0, 0.1, moved.shape)
    np.testing.assert_allclose(doubled.displacements(doubled.amplitudes(u)), u, atol=1e-9)


def test_drift_of_the_whole_crystal_is_acoustic_and_breaks_nothing(doubled):
    drift = np.tile([0.1, -0.2, 0.3], (40, 1))
    assert max(abs(q) for q in doubled.amplitudes(drift, drift=False).values()) < 1e-12
    shifts = [m for m in doubled if m.shift]
    assert len(shifts) == 9 and {m.irrep for m in shifts} == {"GM T1u"}
    assert doubled.subgroup(doubled.amplitudes(drift)).symbol == "Pm-3m"
    acoustic = doubled.acoustic.reshape(3, -1)
    np.testing.assert_allclose(acoustic @ acoustic.T, np.eye(3), atol=1e-12)
    silicon = crystal_modes(read("Si.cif", cell="primitive"))
    assert all(silicon.subgroup(m).symbol == "Fd-3m" and not m.polar for m in silicon if m.shift)


def test_keys_resolve_and_orbits_can_be_chosen(doubled):
    for mode in doubled:
        assert doubled[mode.key] is mode and doubled.mode(mode) is mode
    oxygen = crystal_modes(cubic_perovskite(), (2, 2, 2), sites="O")
    assert len(oxygen) == 72 and {m.key for m in oxygen} <= {m.key for m in doubled}
    orbit = oxygen[0].orbit
    for name in (orbit, orbit.replace(" ", ""), orbit.split()[1], 2, [orbit], ["O"]):
        assert [m.key for m in crystal_modes(cubic_perovskite(), (2, 2, 2), sites=name)] == [m.key for m in oxygen]
    assert len(crystal_modes(cubic_perovskite(), (2, 2, 2), sites=["Ti", "O"])) == 96


def test_the_table_of_modes_has_a_row_for_each_irrep_with_its_space_group(doubled):
    table = doubled._repr_html_()
    assert table.count("<tr>") == 33
    assert "<td>R (1/2,1/2,1/2)</td><td>T1g</td>" in table and "<td>I4/mcm</td>" in table
    assert repr(doubled) == "CrystalModes(O3SrTi, Pm-3m: 120 modes of 40 sites at GM, X, M, R)"


def test_the_supercell_keeps_species_properties_and_says_where_sites_come_from():
    parent = cubic_perovskite().add_oxidation_state_by_element({"Sr": 2, "Ti": 4, "O": -2})
    parent.add_site_property("tag", list(range(5)))
    modes = crystal_modes(parent, [[1, 1, 0], [-1, 1, 0], [0, 0, 2]])
    cell = modes.supercell
    assert len(cell) == 20 and modes.matrix.tolist() == [[1, 1, 0], [-1, 1, 0], [0, 0, 2]]
    assert [s.specie for s in cell] == [parent[int(k)].specie for k in modes.source]
    assert cell.site_properties["tag"] == modes.source.tolist()
    delta = (cell.cart_coords - parent.cart_coords[modes.source]) @ np.linalg.inv(parent.lattice.matrix)
    np.testing.assert_allclose(delta, np.rint(delta), atol=1e-9)


def test_a_parent_written_as_its_own_supercell_has_the_same_modes(doubled):
    def content(modes):
        return sorted((m.point, m.irrep, m.component, modes.subgroup(m).number, m.polar, m.copy) for m in modes)

    big = crystal_modes(cubic_perovskite() * (2, 2, 2))
    assert content(big) == content(doubled)
    left_handed = crystal_modes(cubic_perovskite(), [[0, 2, 0], [2, 0, 0], [0, 0, 2]])
    assert content(left_handed) == content(doubled)
    long = crystal_modes(cubic_perovskite() * (7, 1, 1))  # 1/7 is no fraction of the tables
    np.testing.assert_allclose(long.basis @ long.basis.T, np.eye(105), atol=1e-10)
    assert len({m.wavevector for m in long}) == 4


def test_modes_of_a_parent_with_rounded_coordinates_are_those_of_the_exact_one(doubled):
    rng = np.random.default_rng(2)
    rough = cubic_perovskite()
    arrays = to_arrays(rough)
    noisy = AtomArrays(arrays.numbers, arrays.positions + rng.uniform(-1e-4, 1e-4, (5, 3)), arrays.cell)
    modes = crystal_modes(noisy, (2, 2, 2))
    assert [m.key for m in modes] == [m.key for m in doubled]
    np.testing.assert_allclose(modes.basis, doubled.basis, atol=1e-6)


@given(st.data())
@settings(max_examples=12, deadline=None)
def test_the_content_does_not_hang_on_how_the_crystal_is_written_down(data):
    drawn = data.draw(crystals(most=4))
    ideal = supercell_of(drawn, (1, 1, 1), 1e-3).ideal  # a symmetry that is exact is found in every setting
    structure = from_arrays(ideal)
    other, _ = data.draw(changes(mirror=False))(structure)

    def content(s):
        modes = crystal_modes(s)
        rows = [(m.dimension, modes.subgroup(m).number, m.polar, m.copy) for m in modes if m.component == 1]
        return modes.group.number, sorted(rows)

    assert content(structure) == content(other)


@given(random_crystals(most=5))
@settings(max_examples=10, deadline=None)
def test_crystals_without_symmetry_have_modes_too(structure):
    modes = crystal_modes(structure, (2, 1, 1))
    np.testing.assert_allclose(modes.basis @ modes.basis.T, np.eye(6 * len(structure)), atol=1e-8)
    assert len({m.key for m in modes}) == len(modes)
    for mode in list(modes)[::5]:
        assert modes.subgroup(mode).number == modes.space_group({mode: 0.05}, 1e-4).number


def test_bad_requests_are_refused(doubled):
    parent = cubic_perovskite()
    with pytest.raises(MotifDeskError, match="more than 256"):
        crystal_modes(parent, (4, 4, 4))
    for supercell in ((0, 1, 1), (1.5, 1, 1), "2x2x2", [[1, 0], [0, 1]], None):
        with pytest.raises(MotifDeskError, match="no supercell"):
            crystal_modes(parent, supercell)
    with pytest.raises(MotifDeskError, match="no orbit"):
        crystal_modes(parent, sites="Fe")
    with pytest.raises(MotifDeskError, match="molecule"):
        crystal_modes(read("benzene.xyz"))
    with pytest.raises(MotifDeskError, match="no crystal mode"):
        doubled["R[1/2,1/2,1/2]:O3d:T9g:1:1"]
    with pytest.raises(MotifDeskError, match="shape"):
        doubled.amplitudes(np.zeros((5, 3)))
    with pytest.raises(MotifDeskError, match="finite"):
        doubled.apply({doubled[0]: float("nan")})


def test_the_fourfold_rotary_axis_of_d2d_is_the_principal_one():
    """NdInNi4 (F-43m, mp_20): little co-groups D2d took a two-fold axis for principal, so A1 and A2 shared one name."""
    from motifdesk.structures import corpus

    structure = corpus("mp_20").structure(3361)
    modes = crystal_modes(structure, [[1, 1, 1], [0, 2, 0], [0, 0, 2]])
    assert len({mode.key for mode in modes}) == len(modes)
