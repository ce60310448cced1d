"""The run: epochs of batches, driven without knowing which rule learns from them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from strata.data.sources import Batches, Source
from strata.engine._figures import EpochFigures, as_array
from strata.engine._signals import SignalWatch
from strata.engine._state import (
    copy_tree,
    first_nonfinite,
    generators,
    host_copy,
    is_out_of_memory,
    out_of_memory,
    set_generators,
)
from strata.engine._store import Store
from strata.engine.callbacks import Callback
from strata.engine.checkpoint import Checkpointing
from strata.engine.history import History
from strata.engine.preparation import prepare
from strata.engine.watching import watchers
from strata.errors import DataError, ModelRefusedError, NonFiniteError

if TYPE_CHECKING:
    from strata.engine.progress import Progress
    from strata.rules.base import Rule

__all__ = ["Run", "train"]


class Run:
    """Where a training stands; what callbacks see, and what :func:`train` returns.

    Parameters
    ----------
    rule : Rule
        What learns.
    source : Source
        Where its batches come from.
    max_epochs : int
        Epochs after which the run ends.

    Attributes
    ----------
    epoch : int
        Epochs done.
    batch : int
        Batches done of the epoch that is not finished yet.
    step : int
        Batches done since the first epoch.
    figures : dict of str to float
        Figures of the last finished epoch.
    batch_figures : dict of str to float
        Figures of the last batch; filled only when a callback overrides ``on_batch_end``.
    history : History
        Figures of every finished epoch.
    resumed : bool
        Whether the run goes on from a checkpoint.
    stop_reason : str or None
        Why the run ended: "max_epochs", "converged", "early_stopping", "time_limit", "max_steps",
        "interrupted", "callback", or what was given to :meth:`stop`; None while it goes on.
    """

    def __init__(self, rule: Rule, source: Source, *, max_epochs: int) -> None:
        self.rule = rule
        self.source = source
        self.max_epochs = max_epochs
        self.epoch = 0
        self.batch = 0
        self.step = 0
        self.figures: dict[str, float] = {}
        self.batch_figures: dict[str, float] = {}
        self.history = History()
        self.resumed = False
        self.stop_reason: str | None = None

    def stop(self, reason: str = "callback") -> None:
        """End the run after the current call; the first reason given stands.

        Parameters
        ----------
        reason : str, default="callback"
            What ``stop_reason`` is to say.
        """
        if self.stop_reason is None:
            self.stop_reason = reason

    def hand_on_interrupt(self) -> None:
        """Interrupt whoever began the run, where it was interrupted itself and is a part of more.

        Raises
        ------
        KeyboardInterrupt
            If ``stop_reason`` is "interrupted".
        """
        if self.stop_reason == "interrupted":
            raise KeyboardInterrupt

    def __repr__(self) -> str:
        state = "going on" if self.stop_reason is None else self.stop_reason
        return f"Run(epoch={self.epoch}/{self.max_epochs}, step={self.step}, {state})"


def train(
    rule: Rule,
    source: Source,
    *,
    max_epochs: int,
    validate: Callable[[Rule], dict[str, float]] | None = None,
    callbacks: Sequence[Callback] = (),
    checkpoint: Checkpointing | None = None,
    resume: bool = False,
    time_limit: float | None = None,
    progress: Progress | None = None,
    max_steps: int | None = None,
) -> Run:
    """Let a rule learn from the batches of a source, epoch by epoch.

    Between two calls of ``rule.run`` the engine looks at signals, clocks, figures that are not finite, and whether
    a checkpoint is due. After each epoch it validates, writes the history, and asks the rule and the callbacks
    whether to go on.

    Parameters
    ----------
    rule : Rule
        What learns; it is changed in place.
    source : Source
        Where the batches come from.
    max_epochs : int
        Epochs in all, those of an interrupted run that is resumed included.
    validate : callable, optional
        ``validate(rule)`` returns figures of held-out data after each epoch, with the rule in evaluation mode; a name
        without the prefix ``"val_"`` gets it.
    callbacks : sequence of Callback, default=()
        Called in the order given, and after them those of :func:`strata.engine.watching`.
    checkpoint : Checkpointing, optional
        Where and when to save. A first SIGINT or SIGTERM then saves and raises ``RunInterrupted``, a second one
        ends at once.
    resume : bool, default=False
        Go on from the latest checkpoint in ``checkpoint.folder``, or begin where there is none.
    time_limit : float, optional
        Seconds of this call after which the run stops, in the middle of an epoch if need be. They begin when the rule
        is ready: compiling does not count.
    progress : Progress, optional
        Shows how far the run is.
    max_steps : int, optional
        Batches in all, those before a checkpoint included, after which the run stops.

    Returns
    -------
    run : Run
        The finished run; ``run.stop_reason`` says why it ended, ``run.history`` holds the figures.

    Raises
    ------
    TypeError
        If ``rule`` cannot run, ``source`` has no epochs, or a number has another type.
    ValueError
        If an argument is out of range, or the folder holds a run and neither ``resume`` nor ``force`` is given.
    NonFiniteError
        If a loss or a weight becomes NaN or infinite. The rule is set back to the last checkpoint, or to where
        this call began, so that its weights are finite.
    TrainingMemoryError
        If a batch does not fit into the memory.
    ModelRefusedError
        If a checkpoint is damaged or of another rule.
    RunLockedError
        If another run writes to the folder.
    RunInterrupted
        If a signal came and the state was saved.
    CheckpointWriteError
        If the state at the end could not be written; earlier failures are warnings, and tried again.

    Warns
    -----
    CheckpointWarning
        If a checkpoint could not be written, or is of another torch, thread count, device or dtype.

    See Also
    --------
    strata.rules.Rule : What is driven.
    strata.engine.EarlyStopping : Stops on a plateau.

    Notes
    -----
    On the CPU, a run that was interrupted and resumed any number of times ends with the same bits as one that was
    not, given the same torch and number of threads. Ctrl-C without a checkpoint ends the run after the current
    call with ``stop_reason="interrupted"``.
    """
    for name, value, verb in (("rule", rule, "run"), ("source", source, "epoch")):
        if not callable(getattr(value, verb, None)):
            raise TypeError(f"`{name}` must have a method `{verb}`. Received: {name}={value!r}.")
    _check(max_epochs=max_epochs, max_steps=max_steps, time_limit=time_limit)
    if resume and checkpoint is None:
        raise ValueError("`resume` must come with a `checkpoint` to resume from. Received: checkpoint=None.")
    run = Run(rule, source, max_epochs=int(max_epochs))
    loop = _Loop(
        run, validate=validate, callbacks=callbacks, time_limit=time_limit, progress=progress, max_steps=max_steps
    )
    if checkpoint is None:
        return loop.go()
    with Store(checkpoint, resume=resume) as store:
        loop.store = store
        return loop.go()


def _check(*, max_epochs: object, max_steps: object, time_limit: object) -> None:
    for name, value, least in (("max_epochs", max_epochs, 0), ("max_steps", max_steps, 0)):
        if value is None and name != "max_epochs":
            continue
        if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
            raise TypeError(f"`{name}` must be an integer. Received: {name}={value!r}.")
        if value < least:
            raise ValueError(f"`{name}` must be {least} or more. Received: {name}={value}.")
    if time_limit is None:
        return
    if isinstance(time_limit, bool) or not isinstance(time_limit, (int, float, np.number)):
        raise TypeError(f"`time_limit` must be a number of seconds. Received: time_limit={time_limit!r}.")
    if not time_limit > 0:
        raise ValueError(f"`time_limit` must be above 0 seconds. Received: time_limit={time_limit!r}.")


class _Loop:
    """The loop of one call of :func:`train`."""

    #: Calls whose figures may wait on an accelerator, so that it is not made to wait for the host.
    MAX_WAITING = 16

    def __init__(
        self,
        run: Run,
        *,
        validate: Callable[[Rule], dict[str, float]] | None,
        callbacks: Sequence[Callback],
        time_limit: float | None,
        progress: Progress | None,
        max_steps: int | None,
    ) -> None:
        self.run = run
        self.validate = validate
        self.callbacks = [*callbacks, *watchers()]
        self.progress = progress
        self.max_steps = max_steps
        self.store: Store | None = None
        self.time_limit = math.inf if time_limit is None else time_limit
        self.deadline = math.inf
        self.by_batch = [c for c in self.callbacks if type(c).on_batch_end is not Callback.on_batch_end]
        self.figures = EpochFigures()
        self.rate: float | None = None
        self.seconds = 0.0  # of the unfinished epoch, in earlier processes too
        self.waiting: list[tuple[int, dict[str, Tensor]]] = []
        self.lazily = run.rule.device.type != "cpu" and not self.by_batch
        self.good: dict[str, Any] = {}
        self.good_place = "the beginning of this call"
        self.generators: dict[str, Any] | None = None
        self.watch = SignalWatch(saving=False)

    # -- the whole run --------------------------------------------------------------------------------

    def go(self) -> Run:
        """Begin or take up the run, and drive it to its end."""
        run, store = self.run, self.store
        if store is not None and (state := store.load(run.rule)) is not None:
            self._take_up(state)
        prepare(run.rule, self.progress, run.source, epoch=run.epoch)
        self.deadline = time.monotonic() + self.time_limit
        run.rule.plan(n_batches=run.source.n_batches, max_epochs=run.max_epochs)
        self.good = host_copy(run.rule.state_dict())
        run.rule.train()
        with SignalWatch(saving=store is not None) as self.watch:
            try:
                self._drive()
            except KeyboardInterrupt as error:
                if store is not None or self.watch.number is not None:
                    raise  # it came in the middle of a step: what is in memory is not fit to be saved
                if type(error) is not KeyboardInterrupt:
                    raise  # of somebody who means more than this run, such as the command's SIGTERM
                run.stop("interrupted")
            finally:
                if self.progress is not None:
                    self.progress.end(run)
            self._finish()
        if self.watch.number is not None and run.stop_reason != "interrupted":
            raise KeyboardInterrupt  # it came too late to stop anything here: hand it on
        return run

    def _drive(self) -> None:
        run = self.run
        for callback in self.callbacks:
            callback.on_fit_begin(run)
        if self.generators is not None:
            set_generators(self.generators)
        if run.resumed and run.rule.converged:
            run.stop("converged")
        if self.max_steps is not None and run.step >= self.max_steps:
            run.stop("max_steps")
        if self.progress is not None:
            self.progress.begin(run)
        while run.stop_reason is None and run.epoch < run.max_epochs:
            self._epoch()
        run.stop("max_epochs")

    def _finish(self) -> None:
        """Look at the weights once more, save, and give the callbacks their last turn."""
        run = self.run
        self._flush()
        self._check_weights()
        if run.batch and not len(run.history):
            run.figures = self.figures.means()
        failure = None if self.store is None else self.store.save(run, self._state(), final=True)
        for callback in self.callbacks:
            callback.on_fit_end(run)
        run.rule.eval()
        if self.store is not None and self.watch.number is not None:
            raise self.store.interrupted(run, self.watch.number, failure)
        if failure is not None:
            raise failure

    # -- one epoch ------------------------------------------------------------------------------------

    def _epoch(self) -> None:
        """Go through an epoch from where it stands, to its end or to where the run is stopped."""
        run = self.run
        begun = time.perf_counter() - self.seconds
        batches = run.source.epoch(run.epoch)
        if run.batch == 0:
            self.rate = run.rule.rate
            for callback in self.callbacks:
                callback.on_epoch_begin(run)
        over = False
        while not over and run.stop_reason is None:
            over = self._call(batches)
            if over:
                self._end_epoch(begun)
            else:
                self.seconds = time.perf_counter() - begun
            self._between(epoch_over=over)

    def _call(self, batches: Batches) -> bool:
        """Let the rule learn from some batches; return whether the epoch is over."""
        run, rule, start = self.run, self.run.rule, self.run.batch
        stop = self._end_of_call(batches.n_batches)
        try:
            logs = rule.run(batches, start, stop)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise out_of_memory(rule, batches.batch_size, error) from error
        silent = 0 if batches.n_batches is None else stop - start  # a rule that logs nothing
        n_done = next(iter(logs.values())).shape[0] if logs else silent
        if n_done == start == 0:
            raise DataError(
                f"Epoch {run.epoch + 1} gave no batches. A source must start anew for every epoch: "
                "let the factory of an IterableSource make a fresh iterable each time."
            )
        run.batch += n_done
        run.step += n_done
        if logs:
            self.waiting.append((start, logs))
        if not self.lazily or len(self.waiting) >= self.MAX_WAITING:
            self._flush()
        if self.by_batch and n_done:
            run.batch_figures = {name: float(values[-1]) for name, values in logs.items()}
            for callback in self.by_batch:
                callback.on_batch_end(run)
        return n_done < stop - start or run.batch == batches.n_batches

    def _end_of_call(self, n_batches: int | None) -> int:
        run = self.run
        size = 1 if self.by_batch else max(1, run.rule.batches_per_call)
        if self.max_steps is not None:
            size = min(size, self.max_steps - run.step)
        if self.store is not None:
            size = self.store.limit(run.step, size)
        return run.batch + size if n_batches is None else min(run.batch + size, n_batches)

    def _flush(self) -> None:
        """Add up the figures that wait, and stop at a loss that is not finite."""
        for start, logs in self.waiting:
            arrays = {name: as_array(values) for name, values in logs.items()}
            position = self.figures.add(arrays)
            if position is not None:
                raise self._not_finite(f"The loss became {arrays['loss'][position]}", start + position + 1)
        self.waiting.clear()

    def _end_epoch(self, begun: float) -> None:
        run = self.run
        self._flush()
        figures = self.figures.means()
        if self.validate is not None:
            run.rule.eval()
            for name, value in self.validate(run.rule).items():
                figures[name if name.startswith("val_") else f"val_{name}"] = float(value)
            run.rule.train()
        run.epoch += 1
        run.batch = 0
        self.seconds = 0.0
        self.figures.clear()
        row = {"epoch": run.epoch, **figures}
        if self.rate is not None:
            row["rate"] = self.rate
        row["seconds"] = time.perf_counter() - begun
        run.figures = row
        run.history.append(row)
        run.rule.end_epoch(figures)
        if run.rule.converged:
            run.stop("converged")
        for callback in self.callbacks:
            callback.on_epoch_end(run)
        if self.progress is not None:
            self.progress.epoch(run)

    def _between(self, *, epoch_over: bool) -> None:
        """Look at what may stop the run or is due between two calls."""
        run = self.run
        if self.store is not None and self.store.due(run, epoch_over=epoch_over):
            self._flush()
            self._check_weights()
            state = self._state()
            if self.store.save(run, state, final=False) is None:
                self.good, self.good_place = state["rule"], "the last checkpoint"
        if self.watch.number is not None:
            run.stop("interrupted")
        if self.max_steps is not None and run.step >= self.max_steps:
            run.stop("max_steps")
        if self.deadline < math.inf and time.monotonic() >= self.deadline:
            run.stop("time_limit")
        if self.progress is not None and not epoch_over:
            self.progress.update(run)

    # -- what must not be -----------------------------------------------------------------------------

    def _check_weights(self) -> None:
        name = first_nonfinite(self.run.rule) if self.run.step else None
        if name is not None:
            raise self._not_finite(f"The weights {name!r} became NaN or infinite", self.run.batch)

    def _not_finite(self, what: str, batch: int) -> NonFiniteError:
        """Set the rule back to finite weights, and make the error that says so."""
        run = self.run
        epoch = run.epoch + 1
        if batch == 0:  # seen after the epoch was closed
            epoch, batch = run.epoch, run.source.n_batches or 0
        run.rule.load_state_dict(copy_tree(self.good))
        run.rule.eval()
        kept = "" if self.store is None or self.store.latest is None else f" Kept: {self.store.latest}."
        message = (
            f"{what} in epoch {epoch}, batch {batch}. Lower the learning rate, scale the inputs, or clip the gradient. "
            f"The rule was set back to {self.good_place}.{kept}"
        )
        return NonFiniteError(message, epoch=epoch, batch=batch)

    # -- the state ------------------------------------------------------------------------------------

    def _state(self) -> dict[str, Any]:
        """Return all that a resumed run needs, copied to the host."""
        run = self.run
        return {
            "epoch": run.epoch,
            "batch": run.batch,
            "step": run.step,
            "rate": self.rate,
            "seconds": self.seconds,
            "figures": dict(run.figures),
            "sums": self.figures.state_dict(),
            "history": run.history.state_dict(),
            "rule": host_copy(run.rule.state_dict()),
            "source": run.source.state_dict(),
            "callbacks": [[type(c).__name__, host_copy(c.state_dict())] for c in self.callbacks],
            "generators": generators(run.rule.device),
        }

    def _take_up(self, state: dict[str, Any]) -> None:
        """Put everything where the checkpoint says it was; the rule has its state already."""
        run = self.run
        try:
            run.source.load_state_dict(state["source"])
        except KeyError as error:
            raise ModelRefusedError(f"The checkpoint is of another source: it has no {error}.") from None
        run.epoch, run.batch, run.step = int(state["epoch"]), int(state["batch"]), int(state["step"])
        run.figures = dict(state["figures"])
        run.history.load_state_dict(state["history"])
        run.resumed = True
        self.rate, self.seconds = state["rate"], float(state["seconds"])
        self.figures.load_state_dict(state["sums"])
        self.generators = state["generators"]
        saved = [tuple(pair) for pair in state["callbacks"]]
        for callback in self.callbacks:
            name = type(callback).__name__
            match = next((pair for pair in saved if pair[0] == name), None)
            if match is not None:
                saved.remove(match)
                callback.load_state_dict(match[1])
        self.good_place = "the checkpoint that was resumed"
