"""Imports point only upward in the blueprint's table; the syntax trees say so."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "strata"
ROOMS = [
    "functional", "nn", "models", "data", "rules", "engine", "estimators",
    "explain", "diagnosis", "report", "verify", "playground", "cli",
]  # fmt: skip
OPTIONAL = {"h5py", "pyarrow", "polars", "skimage", "torchvision"}
#: Modules whose whole purpose is to load the rest late, so that the command answers at once.
LAZY = {"__init__.py", "cli"}


def room_of(module: str) -> str | None:
    """Return the room of a dotted module name, None for the ground floor and the outside."""
    parts = module.split(".")
    return parts[1] if parts[0] == "strata" and len(parts) > 1 and parts[1] in ROOMS else None


def imports(tree: ast.AST) -> list[tuple[int, str]]:
    """List every imported module of a syntax tree with its line."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import"
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return found


def edges_the_wrong_way(source: str, module_room: str | None, name: str) -> list[str]:
    """List the imports of one file that point to a later room, or from the ground floor into any room."""
    rank = -1 if module_room is None else ROOMS.index(module_room)
    return [
        f"{name}:{line} imports {target}"
        for line, target in imports(ast.parse(source))
        if (room := room_of(target)) is not None and ROOMS.index(room) > rank
    ]


def files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def test_imports_point_upward():
    wrong = []
    for path in files():
        relative = path.relative_to(PACKAGE)
        if relative == Path("__init__.py"):
            continue
        room = relative.parts[0] if relative.parts[0] in ROOMS else None
        wrong += edges_the_wrong_way(path.read_text(), room, str(relative))
    assert wrong == []


@pytest.mark.parametrize(
    ("source", "room", "n_wrong"),
    [
        ("from strata.engine import train", "rules", 1),
        ("import strata.estimators.mlp", "functional", 1),
        ("from strata import engine", "rules", 1),
        ("from strata.functional import relu", None, 1),
        ("from strata.functional import relu\nimport numpy", "nn", 0),
        ("def f():\n    from strata.cli import main", "report", 1),
    ],
)
def test_the_check_can_tell(source, room, n_wrong):
    assert len(edges_the_wrong_way(source, room, "x.py")) == n_wrong


def test_no_imports_inside_functions_except_of_optional_dependencies():
    wrong = []
    for path in files():
        relative = path.relative_to(PACKAGE)
        if relative.parts[0] in LAZY:
            continue
        tree = ast.parse(path.read_text())
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                wrong += [
                    f"{relative}:{line} imports {module} inside {function.name}()"
                    for line, module in imports(function)
                    if module.split(".")[0] not in OPTIONAL
                ]
    assert wrong == []


def test_files_stay_readable():
    lengths = {str(path.relative_to(PACKAGE)): len(path.read_text().splitlines()) for path in files()}
    assert {name: n for name, n in lengths.items() if n > 800} == {}
    long = [name for name, n in lengths.items() if n > 500]
    assert len(long) <= 0.1 * len(lengths), f"more than a tenth of the files exceed 500 lines: {long}"


def test_no_star_imports_and_no_bare_except():
    wrong = []
    for path in files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
                wrong.append(f"{path.name}:{node.lineno} star import")
            if isinstance(node, ast.ExceptHandler) and node.type is None:
                wrong.append(f"{path.name}:{node.lineno} bare except")
    assert wrong == []
