"""The names in a checkpoint folder: which checkpoints there are, and which one is pointed to."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from strata._files import read_json
from strata.errors import ModelRefusedError

__all__ = ["checkpoints_in", "pointed"]

_NAME = re.compile(r"step_(\d{9,18})(?:\.(\d{1,6}))?")


def checkpoints_in(folder: Path) -> list[Path]:
    """Return the checkpoints of a folder, oldest first."""
    found = []
    with suppress(FileNotFoundError, NotADirectoryError):
        for entry in os.scandir(folder):
            match = _NAME.fullmatch(entry.name)
            if match is not None and entry.is_dir(follow_symlinks=False):
                found.append((int(match[1]), int(match[2] or 0), Path(entry.path)))
    return [path for *_, path in sorted(found)]


def pointed(folder: Path, pointer: str) -> tuple[Path | None, str | None]:
    """Follow a pointer; without one, the newest checkpoint is the latest (a kill before the first pointer)."""
    path = folder / pointer
    try:
        content = read_json(path, max_bytes=1 << 16)
    except (FileNotFoundError, NotADirectoryError):
        there = checkpoints_in(folder)
        return (there[-1] if there and pointer == "latest" else None), None
    except ValueError as error:
        raise ModelRefusedError(f"{path} is damaged: {error} Remove it to take the newest checkpoint.") from None
    name, sha256 = (content.get("checkpoint"), content.get("sha256")) if isinstance(content, dict) else (None, None)
    if not isinstance(name, str) or _NAME.fullmatch(name) is None or not isinstance(sha256, str):
        raise ModelRefusedError(f"{path} does not name a checkpoint. Remove it to take the newest one.")
    return folder / name, sha256
