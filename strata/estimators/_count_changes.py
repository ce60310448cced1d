"""Differential expression: pairs of cells of two groups, their latent draws, and what comes of them."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.utils.validation import check_is_fitted

from strata.estimators._count_inputs import Cells, has_annotations, labels_of_cells, opened
from strata.estimators._image_network import seeded
from strata.functional import ExpressionChange, false_discoveries

__all__ = ["ChangeSettings", "expression_changes"]

#: Pairs that are decoded together.
_PAIRS = 128


@dataclass(frozen=True)
class ChangeSettings:
    """How groups are compared; the pseudocount in counts of a cell of median depth."""

    n_samples: Any
    delta: Any
    pseudocount: Any
    false_discovery_rate: Any

    def __post_init__(self) -> None:
        for name, value, kind, low in (
            ("n_samples", self.n_samples, Integral, 1),
            ("delta", self.delta, Real, 0),
            ("pseudocount", self.pseudocount, Real, 0),
        ):
            if isinstance(value, bool) or not isinstance(value, kind) or not low <= float(value) < np.inf:
                raise ValueError(f"`{name}` must be a number of {low} or more. Received: {name}={value!r}.")
        share = self.false_discovery_rate
        if not isinstance(share, Real) or not 0 < float(share) < 1:
            raise ValueError(
                f"`false_discovery_rate` must be between 0 and 1. Received: false_discovery_rate={share!r}."
            )


def expression_changes(
    model: Any,
    X: Any,
    groups: Any,
    *,
    first: Any,
    second: Any,
    settings: ChangeSettings,
    random_state: np.random.RandomState,
) -> pd.DataFrame:
    """Return a table of genes, the surest changes first; see :meth:`strata.SCVI.differential_expression`."""
    cells, labels = _grouped(model, X, groups)
    rows = _rows_of(labels, len(cells), first, second)
    n_samples = int(settings.n_samples)
    change = ExpressionChange(
        delta=float(settings.delta), pseudocount=float(settings.pseudocount) / float(model.median_total_)
    )
    drawn = [members[random_state.randint(len(members), size=n_samples)] for members in rows]
    n_batches = model.network_.n_batches
    sums: list[Any] = [0.0, 0.0]
    with seeded(int(random_state.randint(np.iinfo(np.int32).max))):
        for start in range(0, n_samples, _PAIRS):
            batch = np.arange(start, min(start + _PAIRS, n_samples)) % n_batches
            pair = [_shares(model, cells.take(side[start : start + _PAIRS]), batch) for side in drawn]
            change.add(*pair)
            sums = [total + part.sum(axis=0, dtype=np.float64) for total, part in zip(sums, pair, strict=True)]
    return _table(model, change, sums, [_raw_mean(cells, members) for members in rows], settings)


def _grouped(model: Any, X: Any, groups: Any) -> tuple[Cells, np.ndarray]:
    """Return checked cells and the label of each one's group."""
    check_is_fitted(model)
    if not isinstance(groups, str):
        return model._cells(X, told=False), np.asarray(groups)
    X = opened(X, layer=model.layer, columns=[groups])
    if not has_annotations(X):
        raise ValueError(f"`groups` must be labels of cells for an array. Received: groups={groups!r}.")
    return model._cells(X, told=False), labels_of_cells(X, groups, parameter="groups")


def _table(
    model: Any, change: ExpressionChange, sums: list[Any], means: list[np.ndarray], settings: ChangeSettings
) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "probability": change.probability,
            "bayes_factor": change.bayes_factor,
            "log2_change": change.mean,
            "std": change.std,
            "called": false_discoveries(change.probability, share=float(settings.false_discovery_rate)),
            "share_1": sums[0] / change.n_pairs,
            "share_2": sums[1] / change.n_pairs,
            "mean_1": means[0],
            "mean_2": means[1],
            "higher": np.asarray(change.higher) / change.n_pairs,
        },
        index=pd.Index(getattr(model, "feature_names_in_", np.arange(len(means[0]))), name="gene"),
    )
    order = np.lexsort((-np.abs(table["log2_change"].to_numpy()), -table["probability"].to_numpy()))
    return table.iloc[order]


def _rows_of(groups: np.ndarray, n_cells: int, first: Any, second: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells of both groups."""
    if groups.shape != (n_cells,):
        raise ValueError(f"`groups` must have one label for each of {n_cells} cells. Received: shape {groups.shape}.")
    chosen = groups == first
    others = ~chosen if second is None else groups == second
    for name, label, members in (("first", first, chosen), ("second", second, others)):
        if not np.any(members):
            known = sorted({str(each) for each in groups.tolist()})[:20]
            raise ValueError(f"`{name}` must be a group with cells. Received: {name}={label!r}. Groups: {known}.")
    return np.flatnonzero(chosen), np.flatnonzero(others)


def _shares(model: Any, cells: Cells, batch: np.ndarray) -> np.ndarray:
    """Draw what share of its counts each cell has of each gene, in given batches."""
    codes = torch.from_numpy(batch)
    with model._looking(cells) as (network, batches):
        (only,) = batches
        mean, variance = network.encode(only.x)
        z = mean + variance.sqrt() * torch.randn(mean.shape).to(mean.device)
        shares = network.decode(z, torch.zeros(len(z), device=z.device), codes.to(z.device)).mean
    return np.asarray(shares.cpu().numpy())


def _raw_mean(cells: Cells, rows: np.ndarray) -> np.ndarray:
    total = cells.counts[rows].sum(axis=0, dtype=np.float64)
    return np.asarray(total).reshape(-1) / len(rows)
