"""Real tables: those that scikit-learn carries, and R's ``infert``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine

from strata.data.bundled import SetRequest, register_set
from strata.data.dataset import Dataset, SetInfo
from strata.data.readers import read_table

__all__: list[str] = []

_FOLDER = Path(__file__).parent / "sets"


def _register(
    name: str,
    loader: Callable[..., Any],
    description: str,
    source: str,
    *,
    shape: tuple[int, int],
    n_classes: int | None,
    target: str,
    names: bool = True,
    image_shape: tuple[int, ...] | None = None,
) -> None:
    """Enter one of scikit-learn's tables; ``names`` puts class names in place of their numbers."""
    task: Literal["classification", "regression"] = "regression" if n_classes is None else "classification"

    @register_set(SetInfo(name, task, *shape, n_classes, description, f"scikit-learn; {source}"))
    def build(request: SetRequest) -> Dataset:
        bunch = loader()
        features = tuple(str(feature).replace(" (cm)", "").replace(" ", "_") for feature in bunch.feature_names)
        y = bunch.target
        if n_classes is not None:
            y = np.array([str(entry) for entry in bunch.target_names])[y] if names else y.astype(np.int64)
        frame = pd.DataFrame(bunch.data, columns=list(features))
        info = request.info
        return Dataset(name, frame, y, features, target, task, info.description, info.source, image_shape=image_shape)


_register(
    "iris",
    load_iris,
    "Three species of iris by the sizes of their flowers, in cm.",
    "Fisher 1936",
    shape=(150, 4),
    n_classes=3,
    target="species",
)
_register(
    "wine",
    load_wine,
    "Three cultivars of wine by chemical analysis.",
    "UCI, Aeberhard and Forina",
    shape=(178, 13),
    n_classes=3,
    target="cultivar",
)
_register(
    "breast_cancer",
    load_breast_cancer,
    "Malignant or benign tumours by measures of their cell nuclei.",
    "Wisconsin diagnostic set, Street, Wolberg and Mangasarian 1993",
    shape=(569, 30),
    n_classes=2,
    target="diagnosis",
)
_register(
    "diabetes",
    load_diabetes,
    "Progress of diabetes after a year; columns are scaled already.",
    "Efron, Hastie, Johnstone and Tibshirani 2004",
    shape=(442, 10),
    n_classes=None,
    target="progression",
)
_register(
    "digits",
    load_digits,
    "Handwritten digits of 8 x 8 pixels, grey levels 0 to 16.",
    "UCI optical recognition of handwritten digits, test part",
    shape=(1797, 64),
    n_classes=10,
    target="digit",
    names=False,
    image_shape=(8, 8),
)


@register_set(
    SetInfo(
        "infert",
        "classification",
        248,
        7,
        2,
        "Infertility after abortion: 83 cases and 165 matched controls.",
        "R package datasets, infert; Trichopoulos et al. 1976",
    )
)
def _infert(request: SetRequest) -> Dataset:
    frame = read_table(_FOLDER / "infert.csv")
    y = frame.pop("case").to_numpy()
    frame.attrs = {}
    info = request.info
    return Dataset(info.name, frame, y, tuple(frame.columns), "case", info.task, info.description, info.source)
