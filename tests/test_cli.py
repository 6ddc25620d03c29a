"""The command line, as a person types it."""

import json

import pytest

from motifdesk import cli


def test_error_is_one_line_with_status_two(tmp_path, capsys):
    assert cli.main(["encode", str(tmp_path / "none.cif"), "--out", str(tmp_path / "codes.safetensors")]) == 2
    err = capsys.readouterr().err.strip()
    assert len(err.splitlines()) == 1 and "none.cif" in err


def test_lab_names_a_missing_notebook(tmp_path, capsys):
    assert cli.main(["lab", str(tmp_path / "missing.ipynb")]) == 2
    assert "missing.ipynb" in capsys.readouterr().err


def test_voila_names_a_missing_notebook_and_serves_one_without_the_network(tmp_path, capsys, monkeypatch):
    pytest.importorskip("voila")
    assert cli.main(["voila", str(tmp_path / "missing.ipynb")]) == 2
    assert "missing.ipynb" in capsys.readouterr().err
    started = {}
    monkeypatch.setattr(cli.subprocess, "call", lambda command, env: started.update(command=command, env=env) or 0)
    notebook = tmp_path / "a.ipynb"
    notebook.write_text("{}")
    assert cli.main(["voila", str(notebook), "--theme", "dark", "--no-browser", "--port", "8877"]) == 0
    assert {"--template=motifdesk", "--theme=dark", "--no-browser", "--port=8877"} <= set(started["command"])
    from pathlib import Path

    place = Path(started["env"]["JUPYTER_PATH"].split(":")[0]) / "voila" / "templates" / "motifdesk"
    assert "https://" not in (place / "index.html.j2").read_text() and (place / "conf.json").is_file()


def test_unknown_benchmark_lists_the_known_ones(capsys):
    assert cli.main(["bench", "nonsense"]) == 2
    assert "import" in capsys.readouterr().err


def test_benchmark_json_names_figures_versions_machine_seed_and_command(tmp_path, monkeypatch):
    (tmp_path / "bench_two_things.py").write_text("def run(args):\n    return {'a': 1.5, 'bad': float('nan')}\n")
    from motifdesk import _bench

    out = tmp_path / "deep" / "out.json"
    args = cli.build_parser().parse_args(["bench", "two-things", "--json", str(out), "--seed", "3"])
    assert _bench.run_benchmark(tmp_path, args) == 0
    report = json.loads(out.read_text())
    assert report["summary"] == {"a": 1.5, "bad": None}
    assert report["seed"] == 3 and report["versions"]["motifdesk"] and report["machine"]["cores"]
    assert report["command"].startswith("motifdesk")


@pytest.mark.parametrize("command", ["lab", "voila", "encode", "decode", "train", "atlas-fit", "screen", "bench"])
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([command, "--help"])
    assert stop.value.code == 0 and "usage" in capsys.readouterr().out
