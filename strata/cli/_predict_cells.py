"""What ``predict`` does with counts of genes in cells: it gives the codes of cells."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strata.cli._console import Console
from strata.report.cells import CELL_MODELS, table_of_codes

__all__ = ["annotate_cells", "codes_of_cells", "is_of_counts"]


def is_of_counts(estimator: object) -> bool:
    """Return whether an estimator is a network of counts.

    Parameters
    ----------
    estimator : object
        Fitted.

    Returns
    -------
    answer : bool
        True for :class:`strata.CountAutoencoder` and :class:`strata.SCVI`.
    """
    return isinstance(estimator, tuple(CELL_MODELS.values()))


def codes_of_cells(estimator: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the codes of the cells of a file as columns.

    Parameters
    ----------
    estimator : CountAutoencoder or SCVI
        Fitted.
    options : mapping of str to object
        Words of the command line.

    Returns
    -------
    found : dict of str to object
        ``n_rows`` and ``columns``.
    """
    codes = table_of_codes(estimator, _file(options))
    columns = {"cell": codes.index.tolist(), **{name: codes[name].tolist() for name in codes}}
    return {"n_rows": len(codes), "columns": columns}


def annotate_cells(estimator: Any, options: Mapping[str, Any], out: Path, console: Console) -> int:
    """Write a copy of a file with the codes of its cells.

    Parameters
    ----------
    estimator : CountAutoencoder or SCVI
        Fitted.
    options : mapping of str to object
        Words of the command line.
    out : Path
        The copy.
    console : Console
        Where to speak.

    Returns
    -------
    exit_code : int
        0.
    """
    estimator.annotate(_file(options), target=out)
    console.note(f"codes written to obsm of {out}")
    if console.json_output:
        console.emit({"schema": "strata.predict/1", "out": str(out)})
    return 0


def _file(options: Mapping[str, Any]) -> str:
    """Return the one file that is meant."""
    data = str(options["data"])
    if options["more"] or options["skip_damaged"] or not data.endswith(".h5ad"):
        raise ValueError(
            f"`DATA` must be one .h5ad file for a network of counts, without --skip-damaged. Received: {data!r}."
        )
    return data
