"""The map's points: colours, further sets of points, lasso, how far off the markers are, and what is sent for it."""

import numpy as np
import pytest

from motifdesk.desk.maplayers import inside
from motifdesk.structures.errors import AtlasError


@pytest.fixture
def page(opened, rutile, codec, atlas):
    return opened(rutile, codec=codec, atlas=atlas).open_map()


def test_points_are_coloured_by_motif_anion_and_share_of_the_design_s_elements(page, atlas):
    from motifdesk.atlas.searching import search
    from motifdesk.atlas.shapes import shapes_of

    offered = [value for value, _ in page.out.mapbar["options"]]
    assert {"source", "motif", "anion", "band_gap", "energy_above_hull", "share:O", "share:Ti"} <= set(offered)
    page.send("colour", by="motif")
    colours = np.asarray(page.desk.map.figure.data[0].marker.color)
    for k, (words, _, word) in enumerate(page.out.mapbar["legend"][:-1]):
        shapes = shapes_of(atlas)
        assert (colours == k).sum() == (shapes.main == shapes.names.index(words)).sum() > 0
        assert (search(atlas, word)[colours == k]).all(), "choosing the colour finds its points"
    assert page.out.mapbar["legend"][-1][0] == "others"
    page.send("colour", by="anion")
    assert page.out.mapbar["legend"][0][0] == "O" and page.out.mapbar["legend"][0][2] == "anion=O"
    page.send("colour", by="share:Ti")
    share = np.asarray(page.desk.map.figure.data[0].marker.color)
    np.testing.assert_allclose(share[atlas.columns["formula"] == "TiO2"], 1 / 3, atol=1e-6)
    assert (share[~search(atlas, "Ti")] == 0).all()
    page.session.substitute([0, 1], "Sn")
    assert page.desk.settle()
    assert "share:Sn" in [value for value, _ in page.out.mapbar["options"]]


def test_a_filter_a_colour_and_a_drag_never_send_the_places_again(page):
    sent: list[set] = []
    figure = page.desk.map.figure
    names = [name for name in figure.trait_names() if name.startswith("_py2js_")]
    figure.observe(lambda change: change["new"] and sent.append(_keys(change["new"])), names=[*names, "_widget_data"])
    page.send("find", query="Ti O")
    assert page.desk.settle()
    page.send("colour", by="motif")
    assert page.desk.settle()
    assert any("selectedpoints" in keys for keys in sent) and any("marker.color" in keys for keys in sent)
    assert not any({"x", "y", "text"} & keys for keys in sent)
    sent.clear()
    x, y = page.session.state.latent.xy
    for k in range(3):
        page.send("probe", x=x + 0.2 * k, y=y)
    page.send("release", what="probe")
    assert page.desk.settle() and page.edits() == ["open", "drag"]
    assert sent == [], "a drag says nothing to the figure"


def _keys(message) -> set:
    found: set = set()
    if isinstance(message, dict):
        for key, value in message.items():
            found |= {key} | _keys(value)
    elif isinstance(message, list | tuple):
        for value in message:
            found |= _keys(value)
    return found


def test_further_points_have_their_own_trace_cards_and_lasso(page):
    looked, opened = [], []
    layer = page.desk.map.layer(
        "campaign",
        "candidates",
        card=lambda k: {"formula": f"X{k}", "group": "", "atoms": 3, "facts": [], "id": f"c-{k}", "picture": ""},
        opened=opened.append,
        lassoed=looked.append,
    )
    assert page.desk.map.layer("campaign") is layer
    places = np.array([[0.0, 0.0], [1.0, 1.0], [5.0, 5.0]])
    layer.show(places, values=[0.1, float("nan"), 0.3])
    assert len(page.desk.map.figure.data) == 2 and len(page.desk.map.figure.data[1].x) == 3
    page.send("find", hover=2, curve=layer.trace)
    assert page.desk.settle() and page.out.card["formula"] == "X2" and page.out.card["curve"] == 1
    page.send("find", open=1, curve=layer.trace)
    assert opened == [1] and page.edits() == ["open"]
    page.send("find", polygon=[[-0.5, 1.5, 1.5, -0.5], [-0.5, -0.5, 1.5, 1.5]])
    assert page.desk.settle() and looked[0].tolist() == [0, 1]
    layer.clear()
    assert len(page.desk.map.figure.data[1].x) == 0
    for bad in ({"xy": [[np.nan, 0]]}, {"xy": places, "values": [1.0]}):
        with pytest.raises(AtlasError):
            layer.show(bad["xy"], values=bad.get("values"))


def test_a_lasso_takes_what_lies_inside_and_within_a_search_only_what_answered(page, atlas):
    x, y = page.session.state.latent.xy
    square = [[x - 2, x + 2, x + 2, x - 2], [y - 2, y - 2, y + 2, y + 2]]
    expected = np.flatnonzero((np.abs(atlas.xy - [x, y]) < 2).all(axis=1))
    page.send("find", polygon=square)
    assert page.desk.settle() and page.out.finds["title"].startswith(f"{len(expected)} in the lasso")
    page.send("find", query="Ti")
    assert page.desk.settle()
    page.send("find", polygon=square)
    assert page.desk.settle()
    from motifdesk.atlas.searching import search

    both = np.intersect1d(expected, np.flatnonzero(search(atlas, "Ti")))
    assert page.out.finds["title"].startswith(f"{len(both)} in the lasso") and 0 < len(both) < len(expected)
    page.send("find", polygon=[[0, 1], [0, 1]])
    assert page.desk.settle() and "three corners" in page.out.finds["error"]


def test_inside_agrees_with_a_circle_and_with_a_hole():
    rng = np.random.default_rng(0)
    xy = rng.uniform(-2, 2, size=(4000, 2)).astype(np.float32)
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    found = inside(xy, [np.cos(angle), np.sin(angle)])
    radius = np.linalg.norm(xy, axis=1)
    clear = np.abs(radius - 1) > 0.01
    assert set(found) >= set(np.flatnonzero(clear & (radius < 1)))
    assert not set(found) & set(np.flatnonzero(clear & (radius > 1)))
    # an outline that crosses itself: the doubly wound middle is outside
    star = 2 * np.pi * np.arange(5) * 2 / 5
    assert not inside(np.zeros((1, 2)), [np.cos(star), np.sin(star)]).size


def test_markers_say_how_far_off_the_known_structures_they_are(page):
    assert page.out.manifold["landed"]["level"] == "near" and page.out.manifold["target"] is None
    x, y = page.session.state.latent.xy
    page.send("probe", x=x + 6.0, y=y + 6.0)
    assert page.desk.settle()
    assert (
        0 <= page.out.manifold["target"]["percentile"] <= 100
        and "known crystals" in page.out.manifold["target"]["words"]
    )
    page.send("release", what="probe")
    assert page.desk.settle()
    page.session.strain(volume=1.2)
    assert page.desk.settle()
    assert page.out.manifold["target"] is None, "nothing is asked for any more"
