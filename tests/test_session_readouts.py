"""Read-outs against independent computations, stamped, and without NaN."""

import math

import numpy as np
import pytest
from pymatgen.core import Lattice, Molecule, Structure

from motifdesk.motifs import bond_valence_sums
from motifdesk.session import Session
from motifdesk.session.contacts import contacts
from motifdesk.structures import read
from motifdesk.structures.arrays import to_arrays


@pytest.fixture(scope="module")
def beta():
    return read("beta-Li2IrO3.cif", cell="primitive")


@pytest.fixture
def session(beta):
    session = Session(beta, codec=None, atlas=None)
    session.select(next(m for m in session.state.graph.motifs if m.formula == "IrO6"))
    return session


def test_the_shortest_contact_is_pymatgens(beta):
    found = contacts(to_arrays(beta)).shortest
    matrix = beta.distance_matrix + 100 * np.eye(len(beta))
    assert found.length == pytest.approx(matrix.min(), abs=1e-9)
    assert found.length == pytest.approx(beta.get_distance(found.a, found.b))


def test_contacts_see_own_images_and_lone_atoms():
    iron = Structure(Lattice.cubic(2.87), ["Fe"], [[0, 0, 0]])
    assert contacts(to_arrays(iron)).shortest.length == pytest.approx(2.87)
    wide = Structure(Lattice.cubic(9.0), ["Ar"], [[0, 0, 0]])
    assert contacts(to_arrays(wide)).shortest.length == pytest.approx(9.0)
    assert contacts(to_arrays(Molecule(["He"], [[0, 0, 0]]))).shortest is None


def test_move_rows_measure_the_motif_as_it_is_now(session):
    mode = [m for m in session.state.modes if m.block == "stretch"][1]
    session.preview("distort", {mode.key: 0.1})
    read_out = session.readouts("move")
    state = session.state
    motif = state.graph.motifs[state.selection.motif]
    structure = state.structure
    lengths = np.array(
        [
            np.linalg.norm(
                structure.lattice.get_cartesian_coords(structure[x.site].frac_coords + np.array(x.image))
                - structure[motif.centre].coords
            )
            for x in motif.ligands
        ]
    )
    assert read_out["bond_lengths"].number == pytest.approx(lengths.mean(), abs=1e-9)
    baur = np.abs(lengths - lengths.mean()).mean() / lengths.mean()
    assert read_out["baur"].number == pytest.approx(baur, abs=1e-9)
    assert read_out.preview and read_out.version == state.version


def test_the_quick_shape_measure_equals_the_full_search(session):
    from motifdesk.motifs.figures.shapes import match

    motif = session.state.graph.motifs[session.state.selection.motif]
    assert session.readouts("move")["csm"].number == pytest.approx(motif.csm, abs=1e-6)
    mode = [m for m in session.state.modes if m.block == "stretch"][1]
    state = session.distort({mode: 0.1})
    vectors = motif.positions(state.structure)
    full = match(vectors[1:] - vectors[0], motif.symbol).csm
    assert session.readouts("move")["csm"].number == pytest.approx(full, abs=1e-6)
    assert full > motif.csm + 0.05


def test_the_stamp_tells_what_is_stale(session):
    before = session.readouts("move")
    assert not before.is_stale(session.state)
    session.strain(volume=1.01)
    assert before.is_stale(session.state)
    after = session.readouts("release")
    assert after.node == session.state.node == 1 and not after.preview


def test_space_groups_at_two_tolerances():
    perovskite = read("SrTiO3.cif")
    session = Session(perovskite, codec=None, atlas=None)
    strict = session.readouts("release")
    assert "Pm-3m" in strict["space_group_0.01"].value
    oxygen = next(k for k, site in enumerate(perovskite) if site.specie.symbol == "O")
    perovskite.translate_sites([oxygen], [0.012, 0, 0])
    session.set_structure(perovskite)
    loose = session.readouts("release")
    assert "Pm-3m" in loose["space_group_0.1"].value
    assert "Pm-3m" not in loose["space_group_0.01"].value


def test_atoms_too_close_are_named_in_the_verdict():
    salt = Structure(Lattice.cubic(4.0), ["Na", "Cl"], [[0, 0, 0], [0.3, 0, 0]])
    session = Session(salt, codec=None, atlas=None)
    read_out = session.readouts("move")
    assert not read_out.verdict.sane
    assert "Na0-Cl1" in str(read_out.verdict) and read_out["contact"].warn


def test_a_sane_structure_is_called_sane(session):
    assert str(session.readouts("release").verdict) == "Looks sane"


@pytest.mark.parametrize("name", ["Si.cif", "benzene.xyz", "quartz-SiO2.cif", "NaCl.cif"])
def test_every_kind_of_structure_has_readouts_without_nan(name):
    session = Session(name, codec=None, atlas=None)
    if session.state.graph is not None and session.state.graph.motifs:
        session.select(0)
    for tier in ("move", "release", "idle"):
        read_out = session.readouts(tier)
        for row in read_out.as_rows():
            assert all(isinstance(text, str) for text in row)
            assert "nan" not in row[1].lower().split() and row[3] in ("move", "release", "idle")
        assert all(row.number is None or math.isfinite(row.number) for row in read_out.rows)
        assert "\n" not in str(read_out.verdict)
    assert "formula" in read_out and "energy" not in read_out


@pytest.mark.parametrize("name", ["beta-Li2IrO3.cif", "quartz-SiO2.cif", "Si.cif"])
def test_contacts_agree_with_ase_in_skew_cells(name):
    from ase.neighborlist import neighbor_list
    from pymatgen.io.ase import AseAtomsAdaptor

    from motifdesk.session.contacts import pairs

    structure = read(name, cell="primitive")
    atoms = AseAtomsAdaptor.get_atoms(structure)
    for reach in (2.5, 6.0):
        i, j, d = neighbor_list("ijd", atoms, reach)
        first, second, length = pairs(to_arrays(structure), reach)
        assert len(length) == len(d)
        np.testing.assert_allclose(np.sort(length), np.sort(d), atol=1e-9)


def test_reading_out_a_move_does_not_import_torch():
    import subprocess
    import sys

    script = (
        "import sys\n"
        "from motifdesk.session import Session\n"
        "session = Session('rutile-TiO2.cif')\n"
        "session.select(0)\n"
        "session.preview('distort', {session.state.modes[0].key: 0.02})\n"
        "session.readouts('release')\n"
        "print([m for m in ('torch', 'e3nn', 'umap', 'matplotlib', 'numba') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_bond_valence_is_read_out_and_an_overbonded_site_is_named():
    session = Session("rutile-TiO2.cif", codec=None, atlas=None)
    session.select(next(m for m in session.state.graph.motifs if m.formula == "TiO6"))
    relaxed = session.readouts("release")
    assert relaxed["valence"].number == pytest.approx(4.0, abs=0.3) and "expected 4" in relaxed["valence"].label
    session.strain(volume=0.8)
    squeezed = session.readouts("release")
    # every bond shorter by the cube root of the volume factor
    lengths = np.array([1.949] * 4 + [1.980] * 2) * 0.8 ** (1 / 3)
    expected = np.exp((1.815 - lengths) / 0.37).sum()
    assert squeezed["valence"].number == pytest.approx(expected, abs=0.1)
    motif, graph = session.state.graph.motifs[session.state.selection.motif], session.state.graph
    assert squeezed["valence"].number == pytest.approx(bond_valence_sums(session.state.arrays, graph)[motif.centre])
    assert squeezed["instability"].number > 0.5
    assert not squeezed.verdict.sane and "bond valence of Ti" in str(squeezed.verdict)


def test_a_molecule_has_its_full_formula():
    assert Session("benzene.xyz", codec=None, atlas=None).readouts()["formula"].value.startswith("C6H6 ")


def test_two_non_metals_nearer_than_any_bond_of_theirs_are_objected_to():
    ice = Structure(Lattice.cubic(6.0), ["O", "O"], [[0.5] * 3, [0.5, 0.5, 0.65]])  # 0.90 A
    found = contacts(to_arrays(ice))
    assert found.too_short == 1 and found.tightest.limit == 0.7
    assert not Session(ice, codec=None, atlas=None).readouts().verdict.sane
    nitrogen = Molecule(["N", "N"], [[0, 0, 0], [0, 0, 1.098]])
    chromium = Molecule(["Cr", "Cr"], [[0, 0, 0], [0, 0, 1.68]])  # the dimer, 0.60 of its radii
    assert contacts(to_arrays(nitrogen)).too_short == contacts(to_arrays(chromium)).too_short == 0


def test_a_crystal_of_molecules_is_not_judged_by_bond_valences():
    urea = Structure.from_spacegroup(
        "P-42_1m",
        Lattice.tetragonal(5.565, 4.684),
        ["C", "O", "N", "H", "H"],
        [
            [0, 0.5, 0.3260],
            [0, 0.5, 0.5953],
            [0.1459, 0.6459, 0.1766],
            [0.2575, 0.7575, 0.2827],
            [0.1441, 0.6441, -0.0380],
        ],
    )
    session = Session(urea, codec=None, atlas=None)
    carbon = next(m for m in session.state.graph.motifs if m.formula == "C")
    assert carbon.name.startswith("C atom (C")
    session.select(carbon)
    read_out = session.readouts()
    assert read_out.verdict.sane and "instability" not in read_out and "valence" not in read_out
