"""The model folder: ``config.json``, ``weights.safetensors`` and ``README.md``.

The configuration is written in one canonical form and holds its own digest and that of the weights, so
a byte that changed in either file is found: a file that is not exactly what this module writes is refused.
The digests find damage and careless edits. They are no signature: whoever forges a folder can forge them,
which is why every part is also checked against what the class of the model can be.
"""

import hashlib
import json
import os
import platform
import shutil
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import sklearn
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

import strata
from strata._files import canonical_json, fsync_folder, parse_json, temporary_name
from strata._tensors import write_tensors
from strata.errors import ModelRefusedError

__all__ = [
    "CONFIG",
    "FORMAT_VERSION",
    "ModelConfig",
    "WEIGHTS",
    "describe_errors",
    "read_config",
    "versions",
    "write_folder",
]

CONFIG = "config.json"
WEIGHTS = "weights.safetensors"
CARD = "README.md"
FORMAT = "strata-model"
FORMAT_VERSION = 1
MAX_CONFIG_BYTES = 64 << 20
_FOREIGN = {
    ".bin": "a file of unknown content",
    ".ckpt": "a pickle",
    ".h5": "an HDF5 file",
    ".hdf5": "an HDF5 file",
    ".joblib": "a pickle",
    ".keras": "a Keras archive",
    ".onnx": "an ONNX file",
    ".pickle": "a pickle",
    ".pkl": "a pickle",
    ".pt": "a pickle",
    ".pth": "a pickle",
}

_Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_Text = Annotated[str, Field(max_length=200)]


class _Versions(BaseModel):
    """What the model was made with."""

    model_config = ConfigDict(strict=True, extra="forbid")

    strata: _Text
    python: _Text
    torch: _Text
    numpy: _Text
    scikit_learn: _Text


class _Weights(BaseModel):
    """The weights file that belongs to the configuration."""

    model_config = ConfigDict(strict=True, extra="forbid")

    sha256: _Digest
    n_bytes: Annotated[int, Field(ge=0)]


class ModelConfig(BaseModel):
    """Everything in ``config.json``."""

    model_config = ConfigDict(strict=True, extra="forbid")

    format: Literal["strata-model"]
    format_version: Literal[1]
    model_class: Annotated[_Text, Field(alias="class")]
    params: dict[str, Any]
    state: dict[str, Any]
    preprocessing: dict[str, Any] | None
    versions: _Versions
    data_hash: _Text | None
    weights: _Weights
    digest: _Digest


def describe_errors(error: ValidationError) -> str:
    """Return the first problems that pydantic found, in one line that holds no more than names."""
    problems = [f"{'.'.join(map(str, one['loc']))[:80] or 'value'}: {one['msg'][:120]}" for one in error.errors()[:3]]
    return "; ".join(problems)


def versions() -> dict[str, str]:
    """Return the versions that a configuration records."""
    return {
        "strata": strata.__version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "scikit_learn": sklearn.__version__,
    }


def _render(config: Mapping[str, Any]) -> bytes:
    return (json.dumps(config, indent=1, allow_nan=False) + "\n").encode("ascii")


def _digest(config: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in config.items() if key != "digest"}
    return hashlib.sha256(canonical_json(rest).encode()).hexdigest()


# -- writing -----------------------------------------------------------------------------------------


def _check_target(folder: Path, force: bool) -> None:
    """Refuse a target whose replacement would lose anything but an older model."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise FileExistsError(f"`folder` must be a folder for a model. Received: {str(folder)!r}, a file.")
    foreign = sorted({entry.name for entry in folder.iterdir()} - {CONFIG, WEIGHTS, CARD})
    if foreign:
        raise FileExistsError(
            f"`folder` must be new, empty or an older model. Received: {str(folder)!r}, which holds {foreign[0]!r}."
        )
    if any(folder.iterdir()) and not force:
        raise FileExistsError(f"{folder} holds a model already. Pass force=True (--force) to replace it.")


def _write_bytes(path: Path, data: bytes) -> None:
    with open(path, "xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _swap(temporary: Path, folder: Path) -> None:
    """Put a complete folder in its place; an older one leaves only when the new one has arrived."""
    if not folder.exists():
        os.rename(temporary, folder)
        return
    previous = folder.with_name(f".{folder.name}.previous-{os.getpid()}")
    os.rename(folder, previous)
    try:
        os.rename(temporary, folder)
    except BaseException:
        os.rename(previous, folder)
        raise
    shutil.rmtree(previous, ignore_errors=True)


def write_folder(
    folder: str | Path,
    *,
    config: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    card: str,
    force: bool,
) -> Path:
    """Write a model folder, all of it or nothing.

    Parameters
    ----------
    folder : str or Path
        Target.
    config : mapping
        The configuration without ``format``, ``format_version``, ``versions``, ``weights`` and ``digest``.
    arrays : mapping of str to ndarray
        The weights.
    card : str
        Text of the model card.
    force : bool
        Whether to replace an older model.

    Returns
    -------
    folder : Path
        The target, resolved.

    Raises
    ------
    FileExistsError
        If the target holds a model and ``force`` is False, or holds anything else.
    OSError
        If the disk is full or cannot be written; what was there is intact.
    """
    target = Path(folder).resolve()
    _check_target(target, force)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_name(target)
    temporary.mkdir()
    try:
        sha256 = write_tensors(temporary / WEIGHTS, arrays)
        head = {"format": FORMAT, "format_version": FORMAT_VERSION}
        tail = {"versions": versions(), "weights": {"sha256": sha256, "n_bytes": (temporary / WEIGHTS).stat().st_size}}
        full: dict[str, Any] = {**head, **config, **tail}
        full["digest"] = _digest(full)
        data = _render(full)
        if len(data) > MAX_CONFIG_BYTES:
            raise ValueError(f"`estimator` must describe itself in {MAX_CONFIG_BYTES} bytes. Received: {len(data)}.")
        _write_bytes(temporary / CONFIG, data)
        _write_bytes(temporary / CARD, card.encode("utf-8"))
        fsync_folder(temporary)
        _swap(temporary, target)
    except BaseException:
        with suppress(OSError):
            shutil.rmtree(temporary)
        raise
    fsync_folder(target.parent)
    return target


# -- reading -----------------------------------------------------------------------------------------


def _refuse(path: object, why: str) -> ModelRefusedError:
    return ModelRefusedError(f"{path} is refused: {why}.")


def _check_folder(folder: Path) -> None:
    if not folder.exists():
        left = sorted(folder.parent.glob(f".{folder.name}.previous-*")) if folder.parent.is_dir() else []
        hint = f"; it was being replaced when its process ended, and the model before is in {left[0]}" if left else ""
        raise _refuse(folder, f"there is no such model folder{hint}")
    if not folder.is_dir():
        what = _FOREIGN.get(folder.suffix.lower(), "a file")
        raise _refuse(
            folder,
            f"it is {what}, and a model is a folder that `save` wrote. Pickles run code when they are read, so "
            "strata never does; train the model again and save it",
        )
    for name in (CONFIG, WEIGHTS):
        path = folder / name
        if not path.exists():
            raise _refuse(folder, f"it has no {name}")
        if not stat.S_ISREG(path.stat().st_mode):
            raise _refuse(folder, f"its {name} is no regular file")


def _check_version(path: Path, value: object) -> None:
    """Refuse another format first: a newer one may have fields that this one does not know."""
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise _refuse(path, "it is not the configuration of a strata model")
    version = value.get("format_version")
    if type(version) is not int or version < 1:
        raise _refuse(path, f"its format version is {str(version)[:40]!r}")
    if version > FORMAT_VERSION:
        made = value.get("versions")
        made_with = made.get("strata") if isinstance(made, dict) else None
        by = f" (strata {made_with[:40]})" if isinstance(made_with, str) else ""
        raise _refuse(
            path,
            f"its format version {version} is newer{by} than this strata {strata.__version__} reads "
            f"({FORMAT_VERSION}). Upgrade: pip install --upgrade strata",
        )


def read_config(folder: str | Path) -> ModelConfig:
    """Read and check ``config.json`` of a model folder.

    Parameters
    ----------
    folder : str or Path
        Model folder.

    Returns
    -------
    config : ModelConfig
        What it says, undecoded.

    Raises
    ------
    ModelRefusedError
        If the folder is not one, or the file is damaged, edited, foreign or of a newer format.
    """
    folder = Path(folder)
    _check_folder(folder)
    path = folder / CONFIG
    with open(path, "rb") as file:
        data = file.read(MAX_CONFIG_BYTES + 1)
    if len(data) > MAX_CONFIG_BYTES:
        raise _refuse(path, f"it is larger than {MAX_CONFIG_BYTES} bytes")
    try:
        value = parse_json(data, name="it")
    except ValueError as error:
        raise _refuse(path, str(error).removeprefix("it ").rstrip(".")) from None
    _check_version(path, value)
    if value.get("digest") != _digest(value) or data != _render(value):
        raise _refuse(path, "its digest does not fit its content: it was edited or damaged after it was saved")
    try:
        return ModelConfig.model_validate(value)
    except ValidationError as error:
        raise _refuse(path, describe_errors(error)) from None
