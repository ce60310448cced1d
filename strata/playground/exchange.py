"""What the server asks a room for: uploads in, files out."""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import strata
from strata.data import read_table
from strata.data._kinds import column_kind
from strata.errors import ModelRefusedError
from strata.playground.archive import pack_folder, unpack_folder
from strata.playground.limits import LIMITS
from strata.playground.messages import say
from strata.playground.neurons import Neurons

__all__ = ["exchange"]


def exchange(room: Neurons, body: bytes) -> bytes:
    """Answer one request of the server.

    Parameters
    ----------
    room : Neurons
        The room.
    body : bytes
        JSON with ``do``.

    Returns
    -------
    answer : bytes
        ``{"ok": ...}`` as JSON, a zero byte, and the file where one was asked for.
    """
    request = json.loads(body)
    verbs: dict[str, Callable[[], tuple[dict[str, Any], bytes]]] = {
        "upload data": lambda: (_take_table(room, Path(request["path"])), b""),
        "upload model": lambda: (_take_model(room, Path(request["path"])), b""),
        "download model": lambda: ({}, _give_model(room)),
        "download python": lambda: ({}, room.script().encode()),
    }
    try:
        answer, file = verbs[request["do"]]()
        return say({"ok": True, **answer}) + b"\0" + file
    except (ValueError, TypeError, LookupError, ArithmeticError, OSError) as error:
        text = " ".join(str(error).split())[:1000].replace(str(request.get("path")), "The table")
        return say({"ok": False, "error": text}) + b"\0"
    except Exception as error:  # the room must outlive a fault of its own
        return say({"ok": False, "error": f"A fault of strata: {type(error).__name__}: {error}"[:1000]}) + b"\0"


def _take_table(room: Neurons, path: Path) -> dict[str, Any]:
    """Read a table that was uploaded, and keep it under a number."""
    named = path.with_suffix(".csv")
    path.rename(named)
    try:
        frame = read_table(named)
    except ValueError as error:
        raise ValueError(str(error).replace(str(named), "The table")) from None
    finally:
        named.rename(path)
    if frame.shape[1] < 2:
        raise ValueError(f"The table needs a target and at least one other column. Received: {frame.shape[1]} column.")
    while len(room.uploads) >= LIMITS.uploads:
        room.uploads.pop(next(iter(room.uploads)))
    name = secrets.token_hex(8)
    frame.attrs = {}
    room.uploads[name] = frame
    columns = [{"name": str(column), "kind": _kind(frame[column])} for column in frame.columns]
    return {"upload": name, "columns": columns, "rows": len(frame), "guess": _guess(frame)}


def _kind(column: Any) -> str:
    try:
        return str(column_kind(column))
    except ValueError:
        return "category"


def _guess(frame: Any) -> str:
    """Return the column that is most likely the target: one with a usual name, else the last."""
    usual = ("target", "label", "class", "y", "outcome", "species", "case")
    return next((str(name) for name in frame.columns if str(name).lower() in usual), str(frame.columns[-1]))


def _give_model(room: Neurons) -> bytes:
    with tempfile.TemporaryDirectory(prefix="strata-model-") as folder:
        model = room.a.finished_model()
        return pack_folder(Path(model.save(Path(folder) / "model")))


def _take_model(room: Neurons, path: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="strata-model-") as folder:
        unpack_folder(path, Path(folder))
        try:
            model = strata.load(folder)
        except ModelRefusedError as error:
            raise ModelRefusedError(str(error).replace(folder, "The model")) from None
    return room.adopt(model)
