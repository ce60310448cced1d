"""The Python in the README and the guide runs, in order, as written."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", "docs/guide.md", "docs/images.md", "docs/pictures.md"]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # few epochs, to be quick
@pytest.mark.parametrize("page", PAGES)
def test_the_examples_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
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
