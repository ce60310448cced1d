"""How an estimator becomes data and comes back."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sklearn.utils.validation import check_is_fitted

from strata._tensors import Expected
from strata.errors import ModelRefusedError
from strata.estimators._card import model_card
from strata.estimators._encoding import ArrayRef, decode, encode
from strata.estimators._folder import describe_errors, write_folder

__all__ = ["SAVEABLE", "SaveMixin", "SavedState", "save_model"]

#: Names of the classes that a model folder may hold; :mod:`strata.estimators.persistence` maps them to classes.
SAVEABLE = frozenset(
    {
        "AnomalyDetector",
        "Autoencoder",
        "BaggedMLPClassifier",
        "BaggedMLPRegressor",
        "BernoulliRBM",
        "DBNClassifier",
        "DBNRegressor",
        "DeepBeliefNetwork",
        "CountAutoencoder",
        "DeltaRulePerceptron",
        "ImageClassifier",
        "ImageCompressor",
        "ImageDenoiser",
        "MLPClassifier",
        "MLPRegressor",
        "McCullochPitts",
        "MultiTaskMLP",
        "Perceptron",
        "SemanticHasher",
        "TableAutoencoder",
        "SCVI",
        "TableClassifier",
        "TableRegressor",
    }
)

#: Parameters of a run, not of a model: folders to write to, objects to call, what to print. They are not saved.
RUN_PARAMETERS = frozenset({"cache_folder", "callbacks", "checkpoint", "progress", "resume"})


class SavedState(BaseModel):
    """Base of the records that say which learned values a class keeps, and of which type.

    While a record is checked, arrays of the weights file are stand-ins that have the shape and dtype
    which the configuration claims, and take no memory.
    """

    model_config = ConfigDict(strict=True, extra="forbid", arbitrary_types_allowed=True)

    n_features_in_: Annotated[int, Field(ge=1)]
    feature_names_in_: np.ndarray | None = None


class SaveMixin:
    """Give an estimator ``save``, and the two methods by which it becomes data and comes back.

    A class says with ``_saved_state`` which learned values it keeps, with :meth:`_check_saved` how
    they hang together, and overrides :meth:`_learned` and :meth:`_adopt_state` where a value is not
    an attribute of plain data.
    """

    _saved_state: ClassVar[type[SavedState]] = SavedState

    def save(self, folder: str | Path, *, force: bool = False, data_hash: str | None = None) -> Path:
        """Save the fitted model as a folder that holds data only.

        Parameters
        ----------
        folder : str or Path
            Folder to write: ``config.json``, ``weights.safetensors`` and ``README.md``.
        force : bool, default=False
            Replace an older model there.
        data_hash : str or None, default=None
            Digest of the training data, for the record.

        Returns
        -------
        folder : Path
            The folder, resolved.

        Raises
        ------
        NotFittedError
            If the estimator was not fitted.
        TypeError
            If a parameter is a function or an object that has no form in a file.
        FileExistsError
            If the folder holds a model and ``force`` is False, or anything that is not a model.

        See Also
        --------
        strata.load : The inverse.

        Notes
        -----
        The state of the optimizer is not saved; see :func:`save_model`.
        """
        return save_model(self, folder, force=force, data_hash=data_hash)

    def _to_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return parameters and learned values as JSON-able data, and the arrays apart."""
        arrays: dict[str, np.ndarray] = {}
        params = {
            name: encode(os.fspath(value) if isinstance(value, os.PathLike) else value, None, where=name, nan=False)
            for name, value in self.get_params(deep=False).items()  # type: ignore[attr-defined]
            if name not in RUN_PARAMETERS
        }
        learned = self._learned()
        state = {name: encode(value, arrays, where=name) for name, value in learned.items()}
        return {"params": params, "state": state}, arrays

    def _learned(self) -> dict[str, Any]:
        """Return the learned values to keep, by name."""
        return {name: vars(self)[name] for name in self._saved_state.model_fields if name in vars(self)}

    def _adopt_state(self, state: Mapping[str, Any]) -> None:
        """Take learned values over, the inverse of :meth:`_learned`."""
        for name, value in state.items():
            setattr(self, name, value)

    def _check_saved(self) -> None:
        """Raise ValueError where learned values do not fit each other or the parameters."""

    @classmethod
    def _rebuild(cls, config: Mapping[str, Any], resolve: Callable[[ArrayRef], np.ndarray]) -> Self:
        """Return the estimator of a configuration, with arrays that ``resolve`` gives."""
        params = {name: decode(value, _no_array, nan=False) for name, value in config["params"].items()}
        known = set(cls._get_param_names()) - RUN_PARAMETERS  # type: ignore[attr-defined]
        unknown = sorted(set(params) - known)
        if unknown:
            raise ModelRefusedError(f"{cls.__name__} has no parameter {unknown[0][:60]!r}.")
        estimator = cls(**params)
        if hasattr(estimator, "_validate_params"):
            estimator._validate_params()
        state = {name: decode(value, resolve) for name, value in config["state"].items()}
        try:
            cls._saved_state.model_validate(state)
        except ValidationError as error:
            raise ModelRefusedError(describe_errors(error)) from None
        if len(state.get("feature_names_in_", ())) not in (0, state.get("n_features_in_")):
            raise ModelRefusedError("there are not as many names as inputs")
        estimator._adopt_state(state)
        estimator._check_saved()
        return estimator

    @classmethod
    def _expected_arrays(cls, config: Mapping[str, Any]) -> dict[str, Expected]:
        """Check a configuration; return shape and dtype of every array that the weights file must hold."""
        expected: dict[str, Expected] = {}

        def stand_in(ref: ArrayRef) -> np.ndarray:
            if ref.key in expected:
                raise ModelRefusedError(f"the array {ref.key[:40]!r} is used twice")
            dtype = _dtype(ref.dtype)
            expected[ref.key] = (ref.shape, dtype)
            return np.broadcast_to(np.zeros((), dtype=ref.dtype), ref.shape)

        cls._rebuild(config, stand_in)
        return expected

    @classmethod
    def _from_state(cls, config: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Return the fitted estimator of a configuration and its arrays."""
        return cls._rebuild(config, lambda ref: arrays[ref.key])


def _no_array(ref: ArrayRef) -> Any:
    raise ModelRefusedError(f"a parameter is the array {ref.key[:40]!r}")


def _dtype(name: str) -> torch.dtype:
    known = {str(dtype).removeprefix("torch."): dtype for dtype in _DTYPES}
    if name not in known:
        raise ModelRefusedError(f"an array has the dtype {name[:20]!r}")
    return known[name]


_DTYPES = (
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.uint16,
    torch.int16,
    torch.uint32,
    torch.int32,
    torch.uint64,
    torch.int64,
    torch.float16,
    torch.float32,
    torch.float64,
)


def save_model(
    estimator: SaveMixin,
    folder: str | Path,
    *,
    force: bool = False,
    data_hash: str | None = None,
    reached: Mapping[str, object] | None = None,
) -> Path:
    """Save a fitted estimator as a model folder.

    Parameters
    ----------
    estimator : estimator of strata
        Fitted. Its class must be one of strata's own: a file names a class, and a name that is not
        in strata's registry could not be loaded.
    folder : str or Path
        Folder to write: ``config.json``, ``weights.safetensors`` and ``README.md``.
    force : bool, default=False
        Replace an older model there.
    data_hash : str or None, default=None
        Digest of the training data, for the record; at most 200 characters.
    reached : mapping of str to object, optional
        What the model reached and on what, for its card alone.

    Returns
    -------
    folder : Path
        The folder, resolved.

    Raises
    ------
    NotFittedError
        If the estimator was not fitted.
    ValueError
        If parameters or learned values were changed so that they do not fit each other.
    TypeError
        If the class is not strata's, or a parameter is a function or an object that has no form in a file.
    FileExistsError
        If the folder holds a model and ``force`` is False, or anything that is not a model.
    OSError
        If the disk is full or cannot be written; what was there is intact.

    See Also
    --------
    strata.load : The inverse.

    Notes
    -----
    The parameters ``cache_folder``, ``callbacks``, ``checkpoint``, ``progress`` and ``resume`` belong to a run, not to
    a model, and are not saved. The state of the optimizer (momenta, step counts, the place in a schedule) is not saved
    either: training that goes on after loading (``warm_start``, ``partial_fit``) starts from the saved weights with a
    fresh optimizer. A checkpoint holds all of it: fit with ``checkpoint=folder``, and go on with ``resume=True``.
    """
    kind = type(estimator)
    if kind.__name__ not in SAVEABLE or not kind.__module__.startswith("strata.estimators."):
        raise TypeError(f"`estimator` must be one of strata's own estimators. Received: {kind.__name__}.")
    if data_hash is not None and not (isinstance(data_hash, str) and len(data_hash) <= 200):
        raise ValueError(f"`data_hash` must be text of at most 200 characters. Received: data_hash={data_hash!r}.")
    check_is_fitted(estimator)
    config, arrays = estimator._to_state()
    config = {
        "class": kind.__name__,
        "params": config["params"],
        "state": config["state"],
        "preprocessing": config.get("preprocessing"),
        "data_hash": data_hash,
    }
    try:
        kind._expected_arrays(config)  # what would be refused on loading is refused here
    except ValueError as error:
        raise ValueError(
            f"`estimator` must be consistent to be saved. Received: {kind.__name__} of which {error} "
            "Fit it again after changing its parameters."
        ) from None
    card = model_card(estimator, config, arrays, reached)
    return write_folder(folder, config=config, arrays=arrays, card=card, force=force)
