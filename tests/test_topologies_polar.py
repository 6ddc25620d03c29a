"""Nonpolar parents of polar crystals, and the way from one to the other."""

import numpy as np
import pytest

import motifdesk as md
from motifdesk.structures.errors import TopologyError
from motifdesk.structures.symmetry import space_group
from motifdesk.topologies import nonpolar_parents, polar_path


@pytest.fixture(scope="module")
def cubic():
    return md.read("BaTiO3-cubic.cif")


@pytest.mark.parametrize(
    ("name", "group", "largest"), [("tetragonal", "P4mm", 0.1551), ("orthorhombic", "Amm2", 0.1671)]
)
def test_barium_titanate_moves_as_published(cubic, name, group, largest):
    """T. E. Smidt et al., Sci. Data 7, 72 (2020): largest displacements of mp-12992 and mp-5777 from mp-2998."""
    path = polar_path(cubic, md.read(f"BaTiO3-{name}.cif", cell="primitive"))
    assert path.largest == pytest.approx(largest, abs=0.001)
    groups = [g.symbol for g in path.space_groups(3)]
    assert groups[0] == "Pm-3m" and groups[1:] == [group, group]
    assert path.modes.rows[0].label.startswith("GM T1u")


def test_polarisation_grows_from_nothing_along_the_displacements(cubic):
    path = polar_path(cubic, md.read("BaTiO3-tetragonal.cif"))
    assert np.abs(path.polarisation(0.0)).max() < 1e-9
    full, half = path.polarisation(1.0), path.polarisation(0.5)
    axis = int(np.argmax(np.abs(full)))
    assert abs(full[axis]) == pytest.approx(29.4, abs=0.5)  # formal charges; 45.9 by DFT for the sister entry
    assert half[axis] == pytest.approx(full[axis] / 2, rel=0.03)
    assert path.polarisation(-1.0)[axis] == pytest.approx(-full[axis], rel=0.06)
    assert "formal charges" in repr(path)


def test_born_charges_replace_formal_ones(cubic):
    child = md.read("BaTiO3-tetragonal.cif")
    formal = polar_path(cubic, child, charges={"Ba": 2, "Ti": 4, "O": -2})
    symbols = [site.specie.symbol for site in formal.at(0.0)]
    isotropic = np.array([{"Ba": 2.0, "Ti": 4.0, "O": -2.0}[s] * np.eye(3) for s in symbols])
    assert polar_path(cubic, child, charges=isotropic).polarisation() == pytest.approx(formal.polarisation())
    with pytest.raises(TopologyError, match="add up to"):
        polar_path(cubic, child, charges=isotropic + 0.1)
    with pytest.raises(TopologyError, match="shape"):
        polar_path(cubic, child, charges=np.ones(3))


@pytest.mark.parametrize("name", ["tetragonal", "orthorhombic"])
def test_the_cubic_parent_is_found_from_the_polar_crystal_alone(name):
    child = md.read(f"BaTiO3-{name}.cif", cell="primitive")
    found = nonpolar_parents(child)
    groups = [p.group.symbol for p in found]
    assert "Pm-3m" in groups
    for parent in found:
        assert space_group(parent.structure, 1e-3).number == parent.group.number
        assert not parent.polar and parent.largest < 0.3
    assert found == tuple(sorted(found, key=lambda p: (round(p.largest, 4), -p.group.number)))


def test_a_parent_is_found_in_a_rotated_shuffled_cell():
    child = md.read("BaTiO3-tetragonal.cif")
    rng = np.random.default_rng(5)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    order = rng.permutation(len(child))
    other = type(child)(
        np.array([[1, 1, 0], [0, 1, 0], [0, 2, 1]]) @ child.lattice.matrix @ turn.T,
        [child[int(k)].specie for k in order],
        (child.cart_coords @ turn.T + [0.3, -0.2, 0.7])[order],
        coords_are_cartesian=True,
    )
    assert "Pm-3m" in [p.group.symbol for p in nonpolar_parents(other)]


def test_what_is_not_polar_is_told(cubic):
    with pytest.raises(TopologyError, match="Pm-3m is not polar"):
        nonpolar_parents(cubic)
    with pytest.raises(TopologyError, match="molecule"):
        nonpolar_parents(md.read("benzene.xyz"))
    with pytest.raises(TopologyError, match="not polar"):
        polar_path(md.read("BaTiO3-tetragonal.cif"), cubic)
