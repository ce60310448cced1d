"""The table of labels beside images: which column names the files, and what the other ones say."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from strata.errors import DataError

__all__ = ["read_label_table"]

_FILE_NAMES = ("file", "filename", "file_name", "path", "filepath", "image", "image_path", "img", "name")
_LABEL_NAMES = ("label", "labels", "class", "class_name", "classes", "target", "category", "tag", "tags", "y")
_MAX_BYTES = 256 << 20

Row = tuple[int, list[str]]


def read_label_table(table: Path, root: Path) -> tuple[list[str], np.ndarray, tuple[str, ...], bool]:
    """Return file names relative to ``root``, labels, classes, and whether an image may have several labels."""
    header, rows = _read(table)
    file_column = _file_column(table, header, rows, root)
    names = _checked_names(table, rows, file_column, root)
    rest = [number for number in range(len(header)) if number != file_column]
    binary = [number for number in rest if all(cells[number] in ("0", "1") for _, cells in rows)]
    if len(rest) > 1 and binary == rest:
        labels = np.asarray([[int(cells[number]) for number in rest] for _, cells in rows], dtype=np.int8)
        return names, labels, tuple(header[number] for number in rest), True
    column = _label_column(table, header, rest)
    values = [cells[column] for _, cells in rows]
    if any("|" in value for value in values):
        return names, *_several(table, values), True
    for (line, _), value in zip(rows, values, strict=True):
        if not value:
            raise DataError(f"{table}: line {line} has no label in the column {header[column]!r}.")
    classes = tuple(sorted(set(values)))
    if len(classes) == 1:
        raise DataError(f"{table}: only one class, {classes[0]!r}; telling classes apart takes two or more.")
    return names, np.asarray(values), classes, False


def _several(table: Path, values: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return a table of 0 and 1 and the classes of labels joined by ``|``."""
    parts = [{part.strip() for part in value.split("|")} - {""} for value in values]
    classes = tuple(sorted(set().union(*parts)))
    if not classes:
        raise DataError(f"{table}: no image has a label.")
    return np.asarray([[name in row for name in classes] for row in parts], dtype=np.int8), classes


def _read(table: Path) -> tuple[list[str], list[Row]]:
    try:
        if table.stat().st_size > _MAX_BYTES:
            raise DataError(f"{table}: the table has more than {_MAX_BYTES} bytes.")
        text = table.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{table}: there is no such table of labels.") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{table}: it is not UTF-8 ({error.reason} at byte {error.start}). Save it as UTF-8.") from None
    except OSError as error:
        raise DataError(f"{table}: it cannot be read ({error.strerror}).") from None
    if "\0" in text:
        raise DataError(f"{table}: it has a NUL character, so it is no text.")
    head = text.split("\n", 1)[0]
    separator = max(",;\t", key=head.count)
    reader = csv.reader(text.splitlines(keepends=True), delimiter=separator, strict=True)
    rows: list[Row] = []
    try:
        for cells in reader:
            if cells:
                rows.append((reader.line_num, [cell.strip() for cell in cells]))
    except csv.Error as error:
        raise DataError(f"{table}: line {reader.line_num} cannot be read ({error}).") from None
    if len(rows) < 2:
        raise DataError(f"{table}: it must have a header and at least one row.")
    (_, header), *body = rows
    if len(header) < 2 or "" in header or len(set(header)) != len(header):
        raise DataError(
            f"{table}: line 1 must name two or more columns, each once. Found: {', '.join(header)[:200]!r}."
        )
    for line, cells in body:
        if len(cells) != len(header):
            raise DataError(f"{table}: line {line} has {len(cells)} fields, the header has {len(header)}.")
    return header, body


def _file_column(table: Path, header: list[str], rows: list[Row], root: Path) -> int:
    lower = [name.lower() for name in header]
    for name in _FILE_NAMES:
        if name in lower:
            return lower.index(name)
    for number in range(len(header)):
        if all(cells[number] and os.path.isfile(root / cells[number]) for _, cells in rows[:20]):
            return number
    raise DataError(f"{table}: no column names the files. Call it 'file'. Found: {', '.join(header)[:200]!r}.")


def _label_column(table: Path, header: list[str], rest: list[int]) -> int:
    if len(rest) == 1:
        return rest[0]
    named = [number for number in rest if header[number].lower() in _LABEL_NAMES]
    if len(named) == 1:
        return named[0]
    raise DataError(
        f"{table}: besides the files there must be one column of labels (call it 'label') or several of 0 and 1. "
        f"Found: {', '.join(header[number] for number in rest)[:200]!r}."
    )


def _checked_names(table: Path, rows: list[Row], column: int, root: Path) -> list[str]:
    """Return the file names; all that are absent are named at once."""
    names: list[str] = []
    lines: dict[str, int] = {}
    missing: list[str] = []
    inside = os.path.realpath(root)
    for line, cells in rows:
        name = _inside(table, line, cells[column], inside)
        if name in lines:
            raise DataError(f"{table}: lines {lines[name]} and {line} are both of {name!r}.")
        lines[name] = line
        names.append(name)
        if not os.path.isfile(root / name):
            missing.append(f"{name} (line {line})")
    if missing:
        more = "" if len(missing) <= 10 else f" and {len(missing) - 10} more"
        raise DataError(f"{table}: {len(missing)} of {len(rows)} files are not there: {', '.join(missing[:10])}{more}.")
    return names


def _inside(table: Path, line: int, cell: str, root: str) -> str:
    """Return the name of a file with single slashes; refuse one that leads out of the folder."""
    if os.path.normpath(cell or ".") == ".":
        raise DataError(f"{table}: line {line} names no file.")
    if os.sep != "\\" and "\\" in cell and not os.path.lexists(os.path.join(root, cell)):
        cell = cell.replace("\\", "/")
    name = os.path.normpath(cell)
    leads_out = os.path.isabs(name) or ":" in Path(name).parts[0] or name == ".." or name.startswith(f"..{os.sep}")
    resolved = os.path.realpath(os.path.join(root, name))
    if leads_out or os.path.commonpath([root, resolved]) != root:
        raise DataError(f"{table}: line {line} names {cell[:200]!r}, which is outside the folder: refused.")
    return name
