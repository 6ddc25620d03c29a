"""The project's own files agree with each other: environment.yml, the lock, the floors, the light import."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ASKED = [text for part in (PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()) for text in part]


def _requirements(lines):
    return {r.name.lower(): str(r.specifier) for r in map(Requirement, lines)}


def test_environment_yml_asks_for_what_pyproject_asks_for():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    conda = [re.sub(r"\s+", "", line) for line in environment if isinstance(line, str)]
    pip = [line for entry in environment if isinstance(entry, dict) for line in entry["pip"]]
    assert "--editable .[test]" in pip
    asked = _requirements([line for line in conda + pip if not line.startswith(("python>", "pip", "--"))])
    assert asked == _requirements(PROJECT["dependencies"])
    assert f"python{PROJECT['requires-python']}" in conda


def test_lock_pins_every_dependency_to_an_allowed_version():
    lock = dict(line.split("==") for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line)
    for text in ASKED:
        requirement = Requirement(text)
        if requirement.name == "motifdesk":  # an extra that takes in other extras
            continue
        assert requirement.specifier.contains(lock[requirement.name.lower()]), text
    # nvidia-ml-py3 is 20 kB of Python that CHGNet asks for to read a GPU's free memory; it brings no CUDA
    cuda = [name for name in lock if name.startswith(("nvidia", "triton")) and name != "nvidia-ml-py3"]
    assert not cuda, "the lock must not ask for CUDA packages"


def test_every_dependency_has_its_reason():
    text = (ROOT / "pyproject.toml").read_text()
    lines = re.findall(r'^  "[a-z0-9-]+[<>=\[].*$', text, flags=re.M)
    assert len(lines) == len(ASKED)
    assert all(re.search(r"# .{8,}", line) for line in lines)


def test_rooms_import_only_rooms_below():
    done = subprocess.run([Path(sys.executable).with_name("lint-imports")], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_public_names_type_check():
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_is_content():
    done = subprocess.run([sys.executable, "-m", "ruff", "check", "."], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("code", ["import motifdesk", "from motifdesk import Desk, read, find_motifs"])
def test_the_way_to_the_desk_imports_nothing_heavy(code):
    script = f"{code}\nimport sys\nprint([m for m in ('umap', 'numba', 'matplotlib', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_resolve():
    import motifdesk

    for name in motifdesk.__all__:
        assert getattr(motifdesk, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        motifdesk.nonsense  # noqa: B018


def test_sources_stay_small_enough_to_hold_in_the_head():
    long = {
        str(p.relative_to(ROOT)): n
        for p in (ROOT / "motifdesk").rglob("*.py")
        if (n := len(p.read_text().splitlines())) > 400
    }
    assert not long
