"""The shapes of motifs behind the map's points: those that the motif finder finds, for maps that share its
structures."""

import numpy as np
import pytest

import motifdesk as md
from motifdesk.atlas import Atlas
from motifdesk.atlas.file import AtlasData
from motifdesk.atlas.searching import search
from motifdesk.atlas.shapes import shapes_of
from motifdesk.motifs import find_motifs
from motifdesk.structures.errors import AtlasError


@pytest.fixture(scope="module")
def atlas():
    return md.load_atlas()


def test_shipped_shapes_are_those_of_the_motif_finder(atlas):
    shapes = shapes_of(atlas)
    crystals = np.flatnonzero(atlas.columns["source"] != "qm9")
    for index in np.random.default_rng(5).choice(crystals, 25, replace=False):
        found = [motif.shape for motif in find_motifs(atlas.structure(int(index))).motifs]
        assert {shapes.names[k] for k in np.flatnonzero(shapes.has[index])} == set(found or ["no motifs"])
        if found:
            main = shapes.names[shapes.main[index]]
            assert found.count(main) == max(found.count(name) for name in found)
    assert (shapes.main[atlas.columns["source"] == "qm9"] == 0).all()


def test_the_map_is_searched_by_motif_and_by_anion(atlas):
    shapes = shapes_of(atlas)
    octahedra = search(atlas, "motif=octahedron")
    assert (octahedra == shapes.has[:, shapes.names.index("octahedron")]).all() and octahedra.sum() > 1000
    both = search(atlas, "motif=octahedron motif=tetrahedron")
    assert 0 < both.sum() < octahedra.sum()
    prisms = search(atlas, "motif=trigonal_prism")
    assert prisms.any() and not (prisms & ~shapes.has[:, shapes.names.index("trigonal prism")]).any()
    assert search(atlas, "motif=octa")[octahedra].all(), "a beginning will do"
    oxides = search(atlas, "anion=O")
    assert oxides.sum() > 1000 and search(atlas, "O")[oxides].all()
    assert not search(atlas, "anion=O F").any(), "fluorine is more electronegative"
    for word in ("motif=nonsense", "anion=Xx"):
        with pytest.raises(AtlasError, match=word.partition("=")[2]):
            search(atlas, word)


def test_a_map_of_the_same_structures_in_another_order_has_their_shapes_too(atlas):
    rows = np.random.default_rng(0).permutation(len(atlas))[:500]
    made = AtlasData(
        atlas.xy[rows],
        atlas._latent[rows],
        np.zeros(384),
        np.ones(384),
        np.eye(atlas._latent.shape[1], 384, dtype=np.float32),
        {name: column[rows] for name, column in atlas.columns.items()},
    )
    part = Atlas(made)
    assert (shapes_of(part).main == shapes_of(atlas).main[rows]).all()
    made.columns["id"] = np.array([f"mine-{k}" for k in range(500)])
    strange = Atlas(made)
    assert shapes_of(strange) is None
    with pytest.raises(AtlasError, match="knows no motifs"):
        search(strange, "motif=octahedron")
