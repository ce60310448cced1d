"""The verb ``data``: list, fetch, audit."""

import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd

from strata._names import label_text
from strata.cli._console import Console
from strata.cli._reading import reading_of
from strata.data import audit, download, list_sets
from strata.errors import DataError
from strata.report.gallery import read_gallery
from strata.report.image_audit import audit_pictures
from strata.report.problems import read_rows, target_of

__all__ = ["run"]


def run(options: Mapping[str, Any], console: Console) -> int:
    """List the bundled sets, fetch one, or look a table over.

    Parameters
    ----------
    options : mapping of str to object
        Words of the command line; ``action`` is "list", "fetch" or "audit".
    console : Console
        Where to speak.

    Returns
    -------
    exit_code : int
        0; 3 when an audit finds an error.
    """
    return {"list": _list, "fetch": _fetch, "audit": _audit}[options["action"]](options, console)


def _list(options: Mapping[str, Any], console: Console) -> int:
    sets = list_sets()
    if console.json_output:
        console.emit({"schema": "strata.data/1", "sets": [asdict(entry) for entry in sets]})
        return 0
    rows = [
        {
            "name": entry.name,
            "task": entry.task,
            "rows": entry.n_samples,
            "columns": entry.n_features,
            "classes": entry.n_classes,
            "what": entry.description + (" (strata data fetch)" if entry.downloadable else ""),
        }
        for entry in sets
    ]
    console.result(console.table(rows, ["name", "task", "rows", "columns", "classes", "what"]))
    return 0


def _fetch(options: Mapping[str, Any], console: Console) -> int:
    shown = {"percent": -1}

    def on_bytes(done: int, total: int) -> None:
        percent = 100 * done // max(1, total)
        if percent // 10 != shown["percent"] // 10:
            shown["percent"] = percent
            console.note(f"{percent} % of {total:,} bytes")

    folder = download(options["name"], offline=options["offline"] or None, on_bytes=on_bytes)
    if console.json_output:
        console.emit({"schema": "strata.fetch/1", "name": options["name"], "folder": str(folder)})
    else:
        console.result(str(folder))
    return 0


def _audit(options: Mapping[str, Any], console: Console) -> int:
    if os.path.isdir(options["data"]):
        return _audit_pictures(options["data"], console)
    frame, source = read_rows(options["data"], reading=reading_of(options))
    target = target_of(options["data"], frame, options["target"], source)
    y = None if target is None else pd.Series(frame[target], name=target)
    report = audit(frame if target is None else frame.drop(columns=target), y)
    if console.json_output:
        console.emit({"schema": "strata.audit/1", "source": source, "target": target, **report.to_dict()})
    else:
        for line in report.lines():
            console.result(line)
    try:
        report.raise_errors()
    except DataError:
        return 3
    return 0


def _audit_pictures(folder: str, console: Console) -> int:
    """Look a folder of pictures over; where it is divided already, for copies on both sides too."""
    gallery = read_gallery(folder, skip_damaged=True, say=None if console.quiet else console.note)
    report = audit_pictures(gallery, gallery, gallery.test)
    refused = [str(problem) for problem in gallery.refused]
    if console.json_output:
        described = {"source": gallery.source, "size": gallery.size_text(), "refused": refused}
        console.emit({"schema": "strata.audit/1", **described, **report.to_dict()})
        return 0
    console.result(f"{len(gallery)} pictures of {len(gallery.classes)} classes, {gallery.size_text()}")
    for line in report.lines() if report.findings else ["Nothing was found."]:
        console.result(line)
    for line in refused:
        console.result(f"damaged: {label_text(line)}")
    return 0
