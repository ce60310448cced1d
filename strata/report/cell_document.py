"""The report of a training on counts of cells as plain values, and the picture of the codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup
from sklearn.decomposition import PCA

from strata._names import label_text
from strata.data import total_counts
from strata.report.charts import Series, chart
from strata.report.parts import Parts
from strata.report.planning import plain_parameters
from strata.report.reproducing import shell_command
from strata.report.run_folder import environment
from strata.report.sections import curves

if TYPE_CHECKING:
    from strata.report.cells import CellResult

__all__ = ["build_cell_document", "chart_of_codes"]

#: Cells that are drawn, and batches that are told apart by a colour; the smaller ones share the last.
N_SHOWN, N_COLOURS = 1_500, 6
_OF_THE_RUN = ("callbacks", "checkpoint", "progress", "resume", "verbose")


def build_cell_document(
    result: CellResult, codes: np.ndarray, parts: Parts, *, config: Mapping[str, Any]
) -> dict[str, Any]:
    """Gather everything that is known of a finished training on cells.

    Parameters
    ----------
    result : CellResult
        The training.
    codes : ndarray of shape (n_cells, d)
        Codes of all cells.
    parts : Parts
        Computes and collects.
    config : mapping of str to object
        What ``config.json`` of the run holds.

    Returns
    -------
    document : dict of str to object
        Plain values: what ``report.json`` holds.
    """
    document, estimator = result.to_dict(), result.estimator
    n_cells = document["data"]["n_cells"]
    document["title"] = label_text(f"{result.plan.path.name}: {n_cells:,} cells in {codes.shape[1]} numbers each")
    document["headline"] = _headline(document, codes.shape[1])
    configuration = plain_parameters(estimator.get_params(deep=False))
    document["model"]["configuration"] = {k: v for k, v in configuration.items() if k not in _OF_THE_RUN}
    document["model"]["n_parameters"] = sum(each.numel() for each in estimator.network_.parameters())
    document["environment"] = environment(("h5py", "anndata"))
    document["started"] = config.get("started")
    document["reproduce"] = {"shell": shell_command(config.get("options") or {}), "python": config.get("call")}
    document["cells"] = _cells(result)
    parts.add("curves", lambda: curves(estimator))
    parts.add("codes", lambda: _codes(result, codes))
    return document | parts.content | {"parts": parts.status}


def _headline(document: Mapping[str, Any], n_axes: int) -> dict[str, str]:
    """Say in plain words what was learned, and how it compares."""
    figures, is_bound = document["figures"], document["model"]["name"] == "scvi"
    where = f"{document['split']['n_test']:,} held-out" if document["split"]["n_test"] else "these"
    ours, other = figures["log_likelihood_per_entry"], figures.get("one_distribution_per_gene")
    numbers = f"{n_axes} number{'s' if n_axes != 1 else ''}"
    text = (
        f"A network puts {document['data']['n_genes']:,} genes of a cell into {numbers}, from which it foretells the "
        f"counts of {where} cells with a log-likelihood of {'at least ' if is_bound else ''}{_figure(ours)} a count."
    )
    if other is None:
        return {"text": text, "tone": "alone"}
    text += f" One negative binomial for each gene, times the depth of the cell, reaches {_figure(other)}."
    return {"text": text, "tone": "better" if ours > other else "worse"}


def _figure(value: float) -> str:
    return f"{value:.4f}".replace("-", "−")


def _cells(result: CellResult) -> dict[str, Any]:
    """Return how large the cells are, and of which batches."""
    counts, labels = result.plan.counts, _labels(result)
    totals = total_counts(counts)
    n_above = counts.nnz if hasattr(counts, "nnz") else int(np.count_nonzero(counts))
    batches = None
    if labels is not None:
        names, sizes = np.unique(labels, return_counts=True)
        batches = [{"label": name, "n_cells": int(size)} for name, size in zip(names.tolist(), sizes, strict=True)]
    return {
        "median_total": float(np.median(totals)),
        "totals": [float(np.quantile(totals, level)) for level in (0.05, 0.95)],
        "n_empty": int((totals == 0).sum()),
        "share_above_zero": n_above / max(counts.shape[0] * counts.shape[1], 1),
        "batches": batches,
    }


def _labels(result: CellResult) -> np.ndarray | None:
    """Return the batch of each cell as it is written on the page."""
    key = result.plan.parameters.get("batch_key")
    if key is None:
        return None
    return np.array([label_text(str(label)) for label in result.plan.table.obs[key]], dtype=object).astype(str)


def _codes(result: CellResult, codes: np.ndarray) -> dict[str, Any]:
    """Return where some of the cells lie in a plane, in groups by their batch."""
    codes, labels = np.asarray(codes, dtype=np.float64), _labels(result)
    spread = codes.std(axis=0)
    found: dict[str, Any] = {
        "n_axes": codes.shape[1],
        "spread": spread.tolist(),
        "n_idle": int((spread < 1e-2 * spread.max()).sum()),
        "of_batches": labels is not None,
    }
    rows = np.unique(np.linspace(0, len(codes) - 1, min(len(codes), N_SHOWN)).round().astype(int))
    flat = codes
    if codes.shape[1] > 2:
        axes = PCA(2, random_state=0).fit(codes)
        flat, found["explained"] = axes.transform(codes), axes.explained_variance_ratio_.tolist()
    elif codes.shape[1] == 1:
        flat = np.column_stack([codes, np.log10(np.maximum(total_counts(result.plan.counts), 1.0))])
    groups = np.full(len(codes), "cells") if labels is None else _merged(labels)
    found["points"] = [
        {"label": name, "x": flat[mine, 0].tolist(), "y": flat[mine, 1].tolist()}
        for name in sorted(set(groups.tolist()), key=lambda name: (name == "others", name))
        if len(mine := rows[groups[rows] == name])
    ]
    return found | {"n_shown": len(rows)}


def _merged(labels: np.ndarray) -> np.ndarray:
    """Return the labels with one word for all but the most frequent, where they are more than the colours."""
    names, sizes = np.unique(labels, return_counts=True)
    if len(names) <= N_COLOURS:
        return labels
    kept = names[np.argsort(-sizes, kind="stable")[: N_COLOURS - 1]]
    return np.where(np.isin(labels, kept), labels, "others")


def chart_of_codes(codes: Mapping[str, Any]) -> tuple[Markup, list[Series]]:
    """Draw where cells lie.

    Parameters
    ----------
    codes : mapping of str to object
        The part ``codes`` of a report.

    Returns
    -------
    picture : tuple of Markup and list of Series
        The picture and what is in it.
    """
    series = [
        Series(group["label"], group["x"], group["y"], kind="points", slot=slot)
        for slot, group in enumerate(codes["points"])
    ]
    x_label, y_label = {1: ("code", "log10 of the counts of the cell"), 2: ("first number", "second number")}.get(
        codes["n_axes"], ("first principal component of the codes", "second")
    )
    picture = chart(
        series,
        title="Codes of cells",
        description=f"{codes['n_shown']} cells in {len(series)} groups",
        x_label=x_label,
        y_label=y_label,
    )
    return picture, series
