"""Saved models: a folder of data that is checked in every part before anything is built from it.

No file is ever unpickled, no name in a file is a path or an import, and the classes that a file can name
are those of one fixed table.
"""

from pathlib import Path

from strata._names import unknown_name
from strata._tensors import read_tensors
from strata.errors import ModelRefusedError
from strata.estimators._folder import WEIGHTS, read_config
from strata.estimators._save import SaveMixin, save_model
from strata.estimators.anomaly import AnomalyDetector
from strata.estimators.autoencoder import Autoencoder
from strata.estimators.bagging import BaggedMLPClassifier, BaggedMLPRegressor
from strata.estimators.compression import ImageCompressor
from strata.estimators.counts import CountAutoencoder
from strata.estimators.dbn import DBNClassifier, DBNRegressor, DeepBeliefNetwork
from strata.estimators.denoising import ImageDenoiser
from strata.estimators.hashing import SemanticHasher
from strata.estimators.image import ImageClassifier
from strata.estimators.mlp import MLPClassifier, MLPRegressor
from strata.estimators.multitask import MultiTaskMLP
from strata.estimators.perceptron import DeltaRulePerceptron, McCullochPitts, Perceptron
from strata.estimators.rbm import BernoulliRBM
from strata.estimators.scvi import SCVI
from strata.estimators.table import TableClassifier, TableRegressor
from strata.estimators.table_autoencoder import TableAutoencoder

__all__ = ["CLASSES", "load", "save_model"]

#: Every class that a model folder can hold, by the name that stands for it.
CLASSES: dict[str, type[SaveMixin]] = {
    kind.__name__: kind
    for kind in (
        TableAutoencoder,
        ImageCompressor,
        ImageDenoiser,
        SemanticHasher,
        AnomalyDetector,
        Autoencoder,
        BaggedMLPClassifier,
        BaggedMLPRegressor,
        BernoulliRBM,
        DBNClassifier,
        DBNRegressor,
        DeepBeliefNetwork,
        CountAutoencoder,
        DeltaRulePerceptron,
        ImageClassifier,
        MLPClassifier,
        MLPRegressor,
        McCullochPitts,
        MultiTaskMLP,
        Perceptron,
        SCVI,
        TableClassifier,
        TableRegressor,
    )
}


def load(folder: str | Path, *, allow_nonfinite: bool = False) -> SaveMixin:
    """Load a model folder and return the fitted estimator.

    Parameters
    ----------
    folder : str or Path
        Folder that ``save`` wrote.
    allow_nonfinite : bool, default=False
        Accept NaN and infinity among the weights.

    Returns
    -------
    estimator : estimator
        As it was saved, except for what belongs to a run (see :func:`save_model`).

    Raises
    ------
    ModelRefusedError
        If the folder is missing, damaged, edited, foreign, of a newer format, or holds anything that
        its class cannot be. Pickles (``.pt``, ``.pkl``, ``.joblib``) and HDF5 files are refused unread.
    OSError
        If a file cannot be read.

    See Also
    --------
    save_model : The inverse.

    Notes
    -----
    A model folder holds no state of the optimizer: ``partial_fit``, and ``fit`` with ``warm_start``, go on from the
    loaded weights with a fresh optimizer. A checkpoint does hold it: fit with ``checkpoint=folder``, and go on with
    ``resume=True``.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from strata.estimators import Perceptron
    >>> X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 0, 0, 1])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     saved = Perceptron(shuffle=False).fit(X, y).save(folder)
    ...     load(saved).predict(X)
    array([0, 0, 0, 1])
    """
    folder = Path(folder)
    config = read_config(folder)
    if config.model_class not in CLASSES:
        raise ModelRefusedError(f"{folder} is refused: {unknown_name('class', config.model_class[:60], CLASSES)}")
    kind = CLASSES[config.model_class]
    data = config.model_dump(include={"params", "state", "preprocessing"})
    try:
        expected = kind._expected_arrays(data)
    except _FAULTS as error:
        raise _refuse(folder, error) from None
    tensors = read_tensors(
        folder / WEIGHTS, expected=expected, sha256=config.weights.sha256, allow_nonfinite=allow_nonfinite
    )
    try:
        return kind._from_state(data, {name: tensor.numpy() for name, tensor in tensors.items()})
    except _FAULTS as error:
        raise _refuse(folder, error) from None


#: What the checks of a class raise on values that it cannot have.
_FAULTS = (ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError, RecursionError)


def _refuse(folder: Path, error: Exception) -> ModelRefusedError:
    what = " ".join(str(error).split()).removeprefix("The configuration is refused: ").rstrip(".")
    return ModelRefusedError(f"{folder} is refused: {what[:400] or type(error).__name__}.")
