"""The data file of limits: read strictly, wholly used, every limit with its reason."""

import re
from pathlib import Path

import pytest

import strata.diagnosis
from strata.diagnosis import CATALOGUE, load_thresholds
from strata.diagnosis.thresholds import Threshold, Thresholds

ROOM = Path(strata.diagnosis.__file__).parent
DOCS = ROOM.parents[1] / "docs" / "diagnosis.md"


def test_every_limit_is_used_and_every_used_limit_is_there():
    source = "".join(path.read_text() for path in sorted(ROOM.rglob("*.py")))
    asked = set(re.findall(r'(?:ramp|number)\(\s*"([a-z_.]+)"', source))
    assert asked == set(load_thresholds())


def test_groups_are_verdicts():
    groups = {name.split(".")[0] for name in load_thresholds()}
    assert groups - {"general", "proof"} <= set(CATALOGUE)


def test_ramps_go_both_ways_and_by_powers_of_ten():
    limits = Thresholds({"a.up": Threshold((1.0, 3.0), "x", "y"), "a.down": Threshold((1e-2, 1e-4), "x", "y")})
    assert [limits.ramp("a.up", each) for each in (0.0, 1.0, 2.0, 3.0, 9.0)] == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert limits.ramp("a.down", 1e-3, log=True) == pytest.approx(0.5)
    assert limits.ramp("a.down", 0.0, log=True) == 1.0
    assert limits.ramp("a.up", float("inf"), log=True) == 1.0
    assert limits.ramp("a.up", None) == limits.ramp("a.up", float("nan")) == 0.0


def test_a_number_is_no_ramp_and_a_ramp_no_number():
    limits = load_thresholds()
    with pytest.raises(ValueError, match="must be one number"):
        limits.number("dead_relus.dead")
    with pytest.raises(ValueError, match="must be two numbers"):
        limits.ramp("general.primary", 1.0)
    with pytest.raises(KeyError, match="Did you mean 'dead_relus.dead'"):
        limits.number("dead_relus.dea")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a.b]\nvalue = 1\nunit = 'x'", "must hold value, unit and reason"),
        ("[a.b]\nvalue = 1\nunit = 'x'\nreason = 'y'\nmore = 2", "must hold value, unit and reason"),
        ("[a.b]\nvalue = 'high'\nunit = 'x'\nreason = 'y'", "`value` must be finite numbers"),
        ("[a.b]\nvalue = nan\nunit = 'x'\nreason = 'y'", "`value` must be finite numbers"),
        ("[a.b]\nvalue = true\nunit = 'x'\nreason = 'y'", "`value` must be finite numbers"),
        ("[a.b]\nvalue = [1, 1]\nunit = 'x'\nreason = 'y'", "two different ones"),
        ("[a.b]\nvalue = [1, 2, 3]\nunit = 'x'\nreason = 'y'", "two different ones"),
        ("[a.b]\nvalue = 1\nunit = 'x'\nreason = ' '", "`reason` must be words"),
        ("a = 1", "must be a table of limits"),
        ("[a", "not TOML"),
    ],
)
def test_a_file_with_anything_else_is_refused(text, message, tmp_path):
    path = tmp_path / "limits.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        load_thresholds(path)


def test_the_page_lists_every_verdict_in_the_words_of_the_catalogue():
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| (.*) \|$", DOCS.read_text(), re.MULTILINE))
    assert list(rows) == list(CATALOGUE)
    for name, words in rows.items():
        assert words == f"{CATALOGUE[name].meaning} | {CATALOGUE[name].cause} | {CATALOGUE[name].cure}"
