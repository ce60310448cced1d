"""The model card that lies beside saved weights."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from strata.estimators._folder import versions

__all__ = ["model_card"]

_TEMPLATE = """# {name}

A model of strata, saved as data only: `config.json` says what it is,
`weights.safetensors` holds its numbers. Nothing in this folder is code.

```python
import strata

model = strata.load("path/to/this/folder")
model.predict({inputs})
```

## What it learned

| | |
| --- | --- |
{facts}

## Parameters that differ from the defaults

{parameters}

## Made with

{made}

## Limits

The model knows only data like its training data. What stands above comes from the run that trained it;
judge it on data that this run has not seen (`strata evaluate`).
"""


def _cell(value: object, limit: int = 120) -> str:
    """Return a value as one table cell that cannot break the table or open a link."""
    text = " ".join(str(value).split()).replace("|", "/").replace("`", "'").replace("\\", "/")
    return f"`{text[:limit]}{'...' if len(text) > limit else ''}`"


def _images(estimator: Any) -> list[tuple[str, object]]:
    """Return what an image classifier takes, and what it began from."""
    height, width = estimator.image_size_
    colours = {1: "grey", 3: "red, green and blue"}.get(estimator.in_channels_, f"{estimator.in_channels_} channels")
    mean, std = (", ".join(f"{each:.4g}" for each in values) for values in (estimator.mean_, estimator.std_))
    facts: list[tuple[str, object]] = [
        ("network", estimator.model_name_),
        ("its images", f"{width} x {height} pixels, {colours}; files are scaled"),
        ("from each channel, on the scale from 0 to 1", f"minus {mean}; divided by {std}"),
        ("weights and biases", sum(each.numel() for each in estimator.network_.parameters())),
    ]
    if estimator.weights is not None:
        learned = {"last": "the last layer", "partial": "the last blocks"}.get(estimator.transfer, "everything")
        facts.append(("began from the weights", f"{estimator.weights}, of which {learned} learned on"))
    return facts


def _facts(estimator: Any, arrays: Mapping[str, np.ndarray], data_hash: str | None) -> list[tuple[str, object]]:
    facts: list[tuple[str, object]] = []
    if hasattr(estimator, "image_size_"):
        facts += _images(estimator)
    else:
        facts.append(("inputs", getattr(estimator, "n_features_in_", "unknown")))
        n_learned = sum(int(array.size) for array in arrays.values() if array.dtype.kind == "f")
        facts.append(("learned numbers", n_learned))
    if hasattr(estimator, "feature_names_in_"):
        facts.append(("names of the inputs", ", ".join(map(str, estimator.feature_names_in_))))
    classes = getattr(estimator, "classes_", None)
    if classes is not None:
        facts.append(("classes", ", ".join(map(str, classes))))
    for label, name in (
        ("epochs", "n_iter_"),
        ("training loss", "loss_"),
        ("best validation score", "best_validation_score_"),
        ("stopped by", "stop_reason_"),
    ):
        value = getattr(estimator, name, None)
        if value is not None:
            facts.append((label, f"{value:.6g}" if isinstance(value, float) else value))
    temperature = getattr(getattr(estimator, "network_", estimator), "temperature_", None)
    if temperature is not None:
        facts.append(("temperature that calibrates the probabilities", f"{temperature:.6g}"))
    facts.append(("digest of the training data", data_hash or "not recorded"))
    return facts


def model_card(
    estimator: Any,
    config: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    reached: Mapping[str, object] | None = None,
) -> str:
    """Return the text of ``README.md`` for a fitted estimator.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    config : mapping
        Its configuration.
    arrays : mapping of str to ndarray
        Its weights.
    reached : mapping of str to object, optional
        What it reached, by name.

    Returns
    -------
    card : str
        Markdown. Whatever comes from data (labels, names) stands in code spans.
    """
    defaults = type(estimator)().get_params(deep=False)
    changed = [
        f"- `{name}`: {_cell(value)}"
        for name, value in estimator.get_params(deep=False).items()
        if name in config["params"] and repr(value) != repr(defaults.get(name))
    ]
    facts = [*_facts(estimator, arrays, config.get("data_hash")), *(reached or {}).items()]
    return _TEMPLATE.format(
        name=type(estimator).__name__,
        inputs='["one.jpg", "another.jpg"]' if hasattr(estimator, "image_size_") else "X",
        facts="\n".join(f"| {label} | {_cell(value)} |" for label, value in facts),
        parameters="\n".join(changed) or "None.",
        made=", ".join(f"{name.replace('_', '-')} {version}" for name, version in versions().items()) + ".",
    )
