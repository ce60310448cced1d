"""A training on counts of genes in cells: there is no target; cells that were held out judge what was learned."""

from __future__ import annotations

import os
import time as clock
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import torch

from strata._files import atomic_write, sha256_of
from strata._names import unknown_name
from strata._threads import limit_threads
from strata.data import CellTable, annotate_h5ad, check_counts, read_h5ad, split_rows, total_counts
from strata.engine import latest_checkpoint
from strata.errors import DataError
from strata.estimators import SCVI, CountAutoencoder
from strata.estimators.persistence import save_model
from strata.functional import negative_binomial_log_likelihood
from strata.report._running import check_same_data, checkpointing, determinism, status_of
from strata.report.cell_document import build_cell_document
from strata.report.executing import Wishes
from strata.report.html import render_cells
from strata.report.image_planning import RESERVED
from strata.report.parts import Parts
from strata.report.planning import plain_parameters
from strata.report.run_folder import RunFolder

__all__ = [
    "CELL_MODELS",
    "CellPlan",
    "CellResult",
    "are_cells",
    "fit_cells",
    "plan_cells",
    "refuse_for_cells",
    "table_of_codes",
]

#: Networks of counts by the name that ``--model`` takes.
CELL_MODELS: dict[str, type[Any]] = {"dca": CountAutoencoder, "scvi": SCVI}


def are_cells(data: object, model: str) -> bool:
    """Return whether something is to be learned from as counts of genes in cells.

    Parameters
    ----------
    data : object
        What was given.
    model : str
        Name of a model, or "auto".

    Returns
    -------
    answer : bool
        True for the path of a .h5ad file, and for a network of counts.
    """
    return (isinstance(data, (str, os.PathLike)) and os.fspath(data).endswith(".h5ad")) or model in CELL_MODELS


#: Arguments of a training that say something of counts of cells.
_ARGUMENTS = frozenset(
    {
        "baselines",
        "deterministic",
        "device",
        "model",
        "n_threads",
        "params",
        "report",
        "seed",
        "test_size",
        "time_limit",
    }
)


def refuse_for_cells(said: Mapping[str, Any]) -> None:
    """Refuse arguments that say nothing of counts of cells, before anything is read.

    Parameters
    ----------
    said : mapping of str to object
        Arguments of :func:`strata.train` that differ from the defaults.

    Raises
    ------
    ValueError
        If there is one of those.
    """
    for name, value in said.items():
        if name not in _ARGUMENTS:
            raise ValueError(f"`{name}` must be left out for counts of cells. Received: {name}={value!r}.")


@dataclass(frozen=True)
class CellPlan:
    """Cells to learn from, cells to judge by, and what learns.

    Parameters
    ----------
    path : Path
        The file.
    digest : str
        Of the file.
    table : CellTable
        Its counts.
    model : str
        "dca" or "scvi".
    parameters : dict of str to object
        Parameters of the estimator.
    train, test : ndarray of int
        Numbers of the cells; ``test`` is empty where none are held out.
    seed : int
        Seed of the split and of the training.
    """

    path: Path
    digest: str
    table: CellTable
    model: str
    parameters: dict[str, Any]
    train: np.ndarray
    test: np.ndarray
    seed: int

    @property
    def counts(self) -> Any:
        """The matrix of all cells."""
        return self.table.X if self.table.X is not None else next(iter(self.table.layers.values()))

    @property
    def problem(self) -> Any:
        """The data by their name and digest, as other plans have them."""
        return SimpleNamespace(name=self.path.stem, digest=self.digest, source=os.fspath(self.path))

    @property
    def recipe(self) -> Any:
        """The network by its name, as other plans have it."""
        return SimpleNamespace(model=self.model, notes=())

    def audit_lines(self) -> tuple[str, ...]:
        """Return what there is to say of the data.

        Returns
        -------
        lines : tuple of str
            One on cells without counts, where there are any.
        """
        empty = int((total_counts(self.counts) == 0).sum())
        return (f"{empty} cells have no counts and say nothing",) if empty else ()

    def headline(self) -> str:
        """Return one line on what will be done.

        Returns
        -------
        line : str
            Cells, genes, and how many are held out.
        """
        cells, genes = self.counts.shape
        held_out = f"{len(self.test):,} held out" if len(self.test) else "none held out"
        return f"{self.path.name}: {cells:,} cells of {genes:,} genes, {held_out}"

    def part(self, rows: np.ndarray) -> CellTable:
        """Return some of the cells.

        Parameters
        ----------
        rows : ndarray of int
            Their numbers.

        Returns
        -------
        table : CellTable
            Counts and annotations of those.
        """
        layers = {name: matrix[rows] for name, matrix in self.table.layers.items()}
        counts = None if self.table.X is None else self.table.X[rows]
        return CellTable(counts, self.table.obs.iloc[rows], self.table.var_names, layers)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan without the data.

        Returns
        -------
        plan : dict of str to object
            Ready for JSON.
        """
        cells, genes = self.counts.shape
        return {
            "data": {"source": os.fspath(self.path), "digest": self.digest, "n_cells": cells, "n_genes": genes},
            "task": "counts",
            "model": {
                "name": self.model,
                "estimator": CELL_MODELS[self.model].__name__,
                "parameters": plain_parameters(self.parameters),
            },
            "split": {"n_train": len(self.train), "n_test": len(self.test), "seed": self.seed},
        }


@dataclass
class CellResult:
    """What came out of a training on cells.

    Parameters
    ----------
    plan : CellPlan
        What was done.
    estimator : CountAutoencoder or SCVI
        The fitted model.
    figures : dict of str to float
        Scores of held-out cells, or of all where none are.
    seconds : float
        Time to fit.
    folder : Path or None
        The run folder.
    files : tuple of str
        Files in it that hold the codes.
    """

    plan: CellPlan
    estimator: Any
    figures: dict[str, float]
    seconds: float
    folder: Path | None = None
    files: tuple[str, ...] = field(default=())

    @property
    def stop_reason(self) -> str:
        """Why training ended."""
        return str(self.estimator.stop_reason_)

    @property
    def n_epochs(self) -> int:
        """Epochs done."""
        return int(self.estimator.n_iter_)

    def to_dict(self) -> dict[str, Any]:
        """Return the result, ready for JSON.

        Returns
        -------
        result : dict of str to object
            Plan, figures, epochs and files.
        """
        return {
            "schema": "strata.cells/1",
            **self.plan.to_dict(),
            "figures": self.figures,
            "n_epochs": self.n_epochs,
            "stop_reason": self.stop_reason,
            "seconds": self.seconds,
            "folder": None if self.folder is None else os.fspath(self.folder),
            "files": list(self.files),
        }


def plan_cells(
    data: object,
    *,
    model: str = "auto",
    test_size: float | None = None,
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> CellPlan:
    """Read counts of a .h5ad file, and decide what is done with them.

    Parameters
    ----------
    data : str or path
        The file.
    model : {"auto", "scvi", "dca"}, default="auto"
        The network; "auto" is "scvi".
    test_size : float or None, default=None
        Share of the cells held out; None is a tenth of 100 cells or more.
    params : mapping of str to object or None, default=None
        Parameters of the estimator: ``layer`` and ``batch_key`` say where counts and batches are.
    seed : int, default=0
        Seed of the split and of the training.

    Returns
    -------
    plan : CellPlan
        Nothing is trained yet.

    Raises
    ------
    DataError
        If the file cannot be read or holds no raw counts.
    ValueError
        If a name or a parameter is unknown.
    TypeError
        If ``data`` is no path.
    """
    name = "scvi" if model == "auto" else model
    if name not in CELL_MODELS:
        raise ValueError(unknown_name("model for cells", model, CELL_MODELS))
    if not isinstance(data, (str, os.PathLike)):
        raise TypeError(
            f"`data` must be the path of a .h5ad file for the model {name}. Received: {type(data).__name__}. Counts in "
            f"memory go to strata.{CELL_MODELS[name].__name__} itself."
        )
    path = Path(data)
    if path.suffix != ".h5ad":
        raise DataError(f"`DATA` must be a .h5ad file for the model {name}. Received: {os.fspath(path)!r}.")
    parameters = dict(params or {})
    known = set(CELL_MODELS[name]._get_param_names())
    for each in parameters:
        if each in RESERVED:
            raise ValueError(f"`params` must leave {each!r} to the option {RESERVED[each]!r}. Received: {each!r}.")
        if each not in known:
            raise ValueError(unknown_name(f"parameter of {CELL_MODELS[name].__name__}", each, known))
    batch = parameters.get("batch_key")
    table = read_h5ad(path, layer=parameters.get("layer"), columns=[] if batch is None else [batch])
    plan = CellPlan(path, sha256_of(path), table, name, parameters, np.arange(0), np.arange(0), seed)
    check_counts(plan.counts, name=f"{path.name}: X")
    n_cells = plan.counts.shape[0]
    share = (0.1 if n_cells >= 100 else 0.0) if test_size is None else float(test_size)
    if not 0 <= share < 1:
        raise ValueError(f"`test_size` must be from 0 to below 1. Received: test_size={test_size!r}.")
    if not share:
        return CellPlan(path, plan.digest, table, name, parameters, np.arange(n_cells), np.arange(0), seed)
    split = split_rows(n_cells, test_size=share, random_state=seed, stratify=False)
    return CellPlan(path, plan.digest, table, name, parameters, np.sort(split.train), np.sort(split.test), seed)


def fit_cells(plan: CellPlan, wishes: Wishes) -> CellResult:
    """Do what was planned, and leave a folder with the model, the codes of all cells and the figures.

    Parameters
    ----------
    plan : CellPlan
        As :func:`plan_cells` gives it.
    wishes : Wishes
        Where to write, and how to compute.

    Returns
    -------
    result : CellResult
        What came out.

    Raises
    ------
    ValueError
        If a wish is for tables only, or the folder is in use.
    """
    wishes.check()
    if wishes.seeds > 1 or wishes.learning_curve:
        raise ValueError("`seeds` and `learning_curve` are for tables and pictures. Received: cells.")
    with determinism(wishes.deterministic), limit_threads(wishes.n_threads):
        if wishes.out is None:
            return _fit(plan, wishes.settings(plan.seed), baselines=wishes.baselines)
        folder = RunFolder(wishes.out, force=wishes.force, resume=wishes.resume)
        check_same_data(plan, folder, resume=wishes.resume)
        with folder:
            record = {
                **plan.to_dict(),
                "options": dict(wishes.options or {}),
                "device": wishes.device,
                "report": wishes.parts(),
                "call": wishes.call,
            }
            folder.write_config(record, status="running")
            settings = wishes.settings(plan.seed)
            settings["checkpoint"] = checkpointing(folder, wishes.save_every, force=wishes.force)
            settings["resume"] = wishes.resume and latest_checkpoint(folder.checkpoints) is not None
            with status_of(folder):
                result = _fit(plan, settings, baselines=wishes.baselines)
                _keep(result, folder, page=wishes.report)
    return result


def _fit(plan: CellPlan, settings: Mapping[str, Any], *, baselines: bool) -> CellResult:
    estimator = CELL_MODELS[plan.model](**{**settings, **plan.parameters})
    begun = clock.perf_counter()
    estimator.fit(plan.part(plan.train))
    seconds = clock.perf_counter() - begun
    judged = plan.part(plan.test if len(plan.test) else plan.train)
    figures = {"log_likelihood_per_entry": float(estimator.score(judged))}
    if baselines:
        figures["one_distribution_per_gene"] = _by_gene(plan)
    return CellResult(plan, estimator, figures, seconds)


def _by_gene(plan: CellPlan) -> float:
    """Return the log-likelihood of an entry under one negative binomial for each gene, fitted by its moments."""
    train, test = plan.counts[plan.train], plan.counts[plan.test if len(plan.test) else plan.train]
    sizes, others = total_counts(train), total_counts(test)
    median = max(float(np.median(sizes)), 1.0)
    rate = np.maximum(np.asarray(train.sum(axis=0, dtype=np.float64)).ravel() / max(sizes.sum(), 1.0), 1e-12)
    excess, expected = np.zeros(len(rate)), np.zeros(len(rate))
    for part, totals in _pieces(train, sizes):
        mean = totals[:, None] * rate
        excess += ((part - mean) ** 2 - mean).sum(axis=0)
        expected += (mean**2).sum(axis=0)
    theta = np.clip(expected / np.maximum(excess, 1e-12), 1e-2, 1e4)
    total = 0.0
    for part, totals in _pieces(test, np.maximum(others, 1e-6 * median)):
        x, mean, shape = (torch.from_numpy(each) for each in (part, totals[:, None] * rate, theta))
        total += float(negative_binomial_log_likelihood(x, mean, shape).sum())
    return total / float(test.shape[0] * test.shape[1])


def _pieces(X: Any, totals: np.ndarray) -> Any:
    """Yield parts of a matrix as double precision arrays, with their totals."""
    for start in range(0, X.shape[0], 256):
        part = X[start : start + 256]
        yield np.asarray(part.todense() if hasattr(part, "todense") else part, dtype=float), totals[start : start + 256]


def _keep(result: CellResult, folder: RunFolder, *, page: bool) -> None:
    """Write the model, its history, the codes of all cells, the figures and the page."""
    plan, estimator = result.plan, result.estimator
    estimator.history_.to_csv(folder.path / "history.csv")
    save_model(estimator, folder.path / "model", force=True, data_hash=plan.digest)
    table = _as_table(estimator, plan.table)
    table.to_csv(folder.path / "latent.csv", float_format="%.6g")
    codes = table.to_numpy()
    annotate_h5ad(plan.path, folder.path / "cells.h5ad", obsm={estimator._key: codes})
    result.folder, result.files = folder.path, ("cells.h5ad", "latent.csv")
    if not page:
        folder.write_report(result.to_dict())
        return
    parts = Parts()
    document = build_cell_document(result, codes, parts, config=folder.config)
    parts.add("page", lambda: _write_page(document, folder.path / "report.html"))
    folder.write_report(document)


def _as_table(estimator: Any, cells: CellTable) -> pd.DataFrame:
    """Return the codes of cells with their names."""
    codes = estimator.transform(cells)
    kind = next(name for name, model in CELL_MODELS.items() if isinstance(estimator, model))
    names = [f"{kind}_{axis + 1}" for axis in range(codes.shape[1])]
    return pd.DataFrame(codes, index=pd.Index(cells.obs.index, name="cell"), columns=names)


def table_of_codes(estimator: Any, path: str | os.PathLike[str]) -> pd.DataFrame:
    """Encode the cells of a file.

    Parameters
    ----------
    estimator : CountAutoencoder or SCVI
        Fitted.
    path : str or path
        A .h5ad file.

    Returns
    -------
    codes : DataFrame of shape (n_cells, d)
        A row a cell, by its name.
    """
    return _as_table(estimator, read_h5ad(path, layer=estimator.layer))


def _write_page(document: Mapping[str, Any], path: Path) -> str:
    page = render_cells(document).encode("utf-8", "backslashreplace")
    with atomic_write(path) as file:
        file.write(page)
    return path.name
