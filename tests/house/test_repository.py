"""The repository keeps its own rules: warnings are errors, nothing generated or foreign is committed."""

import re
import subprocess
import tomllib
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def tracked() -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_warnings_are_errors():
    assert PROJECT["tool"]["pytest"]["ini_options"]["filterwarnings"][0] == "error"
    with pytest.raises(UserWarning, match="seen"):
        warnings.warn("seen", stacklevel=1)


def test_version_is_said_once():
    import strata

    assert strata.__version__ == PROJECT["project"]["version"]


def test_no_generated_or_large_files_are_tracked():
    suffixes = {".pyc", ".nbi", ".nbc", ".pt", ".pth", ".pkl", ".joblib", ".h5", ".safetensors", ".gz", ".npz", ".lock"}
    package = ROOT / "strata"  # weights that the project has trained, each with its card
    cards = {path: path.with_suffix(".md") for path in (package / "models" / "pretrained").glob("*.safetensors")}
    cards |= {path: path.with_name("README.md") for path in (package / "playground" / "digits").glob("*/*.safetensors")}
    wrong = [
        path
        for path in tracked()
        if (path in cards and path.stat().st_size > 2_000_000)
        or (path not in cards and (path.suffix in suffixes or path.stat().st_size > 400_000))
    ]
    assert wrong == []
    assert len(cards) >= 3
    assert [path for path, card in cards.items() if not card.is_file()] == []


def test_no_package_index_hosts_in_commits():
    index = re.compile("|".join(("pypi" + r"\.org", "files" + r"\.pythonhosted", "registry" + r"\.npmjs")))
    wrong = []
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        if index.search(text):
            wrong.append(path.name)
    assert wrong == []


def test_nothing_is_unpickled_in_the_package():
    banned = re.compile(
        r"\b(pickle\.loads?|joblib\.load|torch\.load(?!\(.*weights_only=True)|"
        r"allow_pickle\s*=\s*True|(?<![.\w])(eval|exec)\()"
    )
    wrong = [
        f"{path.name}:{number}: {line.strip()}"
        for path in (ROOT / "strata").rglob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if banned.search(line) and not line.lstrip().startswith(("#", '"', "-", "*"))
    ]
    assert wrong == []
