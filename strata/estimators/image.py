"""The estimator that learns to tell images apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin
from torch import Tensor, nn

from strata.estimators._decorators import available_when, fitting
from strata.estimators._image_base import BaseImageClassifier
from strata.estimators._image_parameters import IMAGE_CONSTRAINTS
from strata.estimators._image_saved import SavesImages
from strata.rules.schedules import Schedule

__all__ = ["ImageClassifier"]


def _gives_probabilities(estimator: ImageClassifier) -> bool:
    if getattr(estimator, "loss_name_", estimator.loss) == "hinge":
        raise AttributeError("predict_proba is not available when loss='hinge': its scores are no probabilities.")
    return True


class ImageClassifier(SavesImages, ClassifierMixin, BaseImageClassifier):  # type: ignore[misc]
    """Classify images with a convolutional network.

    Takes images as arrays, as paths, or as a folder. A network is chosen by name, by their size, or given; it learns
    from scratch or from weights that were learned before. One class an image, or several labels at once.

    Parameters
    ----------
    model : str or nn.Module, default="auto"
        A name of :func:`strata.models.list_models`, or a network of your own, which is copied and gives one score a
        class for images (n, channels, h, w). "auto" is "lenet5" for grey images of at most 32 pixels, else "resnet20";
        "resnet18" for 5,000 images or more that are larger than 64 pixels.
    model_options : dict or None, default=None
        Options of a registered network, see :func:`strata.models.model_info`: ``{"dropout": 0.2}``.
    weights : str, path or None, default=None
        Learned weights to begin with: a word ("cifar10", "imagenet", see :func:`strata.models.pretrained_weights`) or
        a file (``.safetensors``, ``.npz``).
    transfer : {"last", "partial", "all"} or None, default=None
        What learns when the network begins with learned weights: a new last layer only, all but the first blocks, or
        everything. Each puts a new last layer in place. None keeps the last layer, and everything learns.
    feature_layer : str, default="auto"
        Whose outputs the new layer of ``transfer="last"`` weighs. "last": what the network's own last layer saw, as
        the textbook says. A dotted name: the maps of that layer, over 7 x 7 places
        (:class:`strata.models.LinearProbe`). "auto": the maps where one of the blocks ends, if linear classifiers on
        up to 1,000 training images say that they are clearly better; else, with ``fine_tune`` and for a network of your
        own, "last".
    n_frozen_blocks : int or None, default=None
        Blocks that do not learn with ``transfer="partial"``, of :func:`strata.models.blocks_of`; None is half of those
        before the last.
    block_rates : float, sequence of float or None, default=None
        Share of the learning rate by block: a number in (0, 1] is the share of each block relative to the next one
        nearer to the output; a sequence has one share for each block, input side first.
    fine_tune : bool, int, dict or None, default=None
        Whether a second phase follows in which all blocks learn: True, its epochs, or a dict of ``max_iter``,
        ``learning_rate_init``, ``n_frozen_blocks`` and ``block_rates``. Its rate is that of ``transfer="all"``, or a
        tenth of the first phase's where that is given.
    image_size : int, (int, int) or None, default=None
        Side, or height and width, to which images are brought. None: images in arrays keep theirs, or grow until the
        network takes them; files get the network's own size, or 64 pixels if that is less, but are never enlarged
        beyond need.
    resize : {"crop", "stretch", "pad"}, default="crop"
        How files get that size; images in arrays are stretched.
    channels : int or None, default=None
        Channels that the network sees. None: those of the array, those that learned weights were made for, or those
        that the network has by default; grey levels are repeated, colours become their luma.
    input_shape : tuple of int or None, default=None
        Layout of images that come as rows of numbers: ``(h, w)``, ``(h, w, channels)`` or ``(channels, h, w)``; one
        number may be -1.
    value_range : (float, float), "data" or None, default=None
        What stands for black and for white in arrays. None: 0 and 255 for whole numbers, 0 and 1 for others. "data":
        the smallest and largest value of the training images.
    normalization : "auto" or (mean, std), default="auto"
        What is subtracted from each channel on the scale from 0 to 1, and what it is divided by. "auto": what learned
        weights expect, else mean and deviation of the training images.
    augment : str, sequence or object, default="auto"
        What is done to training images anew in every epoch, see :func:`strata.data.get_augmentation`. "auto" is
        "light" (crops and mirror images) for colour images and "none" for grey ones and for ``transfer="last"``.
    test_time : {"single", "flip", "ten_crop"}, default="single"
        Whether to average the probabilities of an image and its mirror image, or of ten crops of an enlarged image.
    solver : str, optimizer specification or callable, default="auto"
        A name or specification of :mod:`strata.rules.optimizers`, or ``callable(params)``. "auto" is "sgd" with
        Nesterov's momentum for networks with batch normalization, else "adamw".
    learning_rate_init : float or "auto", default="auto"
        Largest learning rate; see Notes.
    schedule : str or Schedule, default="auto"
        Schedule of the rate; "auto" is "one_cycle".
    momentum : float, default=0.9
        Momentum of the solver "sgd".
    alpha : float or "auto", default="auto"
        Decay of the weights: in the gradient for "sgd", decoupled for "adamw", and as an L2 penalty
        ``alpha / 2 * sum(W ** 2)`` for others. "auto" is 5e-4, 0.01 and 0.
    grad_clip : float or None, default=None
        Largest norm of the gradient.
    batch_size : int or "auto", default="auto"
        Images a step; "auto" is a 32nd of them as a power of two, from 16 to 128.
    max_iter : int or "auto", default="auto"
        Epochs; "auto" is about 2,000 steps from 10 (with a transfer of more than the last layer, 5) to 60
        epochs.
    shuffle : bool, default=True
        Whether to draw a new order of the images before every epoch.
    loss : str, default="auto"
        "cross_entropy", "focal" or "hinge"; for several labels an image "binary_cross_entropy", "focal" or "hinge"; for
        a network that ends in Gaussian connections also "rbf_map" or "rbf_mse", see :mod:`strata.functional.losses`.
        "auto" is the cross-entropy, or "rbf_map" for such a network ("lenet5_1998").
    loss_options : dict or None, default=None
        Constants of the loss: ``{"gamma": 3.0}`` of "focal", ``{"j": 0.5}`` of "rbf_map".
    class_weight : dict, list of dict, "balanced" or None, default=None
        Weight of each class, multiplied into ``sample_weight``.
    label_smoothing : float, default=0.0
        Share of the probability of each target that the cross-entropies spread over all classes.
    early_stopping : bool, default=False
        Whether the accuracy on held-out images decides when to stop, and the best weights are kept.
    validation_fraction : float, default=0.1
        Part of the images held out for that when ``fit`` is given none; by class where there are enough.
    n_iter_no_change : int, default=10
        Epochs without progress that early stopping bears.
    tol : float, default=1e-4
        Smallest gain of the accuracy that counts as progress.
    restore_best : "auto" or bool, default="auto"
        Whether the weights of the best epoch are kept; "auto" does so with early stopping.
    random_state : int, RandomState or None, default=None
        Source of the first weights, the held-out images, the order and the augmentation.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the network that is there.
    device : str, default="auto"
        "cpu", "cuda", ...; "auto" takes an accelerator where there is one and the work is worth it.
    precision : {"full", "bfloat16", "float16"}, default="full"
        Mixed precision.
    compile : "auto" or bool, default="auto"
        Whether the network is compiled before training; "auto" decides by the size of network and data.
    channels_last : "auto" or bool, default="auto"
        Whether images lie in memory with the channels last while the network learns.
    n_threads : int or None, default=None
        Threads; None decides by the size of a step.
    n_workers : int or None, default=None
        Files that are decoded at a time; None is one for each processor.
    memory_limit : int or None, default=None
        Bytes of decoded files to hold in memory; more go to the cache folder. None is the default of
        :func:`strata.data.load_images`.
    cache_folder : str, path or None, default=None
        Where they go.
    on_problem : {"raise", "skip"}, default="raise"
        What happens when training files cannot be read: all are named in an error before anything is learned, or they
        are left out and listed in ``problems_``.
    verbose : bool or int, default=False
        Whether to write a line an epoch to the standard output.
    callbacks : sequence of Callback or None, default=None
        Callbacks of :mod:`strata.engine`. scikit-learn's own go through ``set_callbacks``.
    checkpoint : str, path, Checkpointing or None, default=None
        Folder for checkpoints.
    resume : bool, default=False
        Whether ``fit`` goes on from the last checkpoint.
    time_limit : float or None, default=None
        Seconds after which training ends, weights kept.
    progress : bool, default=False
        Whether to show progress on the standard error.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels in sorted order; with several labels an image, the names or numbers of the columns.
    multi_label_ : bool
        Whether images have several labels.
    network_ : nn.Module
        The network, in evaluation mode on the CPU.
    model_name_ : str
        Its registered name, or the class of your own.
    feature_layer_ : str or None
        The layer behind which it was cut for ``transfer="last"``; None for a whole network.
    loss_name_ : str
        Loss that it was trained by.
    image_size_ : tuple of int
        Height and width of the images that it sees.
    in_channels_ : int
        Their channels.
    mean_, std_ : ndarray of shape (in_channels_,)
        The normalisation of their channels, on the scale from 0 to 1.
    input_shape_ : tuple of int or None
        Height, width and channels of the arrays that were learned from; None after files.
    n_features_in_ : int
        Numbers of an image.
    phases_ : list of dict
        What every "auto" came to, in each phase of the training: ``name``, ``transfer``, ``frozen`` (what does not
        learn), ``n_learned`` (weights and biases that do), ``solver``, ``learning_rate``, ``alpha``, ``schedule``,
        ``max_iter``, ``batch_size``, ``augment``, ``compile`` and ``channels_last``. Objects are told by their
        representation; an optimizer object has its own constants, and then ``learning_rate`` and ``alpha`` are None.
    loss_ : float or None
        Training loss of the last epoch.
    loss_curve_ : list of float
        Training loss of every epoch.
    validation_scores_ : list of float or None
        Accuracy on held-out images after every epoch; with several labels, the share of images with all labels right.
    validation_loss_curve_ : list of float or None
        Their loss.
    best_validation_score_ : float or None
        The largest accuracy.
    history_ : History
        The figures of every epoch.
    n_iter_ : int
        Epochs.
    stop_reason_ : str
        Why training ended.
    features_cached_ : bool
        Whether the last phase learned from features that were computed once.
    problems_ : tuple of ImageProblem
        Training files that were left out.

    Raises
    ------
    ValueError
        If a parameter is outside its range, or the images or labels cannot be learned from.
    DataError
        If files cannot be read (also a ``ValueError``).
    NonFiniteError
        If the loss became infinite or NaN (also a ``ValueError``).

    See Also
    --------
    MLPClassifier : For rows of numbers.
    strata.models.build : The networks.
    strata.data.load_images : How files are read.

    Notes
    -----
    With several labels an image, their losses are added up. Where images are mixed ("mixup", "cutmix"), the loss is the
    mean over the classes that an image has a part of. Weights are divided by their mean over all images. The default
    rate is 0.1 for "sgd" (0.02 from learned weights), 0.002 for "adamw" (0.0003 from learned weights, or for networks
    of more than ten million weights) and 0.02 for a new last layer alone; other solvers have their own.

    With ``transfer="last"`` and no augmentation, images go through the frozen network once, and the last layer learns
    from what comes out. Everything frozen stays in evaluation mode, so the statistics of its batch normalization do
    not move.

    The same ``random_state``, machine and number of threads give the same network, bit by bit.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X, y = load_digits(return_X_y=True)
    >>> images = X[:200].reshape(-1, 8, 8)
    >>> model = ImageClassifier(value_range=(0, 16), max_iter=20, random_state=0).fit(images, y[:200])
    >>> model.model_name_, model.image_size_
    ('lenet5', (28, 28))
    >>> model.score(images, y[:200]) > 0.9
    True
    """

    _parameter_constraints = IMAGE_CONSTRAINTS

    def __init__(
        self,
        model: str | nn.Module = "auto",
        *,
        model_options: dict[str, Any] | None = None,
        weights: Any = None,
        transfer: str | None = None,
        feature_layer: str = "auto",
        n_frozen_blocks: int | None = None,
        block_rates: float | Sequence[float] | None = None,
        fine_tune: Any = None,
        image_size: int | tuple[int, int] | None = None,
        resize: str = "crop",
        channels: int | None = None,
        input_shape: tuple[int, ...] | None = None,
        value_range: tuple[float, float] | str | None = None,
        normalization: Any = "auto",
        augment: Any = "auto",
        test_time: str = "single",
        solver: Any = "auto",
        learning_rate_init: float | str = "auto",
        schedule: str | Schedule = "auto",
        momentum: float = 0.9,
        alpha: float | str = "auto",
        grad_clip: float | None = None,
        batch_size: int | str = "auto",
        max_iter: int | str = "auto",
        shuffle: bool = True,
        loss: str = "auto",
        loss_options: dict[str, float] | None = None,
        class_weight: Any = None,
        label_smoothing: float = 0.0,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        restore_best: str | bool = "auto",
        random_state: int | np.random.RandomState | None = None,
        warm_start: bool = False,
        device: str = "auto",
        precision: str = "full",
        compile: str | bool = "auto",  # noqa: A002 - the word that torch has for it
        channels_last: str | bool = "auto",
        n_threads: int | None = None,
        n_workers: int | None = None,
        memory_limit: int | None = None,
        cache_folder: Any = None,
        on_problem: str = "raise",
        verbose: bool | int = False,
        callbacks: Sequence[Any] | None = None,
        checkpoint: Any = None,
        resume: bool = False,
        time_limit: float | None = None,
        progress: bool = False,
    ) -> None:
        self.model = model
        self.model_options = model_options
        self.weights = weights
        self.transfer = transfer
        self.feature_layer = feature_layer
        self.n_frozen_blocks = n_frozen_blocks
        self.block_rates = block_rates
        self.fine_tune = fine_tune
        self.image_size = image_size
        self.resize = resize
        self.channels = channels
        self.input_shape = input_shape
        self.value_range = value_range
        self.normalization = normalization
        self.augment = augment
        self.test_time = test_time
        self.solver = solver
        self.learning_rate_init = learning_rate_init
        self.schedule = schedule
        self.momentum = momentum
        self.alpha = alpha
        self.grad_clip = grad_clip
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.loss = loss
        self.loss_options = loss_options
        self.class_weight = class_weight
        self.label_smoothing = label_smoothing
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.restore_best = restore_best
        self.random_state = random_state
        self.warm_start = warm_start
        self.device = device
        self.precision = precision
        self.compile = compile
        self.channels_last = channels_last
        self.n_threads = n_threads
        self.n_workers = n_workers
        self.memory_limit = memory_limit
        self.cache_folder = cache_folder
        self.on_problem = on_problem
        self.verbose = verbose
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.resume = resume
        self.time_limit = time_limit
        self.progress = progress

    @fitting
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Learn from labelled images.

        Parameters
        ----------
        X : array-like, list of paths, folder or ImageSet
            Images: an array of shape (n, h, w) or (n, h, w, channels), whole numbers from 0 to 255 or others from 0 to
            1; rows of numbers with ``input_shape``; paths; or a folder with one folder for each class, or with a
            table ``labels.csv``.
        y : array-like of shape (n,) or (n, n_labels), or list of lists, default=None
            Class labels, numbers or strings; a table of 0 and 1, or a list of labels for each image. None for a folder
            that has the labels.
        sample_weight : array-like of shape (n,), default=None
            Weight of each image, >= 0.
        X_val, y_val : array-like, default=None
            Images to be judged by after every epoch; without them early stopping sets some of the training images
            aside.
        sample_weight_val : array-like, default=None
            Weight of each of them.

        Returns
        -------
        self : ImageClassifier
            The fitted estimator.
        """
        self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predict the class, or the labels, of each image.

        Parameters
        ----------
        X : array-like, list of paths, folder or ImageSet
            Images.

        Returns
        -------
        y : ndarray of shape (n,) or (n, n_labels)
            Class labels, or a table of 0 and 1. A folder's images come in the order of
            ``strata.data.find_images(X, labels=False)``: by name.
        """
        return self._decoded(self._answers(X))

    @available_when(_gives_probabilities)
    def predict_proba(self, X: Any) -> np.ndarray:
        """Estimate the probability of each class; not there with the hinge loss, whose scores are no probabilities.

        Parameters
        ----------
        X : array-like, list of paths, folder or ImageSet
            Images.

        Returns
        -------
        probs : ndarray of shape (n, n_classes)
            Probabilities, in the order of ``classes_``; each row sums to 1 but for several labels at once.
        """
        return self._answers(X)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the accuracy; with several labels, the share of images with all labels right.

        Parameters
        ----------
        X : array-like, list of paths, folder or ImageSet
            Images.
        y : array-like of shape (n,) or (n, n_labels), default=None
            Their labels; None for a folder that has them.
        sample_weight : array-like of shape (n,), default=None
            Weight of each image.

        Returns
        -------
        score : float
            From 0 to 1.
        """
        return self._score(X, y, sample_weight)

    def prepare(self, X: Any) -> Tensor:
        """Return images as the network takes them.

        Parameters
        ----------
        X : array-like, list of paths, folder or ImageSet
            Images.

        Returns
        -------
        x : Tensor of shape (n, in_channels_, h, w), float32
            Scaled to ``image_size_`` and normalised by ``mean_`` and ``std_``: ``network_(x)`` gives the scores.
        """
        return self._prepared(X)

    def features(self, X: Any) -> np.ndarray:
        """Compute what the last layer of the network sees of each image.

        Parameters
        ----------
        X : array-like, list of paths, folder or ImageSet
            Images.

        Returns
        -------
        features : ndarray of shape (n, d), float32
            See :func:`strata.models.features_of`.
        """
        return self._features(X)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
