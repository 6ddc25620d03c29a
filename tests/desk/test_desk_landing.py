"""A drag that is being made a step of the history while the hand is already at the next thing."""

import threading

import pytest

from motifdesk.session.map_workers import Drag


@pytest.mark.parametrize("op", ["undo", "export"])
def test_what_comes_during_the_commit_of_a_drag_waits_for_it(opened, rutile, codec, atlas, monkeypatch, tmp_path, op):
    page = opened(rutile, codec=codec, atlas=atlas).open_map()
    x, y = page.session.state.latent.xy
    entered, go = threading.Event(), threading.Event()
    finish = Drag.finish

    def held(drag, draft):
        entered.set()
        assert go.wait(30)
        return finish(drag, draft)

    monkeypatch.setattr(Drag, "finish", held)
    page.send("probe", x=x + 0.1, y=y).send("release", what="probe")
    assert entered.wait(30)
    threading.Timer(0.2, go.set).start()
    page.send(op, name=str(tmp_path / "dragged.cif"), format="cif", overwrite=False)
    assert page.edits() == ["open", "drag"], "done before the command was answered"
    assert page.session.history.current == (0 if op == "undo" else 1)
    assert page.desk.settle() and page.desk.messages == ()
