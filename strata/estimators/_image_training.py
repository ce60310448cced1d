"""From pixels, targets and a network to a trained network: sources, rules, and one run after the other."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from strata._threads import limit_threads, threads_for
from strata.data import ArraySource, Batch, ImageFiles, ImageSource, ten_crop
from strata.data.image_arrays import channel_statistics
from strata.engine import Checkpointing, Run, train
from strata.estimators._image_defaults import Recipe, auto_batch_size, auto_channels_last, auto_epochs, auto_recipe
from strata.estimators._image_labels import right_rows
from strata.estimators._image_loss import CUTS, ImageLoss
from strata.estimators._image_network import BuiltNetwork, has_batch_norm, seeded
from strata.estimators._image_transfer import Phase, cached_features, separable_head
from strata.estimators._monitor import Monitor
from strata.estimators._training import checkpointing
from strata.functional import ACTIVATIONS, Penalty
from strata.rules import SGD, AdamW, GradientDescent, Rule, compile_pays, get_optimizer

__all__ = [
    "Examples",
    "Normalisation",
    "PhaseRunner",
    "answers",
    "answers_of",
    "batches_of",
    "left_of",
    "scores_of",
    "views_of",
]

#: Images that are looked at together when nothing is learned.
LOOK_BATCH = 256
#: Share of an accelerator's free memory that images may fill, so as not to be sent anew every epoch.
_SHARE_OF_MEMORY = 0.25
#: Files from which mean and deviation are taken where all of them are too many to hold.
_LOOKED_AT = 2000


class Normalisation(NamedTuple):
    """What is subtracted from each channel on the scale from 0 to 1, and what it is divided by."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def chosen(cls, wanted: Any, built: BuiltNetwork, pixels: Any) -> Normalisation:
        """Return what is asked for, else what learned weights expect, else that of the training images."""
        if not isinstance(wanted, str):
            return cls._given(wanted, built.in_channels)
        if built.mean is not None and built.std is not None:
            return cls(built.mean, built.std)
        if isinstance(pixels, ImageFiles):
            spread = np.unique(np.linspace(0, len(pixels) - 1, _LOOKED_AT).astype(int))
            pixels = pixels.take(spread).numpy()
        return cls(*channel_statistics(pixels))

    @classmethod
    def _given(cls, wanted: Any, n_channels: int) -> Normalisation:
        parts = [np.broadcast_to(np.asarray(part, dtype=float), (n_channels,)) for part in _pair(wanted, n_channels)]
        if not all(np.isfinite(part).all() for part in parts) or not (parts[1] > 0).all():
            raise _bad_normalization(wanted, n_channels)
        return cls(tuple(parts[0].tolist()), tuple(parts[1].tolist()))


def _pair(wanted: Any, n_channels: int) -> list[Any]:
    pair = list(wanted)
    if len(pair) != 2 or not all(_is_of_channels(part, n_channels) for part in pair):
        raise _bad_normalization(wanted, n_channels)
    return pair


def _is_of_channels(part: Any, n_channels: int) -> bool:
    try:
        numbers = np.asarray(part)
    except ValueError:  # lists in lists
        return False
    return numbers.dtype.kind in "fiu" and numbers.shape in ((), (n_channels,))


def _bad_normalization(wanted: Any, n_channels: int) -> ValueError:
    return ValueError(
        f"`normalization` must be 'auto' or a pair (mean, std), each one finite number or {n_channels}, std > 0. "
        f"Received: normalization={wanted!r}."
    )


class Examples(NamedTuple):
    """Images with their targets, ready to be put into batches."""

    pixels: Any  # ndarray, Tensor or ImageFiles, (n, h, w, c)
    targets: np.ndarray
    weight: np.ndarray | None

    def first(self) -> Examples:
        """Return the first of them alone."""
        pixels = self.pixels.take(slice(0, 1)) if isinstance(self.pixels, ImageFiles) else self.pixels[:1]
        return Examples(pixels, self.targets[:1], None)

    def some(self, most: int, seed: int) -> Examples:
        """Return so many of them at most, drawn without replacement and in their order."""
        n = len(self.targets)
        if n <= most:
            return self
        rows = np.sort(np.random.RandomState(seed).permutation(n)[:most])
        pixels = self.pixels.take(rows) if isinstance(self.pixels, ImageFiles) else self.pixels[rows]
        return Examples(pixels, self.targets[rows], None if self.weight is None else self.weight[rows])

    def evened(self) -> Examples:
        """Return them with weights whose mean is 1."""
        if self.weight is None:
            return self
        mean = float(np.mean(self.weight, dtype=np.float64))
        return self._replace(weight=(self.weight / np.float64(mean)).astype(np.float32))

    def on(self, device: torch.device) -> Examples:
        """Return them with the pixels on an accelerator, where they fit there with room to spare."""
        if device.type != "cuda" or not isinstance(self.pixels, np.ndarray):
            return self
        free, _ = torch.cuda.mem_get_info(device)
        if self.pixels.nbytes > _SHARE_OF_MEMORY * free:
            return self
        return self._replace(pixels=torch.from_numpy(np.array(self.pixels)).to(device))


def batches_of(
    examples: Examples, normalisation: Normalisation, *, batch_size: int, device: torch.device | None = None
) -> Iterator[Batch]:
    """Yield normalised batches in order, as they are looked at rather than learned from."""
    source = ImageSource(
        examples.pixels,
        examples.targets if len(examples.targets) else None,
        examples.weight,
        batch_size=batch_size,
        mean=normalisation.mean,
        std=normalisation.std,
        shuffle=False,
        device=device,
    )
    yield from source.epoch(0).take(0, source.n_batches or 0)


def scores_of(network: nn.Module, batches: Iterator[Batch]) -> Tensor:
    """Return the scores of every batch, on the CPU, with the network in evaluation mode."""
    network.eval()
    with torch.no_grad():
        return torch.cat([network(batch.x).float().cpu() for batch in batches])


def views_of(x: Tensor, test_time: str, size: tuple[int, int]) -> tuple[Tensor, ...]:
    """Return what is looked at of a batch: itself, with its mirror images, or ten crops of an enlarged one."""
    if test_time == "ten_crop":
        return tuple(ten_crop(x, size).unbind(1))
    return (x, x.flip(3)) if test_time == "flip" else (x,)


def answers_of(
    network: nn.Module, batches: Iterator[Batch], *, test_time: str, size: tuple[int, int], link: str
) -> np.ndarray:
    """Return the answers for every image, the mean over its views."""
    network.eval()
    parts = []
    with torch.no_grad():
        for batch in batches:
            views = [network(view).float().cpu() for view in views_of(batch.x, test_time, size)]
            parts.append(np.mean([answers(scores, link) for scores in views], axis=0))
    return np.concatenate(parts)


def answers(scores: Tensor, link: str) -> np.ndarray:
    """Return the probability of each class or label, or the scores themselves where the link is "identity", float64."""
    return np.asarray(ACTIVATIONS[link].function(scores.double()).numpy())


@dataclass
class PhaseRunner:
    """What the runs of one fit share."""

    estimator: Any
    network: nn.Module
    loss: ImageLoss
    normalisation: Normalisation
    examples: Examples
    held_out: Examples | None
    device: torch.device
    n_macs: int
    seed: int

    def __post_init__(self) -> None:
        self.examples = self.examples.evened().on(self.device)
        self.held_out = None if self.held_out is None else self.held_out.on(self.device)
        self.rule: Rule | None = None
        self.cached: _Cached | None = None

    # What "auto" comes to.

    def recipe(self, phase: Phase) -> Recipe:
        """Return the optimizer, its rate and decay, and the schedule of a phase."""
        me = self.estimator
        auto = auto_recipe(
            has_batch_norm=has_batch_norm(self.network),
            n_parameters=sum(parameter.numel() for parameter in self.network.parameters()),
            transfer=phase.transfer,
        )
        solver = auto.solver if me.solver == "auto" else me.solver
        rate, alpha = auto.learning_rate, auto.alpha
        if isinstance(solver, str) and solver != auto.solver:
            rate = get_optimizer(solver).learning_rate
            alpha = 5e-4 if solver == "sgd" else 1e-2 if solver.startswith("adamw") else 0.0
        if phase.learning_rate_init is not None:
            rate = phase.learning_rate_init
        elif me.learning_rate_init != "auto":
            rate = me.learning_rate_init
        return Recipe(
            solver,
            float(rate),
            float(alpha if me.alpha == "auto" else me.alpha),
            auto.schedule if me.schedule == "auto" else me.schedule,
        )

    def optimizer(self, recipe: Recipe) -> tuple[Any, Penalty]:
        """Return the optimizer, and the penalty for those that do not decay weights by themselves."""
        if not isinstance(recipe.solver, str):
            return recipe.solver, Penalty()
        if recipe.solver == "sgd":
            momentum = float(self.estimator.momentum)
            return (
                SGD(recipe.learning_rate, momentum=momentum, nesterov=momentum > 0, weight_decay=recipe.alpha),
                Penalty(),
            )
        if recipe.solver == "adamw":
            return AdamW(recipe.learning_rate, weight_decay=recipe.alpha), Penalty()
        return get_optimizer(recipe.solver, learning_rate=recipe.learning_rate), Penalty(l2=recipe.alpha)

    @property
    def batch_size(self) -> int:
        """Images a step."""
        n_images = len(self.examples.targets)
        wanted = self.estimator.batch_size
        return auto_batch_size(n_images) if wanted == "auto" else min(int(wanted), n_images)

    @property
    def n_batches(self) -> int:
        """Steps an epoch."""
        return -(-len(self.examples.targets) // self.batch_size)

    def epochs(self, phase: Phase) -> int:
        """Return the epochs of a phase."""
        if phase.max_iter is not None:
            return phase.max_iter
        if self.estimator.max_iter != "auto":
            return int(self.estimator.max_iter)
        return auto_epochs(self.n_batches, transfer=phase.transfer)

    @property
    def augment(self) -> Any:
        """What is done to training images; "auto" mirrors and moves colour images a little, grey ones not at all."""
        wanted = self.estimator.augment
        if wanted != "auto":
            return wanted
        colour = self.examples.pixels.shape[3] >= 3
        return "light" if colour and self.estimator.transfer != "last" else "none"

    def described(self, phase: Phase) -> dict[str, bool | int | float | str | None]:
        """Return what every "auto" comes to in a phase."""
        recipe = self.recipe(phase)
        own = not isinstance(recipe.solver, str)  # an optimizer object has its own constants
        return {
            "name": phase.name,
            "transfer": phase.transfer,
            "frozen": ", ".join(phase.frozen),
            "n_learned": self._n_learned(phase),
            "solver": _told(recipe.solver),
            "learning_rate": None if own else recipe.learning_rate,
            "alpha": None if own else recipe.alpha,
            "schedule": _told(recipe.schedule),
            "max_iter": self.epochs(phase),
            "batch_size": self.batch_size,
            "augment": _told(self.augment),
            "compile": self._compiles(phase),
            "channels_last": self.channels_last,
        }

    def _n_learned(self, phase: Phase) -> int:
        """Return the weights and biases that learn."""
        still = tuple(f"{name}." for name in phase.frozen)
        return sum(
            parameter.numel()
            for name, parameter in self.network.named_parameters()
            if parameter.requires_grad and not f"{name}.".startswith(still)
        )

    # One run.

    def run(self, phase: Phase, monitor: Monitor, callbacks: list[Any], *, time_limit: float | None) -> Run:
        """Train the network in place, and return how it went."""
        me = self.estimator
        self.network.to(self.device)
        self.cached = self._cache() if phase.transfer == "last" and self.augment == "none" else None
        cached = self.cached
        learner = self.network if cached is None else cached.head
        rule = self._rule(learner, phase, frozen=phase.frozen if cached is None else ())
        self.rule = rule
        flops = 6.0 * self.batch_size * (self.n_macs if cached is None else cached.head.weight.numel())
        with limit_threads(me.n_threads or threads_for(flops)), seeded(self.seed, self.device):
            return train(
                rule,
                self._source() if cached is None else cached.source(self),
                max_epochs=self.epochs(phase),
                validate=None if self.held_out is None else self._validate,
                callbacks=[monitor, *callbacks],
                checkpoint=_for_phase(checkpointing(me.checkpoint), phase),
                resume=bool(me.resume),
                time_limit=time_limit,
                progress=me._progress(),
            )

    def _rule(self, learner: nn.Module, phase: Phase, *, frozen: tuple[str, ...]) -> GradientDescent:
        recipe = self.recipe(phase)
        optimizer, penalty = self.optimizer(recipe)
        return GradientDescent(
            learner,
            self.loss,
            optimizer=optimizer,
            schedule=recipe.schedule,
            penalty=penalty,
            clip_norm=self.estimator.grad_clip,
            precision=self.estimator.precision,
            frozen=frozen,
            rates=phase.rates if learner is self.network else None,
            memory_format="channels_last" if self.channels_last and learner is self.network else "contiguous",
            compile=self._compiles(phase) and learner is self.network,
            count_rows=True,
            fused=True,
        )

    def _source(self) -> ImageSource:
        return ImageSource(
            self.examples.pixels,
            self.examples.targets,
            self.examples.weight,
            batch_size=self.batch_size,
            mean=self.normalisation.mean,
            std=self.normalisation.std,
            augment=self.augment,
            n_classes=self.loss.n_outputs,
            shuffle=bool(self.estimator.shuffle),
            random_state=self.seed,
            drop_last=self._drops_last(),
            device=self.device,
            channels_last=self.channels_last,
        )

    @property
    def channels_last(self) -> bool:
        """Whether images lie in memory with the channels last."""
        wanted = self.estimator.channels_last
        return auto_channels_last(self.n_macs) if wanted == "auto" else bool(wanted)

    def _compiles(self, phase: Phase) -> bool:
        wanted = self.estimator.compile
        if wanted != "auto":
            return bool(wanted)
        return compile_pays(self.n_macs, self.epochs(phase) * len(self.examples.targets))

    def _drops_last(self) -> bool:
        """Whether the last batch is left out: where it is small, so that its statistics would be poor, or none."""
        rest = len(self.examples.targets) % self.batch_size
        return has_batch_norm(self.network) and 0 < rest < max(2, self.batch_size // 2)

    def _look(self, examples: Examples) -> Iterator[Batch]:
        return batches_of(examples, self.normalisation, batch_size=LOOK_BATCH, device=self.device)

    def _cache(self) -> _Cached | None:
        """Return the head and the features it sees, where the scores are made of nothing else."""
        head = separable_head(self.network, next(self._look(self.examples)).x[:2])
        if head is None:
            return None
        with limit_threads(self.estimator.n_threads or threads_for(2.0 * LOOK_BATCH * self.n_macs)):
            features = cached_features(self.network, self._look(self.examples))
            held_out = None if self.held_out is None else cached_features(self.network, self._look(self.held_out))
        return _Cached(head, features, held_out)

    def _validate(self, rule: Rule) -> dict[str, float]:
        """Return loss and score of the held-out images."""
        if self.held_out is None:
            return {}
        if self.cached is not None and self.cached.held_out is not None:
            with torch.no_grad():
                scores = self.cached.head(self.cached.held_out.to(self.device)).float().cpu()
        else:
            scores = scores_of(self.network, self._look(self.held_out))
        targets = torch.from_numpy(self.held_out.targets)
        weight = None if self.held_out.weight is None else torch.from_numpy(self.held_out.weight)
        loss = float(self.loss.plain(scores, targets, weight))
        if not math.isfinite(loss):
            return {"val_loss": loss, "val_score": math.nan}
        right = right_rows(answers(scores, self.loss.link), self.held_out.targets, cut=CUTS[self.loss.link])
        return {"val_loss": loss, "val_score": float(np.average(right, weights=self.held_out.weight))}


@dataclass
class _Cached:
    """A head that learns alone, and what it sees of each image that is learned from or held out."""

    head: nn.Linear
    features: Tensor
    held_out: Tensor | None

    def source(self, runner: PhaseRunner) -> ArraySource:
        """Return batches of features, in the order in which the images would come."""
        return ArraySource(
            self.features,
            runner.examples.targets,
            runner.examples.weight,
            batch_size=runner.batch_size,
            shuffle=bool(runner.estimator.shuffle),
            random_state=runner.seed,
            drop_last=runner._drops_last(),
        )


def _told(value: Any) -> str:
    """Return a word as it is, a list of words, and anything else by its representation without addresses."""
    if isinstance(value, (list, tuple)) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    return value if isinstance(value, str) else re.sub(r" at 0x[0-9a-fA-F]+", "", " ".join(repr(value).split()))


def _for_phase(checkpoint: Checkpointing | None, phase: Phase) -> Checkpointing | None:
    """Return where the checkpoints of a phase go: a folder of its own where there are two."""
    if checkpoint is None or phase.name == "fit":
        return checkpoint
    return replace(checkpoint, folder=Path(checkpoint.folder) / phase.name)


def left_of(time_limit: float | None, begun: float) -> float | None:
    """Return the seconds that are left of a limit, at least one step's worth."""
    return None if time_limit is None else max(1e-3, time_limit - (time.monotonic() - begun))
