"""Fixtures for every test: a quiet machine, a seed, and the shared data when it is there."""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("MPLBACKEND", "Agg")

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pytest
import torch
from PIL import Image

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name a case by what it holds, without addresses: every worker must collect the same names."""
    if isinstance(val, (dict, list, set)) or getattr(val, "__name__", "") == "<lambda>":
        return re.sub(r" at 0x[0-9a-f]+", "", str(val))
    return None


@pytest.fixture(autouse=True)
def _seeded() -> None:
    np.random.seed(0)
    torch.manual_seed(0)
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _closed_figures() -> Iterator[None]:
    yield
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close("all")


@pytest.fixture
def shared_data() -> Path:
    """Folder of the real data sets; the test skips where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the data sets in {SHARED}")
    return SHARED


def draw_shape(kind: str, random: np.random.RandomState, side: int = 16) -> np.ndarray:
    """A coloured disc, bar or cross on noise; the colour says nothing about the kind."""
    picture = random.randint(0, 60, (side, side, 3))
    colour = random.randint(120, 256, 3)
    row, column = random.randint(side // 3, side - side // 3, 2)
    y, x = np.mgrid[:side, :side]
    if kind == "disc":
        mask = (y - row) ** 2 + (x - column) ** 2 <= (side // 4) ** 2
    elif kind == "bar":
        mask = np.abs(x - column) <= 1
    else:
        mask = (np.abs(x - column) + np.abs(y - row) <= side // 3) & ((x == column) | (y == row))
    picture[mask] = colour
    return picture.astype(np.uint8)


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of 3 class folders with 20 PNG files of 16 x 16 pixels each; to be read, not to be changed."""
    folder = tmp_path_factory.mktemp("pictures") / "shapes"
    random = np.random.RandomState(0)
    for kind in ("bar", "cross", "disc"):
        (folder / kind).mkdir(parents=True)
        for number in range(20):
            Image.fromarray(draw_shape(kind, random)).save(folder / kind / f"{number:02d}.png")
    return folder
