"""From images in any form to a trained network, and from a trained network to scores."""

from __future__ import annotations

import copy
import math
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted
from torch import Tensor, nn

from strata._threads import limit_threads, threads_for
from strata.data import Batch, get_augmentation
from strata.engine import Callback, History, noting_preparation
from strata.engine.progress import Progress
from strata.errors import DataError, NonFiniteError
from strata.estimators._image_defaults import FEW_IMAGES
from strata.estimators._image_inputs import is_files
from strata.estimators._image_labels import (
    ImageLabels,
    ImageTargets,
    class_weights,
    encode_targets,
    learn_labels,
    right_rows,
    stratified,
)
from strata.estimators._image_loss import CUTS, chosen_loss, link_of
from strata.estimators._image_network import (
    BuiltNetwork,
    build_network,
    check_model,
    check_scores,
    seeded,
    shipped_weights,
    work_of,
)
from strata.estimators._image_pixels import Origin, Pictures, Pixels, chosen_channels, chosen_model, chosen_size
from strata.estimators._image_probe import SAMPLE, Probed, check_feature_layer, probed
from strata.estimators._image_training import (
    LOOK_BATCH,
    Examples,
    Normalisation,
    PhaseRunner,
    answers_of,
    batches_of,
    left_of,
)
from strata.estimators._image_transfer import Phase, cached_features, phases
from strata.estimators._monitor import Monitor, ScikitLearnCallbacks, finite_or_none, say_waiting, users_callbacks
from strata.estimators._training import chosen_device
from strata.estimators._validation import split_rows

__all__ = ["BaseImageClassifier"]

#: Frames between a warning and the line of the user's that called ``fit``.
_TO_CALLER = 6


class _Told(NamedTuple):
    """Images with what is known of them, before any pixel is read."""

    pictures: Pictures
    targets: ImageTargets
    weight: np.ndarray | None


def _refuse_nothing(n_images: int, weight: np.ndarray | None, *, which: str) -> None:
    """Refuse images of which none is left, or counts."""
    if not n_images:
        raise DataError(f"None of the {which} images can be read.")
    if weight is not None and not weight.any():
        raise ValueError(
            f"`sample_weight` and `class_weight` must leave one of the {which} images a weight above 0. "
            "Received: all are 0."
        )


class BaseImageClassifier(CallbackSupportMixin, BaseEstimator):  # type: ignore[misc]
    """What an image classifier does, without its arguments and their description."""

    # The fit, in the order of its steps.

    def _check_arguments(self) -> None:
        """Refuse what no images could make good, before any is read."""
        self._validate_params()
        check_model(self)
        check_feature_layer(self)
        if not isinstance(self.augment, str) or self.augment != "auto":
            get_augmentation(self.augment, n_classes=2)

    def _fit(self, X: Any, y: Any, sample_weight: Any, validation: tuple[Any, Any, Any]) -> None:
        self._check_arguments()
        goes_on = bool(self.warm_start) and hasattr(self, "network_")
        random_state = check_random_state(self.random_state)
        told = self._told(X, y, sample_weight, reset=not goes_on)
        chosen_loss(self, self._labels)
        held_out = self._told_validation(validation)
        seeds = random_state.randint(np.iinfo(np.int32).max, size=2)
        if held_out is None and self.early_stopping:
            told, held_out = self._split(told, random_state)
        if not goes_on:
            self._choose(told.pictures)
        examples = self._examples([told] if held_out is None else [told, held_out], size=self.image_size_)
        network = self.network_ if goes_on else self._build(examples[0], int(seeds[0]))
        self._train(network, examples[0], None if held_out is None else examples[1], seed=int(seeds[1]))

    def _told(self, X: Any, y: Any, sample_weight: Any, *, reset: bool, name: str = "y") -> _Told:
        """Check images, labels and weights against each other."""
        pictures, y = Pictures.of(self, X, y, reset=reset)
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None. "
                "Only a folder whose sub-folders, or whose labels.csv, name the classes goes without."
            )
        if reset:
            labels = learn_labels(y, names=pictures.label_names)
            self.classes_, self.multi_label_ = labels.classes, labels.multi_label
        targets = encode_targets(self._labels, y, name=name)
        if len(targets) != len(pictures):
            raise ValueError(
                f"`X` and `{name}` must go together: found input variables with inconsistent numbers of samples. "
                f"Received: {len(pictures)} images, {len(targets)} labels."
            )
        weight = self._row_weights(len(pictures), sample_weight)
        by_class = class_weights(self.class_weight, y, self._labels) if name == "y" else None
        if by_class is not None:
            weight = by_class if weight is None else weight * by_class
        return _Told(pictures, targets, weight)

    @property
    def _labels(self) -> ImageLabels:
        return ImageLabels(self.classes_, self.multi_label_)

    def _row_weights(self, n_images: int, sample_weight: Any) -> np.ndarray | None:
        if sample_weight is None:
            return None
        stand_in = np.broadcast_to(np.float32(0), (n_images, 1))
        return np.asarray(
            _check_sample_weight(sample_weight, stand_in, dtype=np.float32, ensure_non_negative=True), dtype=np.float32
        )

    def _told_validation(self, validation: tuple[Any, Any, Any]) -> _Told | None:
        X_val, y_val, weight = validation
        if X_val is None:
            for name, value in (("y_val", y_val), ("sample_weight_val", weight)):
                if value is not None:
                    raise ValueError(f"`X_val` and `{name}` must be given together. Received: X_val=None.")
            return None
        if y_val is None and not is_files(X_val):
            raise ValueError("`X_val` and `y_val` must be given together. Received: y_val=None.")
        return self._told(X_val, y_val, weight, reset=False, name="y_val")

    def _split(self, told: _Told, random_state: np.random.RandomState) -> tuple[_Told, _Told]:
        train, held_out = split_rows(
            len(told.targets),
            fraction=float(self.validation_fraction),
            stratify=stratified(told.targets, float(self.validation_fraction)),
            random_state=random_state,
        )
        parts = [
            _Told(
                told.pictures.take(rows),
                ImageTargets(told.targets.numbers[rows]),
                None if told.weight is None else told.weight[rows],
            )
            for rows in (train, held_out)
        ]
        return parts[0], parts[1]

    def _choose(self, pictures: Pictures) -> None:
        """Decide which network sees the images, at which size and with how many channels."""
        model = chosen_model(self, pictures)
        self.model_name_ = model if isinstance(model, str) else type(model).__name__
        self._hint(model, len(pictures))
        self.in_channels_ = chosen_channels(self, model, pictures)
        self.image_size_ = chosen_size(self, model, pictures, self.in_channels_)
        if pictures.origin is Origin.FILES:
            self.n_features_in_ = self.image_size_[0] * self.image_size_[1] * self.in_channels_

    def _hint(self, model: str | nn.Module, n_images: int) -> None:
        """Say that there are learned weights for the network, where the images are few and somebody listens."""
        if not (self.verbose or self.progress) or not isinstance(model, str) or self.weights is not None:
            return
        words = shipped_weights(model)
        if words and n_images <= FEW_IMAGES:
            say_waiting(
                f"{model} has learned weights that need no download: with {n_images} images, weights={words[0]!r} and "
                f"transfer='last' (--weights {words[0]} --transfer last), or 'all', are worth a try."
            )

    def _examples(self, parts: list[_Told], *, size: tuple[int, int], strict: bool = False) -> list[Examples]:
        """Read, decode and scale all images before anything is learned."""
        pictures = [part.pictures for part in parts]
        loaded = Pictures.load(pictures, self, size=size, n_channels=self.in_channels_, strict=strict)
        if not strict:
            self.problems_ = loaded.problems
        examples = []
        for part, pixels, kept in zip(parts, loaded.pixels, loaded.kept, strict=True):
            rows: Any = slice(None) if kept is None else kept
            weight = None if part.weight is None else part.weight[rows]
            _refuse_nothing(len(pixels), weight, which="training" if part is parts[0] else "held-out")
            examples.append(Examples(pixels, part.targets.numbers[rows], weight))
        return examples

    def _build(self, examples: Examples, seed: int) -> nn.Module:
        """Return a network with its first weights, and learn the normalisation that it wants."""
        built = build_network(
            self.model if isinstance(self.model, nn.Module) else self.model_name_,
            n_outputs=len(self.classes_),
            in_channels=self.in_channels_,
            weights=self.weights,
            transfer=self.transfer,
            options=self.model_options,
            seed=seed,
        )
        self._normalise(built, examples)
        network, self.feature_layer_ = self._placed(built.network, examples, seed)
        self.n_iter_ = 0
        self.loss_: float | None = None
        self.loss_curve_: list[float] = []
        self.history_ = History()
        self.validation_scores_: list[float] | None = None
        self.validation_loss_curve_: list[float] | None = None
        self.best_validation_score_: float | None = None
        return network

    def _placed(self, network: nn.Module, examples: Examples, seed: int) -> Probed:
        """Return the network with its last layer where its features serve best, if that layer learns alone."""
        whole = self.fine_tune not in (None, False) or self.loss.startswith("rbf")
        own = isinstance(self.model, nn.Module)
        if self.transfer != "last" or self.feature_layer == "last" or (self.feature_layer == "auto" and (whole or own)):
            return Probed(network, None)
        sample = examples.some(SAMPLE, seed)
        n_macs = work_of(network, self.in_channels_, self.image_size_)
        device = chosen_device(self.device, flops=2.0 * n_macs * len(sample.targets), double=False)
        batches = list(batches_of(sample, self._normalisation, batch_size=LOOK_BATCH, device=device))
        with limit_threads(self.n_threads or threads_for(2.0 * LOOK_BATCH * n_macs)), seeded(seed):
            found = probed(
                network.to(device),
                self.feature_layer,
                batches,
                sample.targets,
                n_outputs=len(self.classes_),
                random_state=seed,
            )
        return found._replace(network=found.network.to("cpu"))

    def _normalise(self, built: BuiltNetwork, examples: Examples) -> None:
        mean, std = Normalisation.chosen(self.normalization, built, examples.pixels)
        self.mean_, self.std_ = np.array(mean), np.array(std)

    @property
    def _normalisation(self) -> Normalisation:
        return Normalisation(tuple(self.mean_.tolist()), tuple(self.std_.tolist()))

    def _train(self, network: nn.Module, examples: Examples, held_out: Examples | None, *, seed: int) -> None:
        labels = self._labels
        first = next(batches_of(examples.first(), self._normalisation, batch_size=1)).x
        check_scores(network, first, labels.n_outputs)
        n_macs = work_of(network, self.in_channels_, self.image_size_)
        loss = chosen_loss(self, labels, network)
        self.loss_name_ = loss.name
        runner = PhaseRunner(
            self,
            network,
            loss,
            self._normalisation,
            examples,
            held_out,
            chosen_device(self.device, flops=6.0 * n_macs * min(LOOK_BATCH, len(examples.targets)), double=False),
            n_macs,
            seed,
        )
        plan = phases(network, self)
        self.phases_ = [runner.described(phase) for phase in plan]
        callbacks = self._callbacks(runner, plan)
        learns = {name: parameter.requires_grad for name, parameter in network.named_parameters()}
        begun = time.monotonic()
        self.stop_reason_ = "max_epochs"
        with noting_preparation(say_waiting if self.verbose else None):
            for phase in plan:
                self._run(runner, phase, callbacks, begun)
                for name, parameter in network.named_parameters():
                    parameter.requires_grad_(learns[name])
                if self.stop_reason_ in ("interrupted", "time_limit", "callback"):
                    break
        for callback in callbacks:
            if isinstance(callback, ScikitLearnCallbacks):
                callback.finish()
        self.network_ = network
        if self.stop_reason_ == "interrupted":
            warnings.warn("Training interrupted by user.", stacklevel=_TO_CALLER)

    def _callbacks(self, runner: PhaseRunner, plan: list[Phase]) -> list[Callback]:
        """Return the callbacks of all runs of a fit; scikit-learn's hear of one fit with all epochs."""
        callbacks = users_callbacks(
            self,
            X=runner.examples.pixels,
            y=runner.examples.targets,
            sample_weight=runner.examples.weight,
            max_epochs=sum(runner.epochs(phase) for phase in plan),
            fitted=lambda: {"network_": copy.deepcopy(runner.network).cpu().eval()},
        )
        for callback in callbacks:
            if isinstance(callback, ScikitLearnCallbacks):
                callback.ends_with_run = False
        return callbacks

    def _run(self, runner: PhaseRunner, phase: Phase, callbacks: list[Callback], begun: float) -> None:
        monitor = self._monitor(validated=runner.held_out is not None)
        try:
            run = runner.run(phase, monitor, callbacks, time_limit=left_of(self.time_limit, begun))
        except NonFiniteError as error:
            raise NonFiniteError(
                f"Training diverged: {error} For images this is most often a learning rate that is too high "
                f"(learning_rate_init={runner.recipe(phase).learning_rate:g}).",
                epoch=error.epoch,
                batch=error.batch,
            ) from error
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise ValueError(
                "`batch_size` must be at least 2 for this network, whose batch normalization sees one number an image. "
                f"Received: batch_size={self.batch_size!r}, {runner.batch_size} image a batch."
            ) from error
        finally:
            runner.network.to(memory_format=torch.contiguous_format).to("cpu").eval()
        self.features_cached_ = runner.cached is not None
        self._conclude(run.history, monitor, run.stop_reason or "max_epochs")

    def _monitor(self, *, validated: bool) -> Monitor:
        """Return what decides when to stop: nothing but the last epoch, unless early stopping is wanted."""
        by_score = bool(self.early_stopping) and validated
        monitor = Monitor(
            by_score=by_score,
            tol=float(self.tol),
            patience=self.n_iter_no_change if by_score else math.inf,
            lower_rate=False,
            restore=by_score if self.restore_best == "auto" else bool(self.restore_best),
        )
        monitor.verbose = bool(self.verbose)
        return monitor

    def _conclude(self, history: History, monitor: Monitor, stop_reason: str) -> None:
        """Add the epochs of a run to those before it."""
        done = len(self.history_)
        for row in history.rows():
            self.history_.append({**row, "epoch": done + int(row["epoch"])})
        self.n_iter_ = len(self.history_)
        self.stop_reason_ = stop_reason
        self.loss_curve_ += list(history["loss"]) if len(history) else []
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else None
        if "val_score" in history:
            scores = history["val_score"]
            self.validation_scores_ = [*(self.validation_scores_ or ()), *scores]
            self.validation_loss_curve_ = [*(self.validation_loss_curve_ or ()), *history["val_loss"]]
            best = finite_or_none(monitor.best) if monitor.by_score else float(np.nanmax(scores))
            self.best_validation_score_ = best

    def _progress(self) -> Progress | None:
        return Progress() if self.progress else None

    # What a fitted network answers.

    def _pixels(self, X: Any, *, size: tuple[int, int]) -> Pixels:
        """Return images of the user's at a size, with the network's channels; a file that fails is an error."""
        pictures, _ = Pictures.of(self, X, None, reset=False, labelled=False)
        return Pictures.load([pictures], self, size=size, n_channels=self.in_channels_, strict=True).pixels[0]

    @property
    def _link(self) -> str:
        return link_of(self.loss_name_, multi_label=self.multi_label_)

    def _answers(self, X: Any) -> np.ndarray:
        """Return probabilities, or the scores where they stand for none."""
        check_is_fitted(self)
        return self._answers_of(self._pixels(X, size=self._looked_at_size))

    def _answers_of(self, pixels: Pixels) -> np.ndarray:
        with self._looking(pixels) as (network, batches):
            return answers_of(network, batches, test_time=self.test_time, size=self.image_size_, link=self._link)

    @property
    def _looked_at_size(self) -> tuple[int, int]:
        """The size that images are brought to for a prediction: an eighth larger where crops are cut from them."""
        if self.test_time != "ten_crop":
            return self.image_size_
        h, w = self.image_size_
        return -(-h * 8 // 7), -(-w * 8 // 7)

    @contextmanager
    def _looking(self, pixels: Pixels) -> Iterator[tuple[nn.Module, Iterator[Batch]]]:
        """Give the network and the batches of some images, where and with as many threads as suits their number."""
        n_rows = min(LOOK_BATCH, len(pixels))
        flops = 2.0 * n_rows * work_of(self.network_, self.in_channels_, self.image_size_)
        device = chosen_device(self.device, flops=flops, double=False)
        network = self.network_ if device.type == "cpu" else copy.deepcopy(self.network_).to(device)
        examples = Examples(pixels, np.empty(0), None)
        with limit_threads(self.n_threads or threads_for(flops)):
            yield network, batches_of(examples, self._normalisation, batch_size=LOOK_BATCH, device=device)

    def _decoded(self, answers: np.ndarray) -> np.ndarray:
        return self._labels.decode(answers, cut=CUTS[self._link])

    def _score(self, X: Any, y: Any, sample_weight: Any) -> float:
        check_is_fitted(self)
        told = self._told(X, y, sample_weight, reset=False)._replace(weight=None)
        weight = self._row_weights(len(told.pictures), sample_weight)
        examples = self._examples([told._replace(weight=weight)], size=self._looked_at_size, strict=True)[0]
        right = right_rows(self._answers_of(examples.pixels), examples.targets, cut=CUTS[self._link])
        return float(np.average(right, weights=examples.weight))

    def _prepared(self, X: Any) -> Tensor:
        check_is_fitted(self)
        pixels = self._pixels(X, size=self.image_size_)
        whole = batches_of(Examples(pixels, np.empty(0), None), self._normalisation, batch_size=len(pixels))
        return next(whole).x.contiguous()

    def _features(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        with self._looking(self._pixels(X, size=self.image_size_)) as (network, batches):
            return np.asarray(cached_features(network, batches).numpy())

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = self.input_shape is not None
        tags.input_tags.three_d_array = True
        tags.input_tags.sparse = False
        return tags
