"""What a hand does on the desk, and the check that the stage shows what the session holds."""

from __future__ import annotations

import numpy as np

from tests.browser import lab as browser


def session_positions(lab) -> np.ndarray:
    return np.array(lab.value("desk.session.state.arrays.positions.tolist()"))


def shown(lab) -> bool:
    """Whether the stage shows the session's positions."""
    atoms, wanted = np.array(lab.stage()["atoms"]), session_positions(lab)
    return bool(np.abs(atoms[: len(wanted)] - wanted).max() < 1e-3)


def assert_stage_shows_session(lab, what: str) -> dict:
    """Atoms within 1e-3 A; bonds and polyhedra have their vertices on the atoms that own them."""

    def error() -> float:
        return float(np.abs(np.array(lab.stage()["atoms"])[: len(target)] - target).max())

    target = session_positions(lab)
    browser.poll(lambda: error() < 1e-3, f"the stage to show the session after {what}", 20)
    stage = lab.stage()
    atoms = np.array(stage["atoms"])
    assert stage["count"] == len(target)
    cell = np.array(lab.value("desk.session.state.arrays.cell.tolist()"))
    images = np.array(stage["image"]).reshape(-1, 3)
    np.testing.assert_allclose(atoms, target[stage["site"]] + images @ cell, atol=1e-3)
    pairs = np.array(stage["bondPairs"]).reshape(-1, 2)
    drawn = (np.array(stage["bonds"]["position1"]).reshape(-1, 3), np.array(stage["bonds"]["position2"]).reshape(-1, 3))
    per_bond = len(drawn[0]) // len(pairs)  # the cylinder's impostor repeats its ends for each of its vertices
    for end, column in zip(drawn, pairs.T, strict=True):
        np.testing.assert_allclose(end[::per_bond], atoms[column], atol=1e-3)
    corners = lab.page.evaluate("() => globalThis.motifdesk.latest.get('scene').polyhedra.map((p) => [p.motif, p.tri])")
    by_name = {name: [] for name in {f"motif:{motif}" for motif, _ in corners}}
    for motif, tri in corners:
        by_name[f"motif:{motif}"].append(atoms[tri])
    meshes = lab.page.evaluate(
        """() => globalThis.motifdesk.latest.pane.layers.filter((c) => c.name.startsWith('polyhedra')).flatMap((c) =>
             c.reprList[0].repr.bufferList.map((b) => [b.parameters?.name ?? '',
             Array.from(b.geometry.attributes.position.array)]))"""
    )
    assert len(meshes) == len(corners)
    # every drawn triangle corner is where one of the scene's corners is, mesh by mesh
    for _, flat in meshes:
        mesh = np.array(flat).reshape(-1, 3)
        best = min(np.abs(mesh - p).max() for group in by_name.values() for p in group if p.shape == mesh.shape)
        assert best < 1e-3
    return stage


def press_and_move(lab, x: float, y: float, path: list[tuple[float, float]]) -> None:
    lab.page.mouse.move(x, y)
    lab.page.mouse.down()
    for dx, dy in path:
        lab.page.mouse.move(x + dx, y + dy)


def choose(lab, group: str, value: str) -> None:
    """Click one of a row of choices, named by the row's label."""
    lab.page.locator(f".md-segmented[aria-label={group!r}] button[data-value={value!r}]").click()


def drag_slider(lab, part: str, share: float) -> None:
    """Pull the slider whose key holds `part` by `share` of its width and let go."""
    slider = lab.page.locator(f".md-slider[data-key*='{part}'] input[type=range]")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    path = [(box["width"] * share * k / 8, 0) for k in range(1, 9)]
    press_and_move(lab, box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, path)
