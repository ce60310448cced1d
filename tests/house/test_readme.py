"""The Python in the README and the guide runs, in order, as written."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from strata.cli._app import app
from strata.models import registry

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    "README.md",
    "docs/cells.md",
    "docs/guide.md",
    "docs/images.md",
    "docs/image_classifier.md",
    "docs/pictures.md",
    "docs/unsupervised.md",
    "docs/autoencoders.md",
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # few epochs, to be quick
@pytest.mark.parametrize("page", PAGES)
def test_the_examples_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("strata.models.registry._MODELS", dict(registry._MODELS))  # a page may register a network
    text = (ROOT / page).read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) >= 2
    names: dict[str, object] = {"__name__": "readme"}
    for block in blocks:
        exec(compile(block, page, "exec"), names)  # noqa: S102 - our own page


def test_every_estimator_is_named_in_the_readme():
    import strata

    text = (ROOT / "README.md").read_text()
    classes = [name for name in strata.__all__ if name[0].isupper()]
    assert [name for name in classes if f"`{name}`" not in text] == []


def test_every_verb_is_named_in_the_readme_and_the_changelog():
    verbs = set(get_command(app).commands)
    assert {"train", "explain", "data"} <= verbs
    for name, start in (("README.md", "Verbs: "), ("CHANGELOG.md", "- The command: ")):
        line = next(line for line in (ROOT / name).read_text().splitlines() if line.startswith(start))
        assert set(re.findall(r"`([a-z]+)`", line.split(";")[0])) == verbs, name
