"""Every row of the fault table is listed in docs/faults.md with tests that exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "faults.md"
ROWS = [*range(1, 10), *range(11, 19), *range(21, 29), 30, 31, 37, 40, 41, 42]


def listed(text):
    """Return the node ids of each row."""
    rows = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and cells[0].isdigit():
            assert int(cells[0]) not in rows, f"row {cells[0]} is listed twice"
            rows[int(cells[0])] = re.findall(r"`(tests/[^`]+)`", cells[2])
    return rows


def functions(path):
    return {node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)}


def missing(nodes, root=ROOT):
    """Return the node ids that name no test."""
    wrong = []
    for node in nodes:
        file, _, name = node.partition("::")
        if not (name.startswith("test_") and (root / file).is_file() and name in functions(root / file)):
            wrong.append(node)
    return wrong


def test_every_row_is_listed():
    assert list(listed(PAGE.read_text(encoding="utf-8"))) == ROWS


@pytest.mark.parametrize("row", ROWS)
def test_the_tests_of_a_row_exist(row):
    nodes = listed(PAGE.read_text(encoding="utf-8"))[row]
    assert nodes
    assert missing(nodes) == []


def test_the_check_can_tell():
    rows = listed(
        "| 7 | x | `tests/house/test_faults.py::test_no` `tests/no.py::test_a` `tests/house/test_faults.py` |"
    )
    assert missing(rows[7]) == rows[7] and len(rows[7]) == 3
    assert missing(["tests/house/test_faults.py::test_the_check_can_tell"]) == []
