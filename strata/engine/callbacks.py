"""What may look on while a network learns, and stop it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from strata.engine._figures import larger_is_better
from strata.engine._state import copy_tree

if TYPE_CHECKING:
    from strata.engine.run import Run

__all__ = ["Callback", "EarlyStopping", "StopAfter"]


class Callback:
    """Hooks that do nothing; override those that are wanted.

    A callback that overrides :meth:`on_batch_end` makes the engine hand out batches one by one, which costs time
    with rules that would take many in one call.

    See Also
    --------
    EarlyStopping : Stops when a figure no longer improves.

    Examples
    --------
    >>> class StopAt(Callback):
    ...     def on_epoch_end(self, run):
    ...         if run.figures["loss"] < 0.1:
    ...             run.stop("callback")
    """

    def on_fit_begin(self, run: Run) -> None:
        """Be called before the first batch, and after a checkpoint was loaded."""

    def on_epoch_begin(self, run: Run) -> None:
        """Be called before the first batch of each epoch; not again for an epoch that is resumed in its middle."""

    def on_batch_end(self, run: Run) -> None:
        """Be called after each batch; ``run.batch_figures`` holds its figures."""

    def on_epoch_end(self, run: Run) -> None:
        """Be called after each epoch and its validation; ``run.figures`` holds its figures."""

    def on_fit_end(self, run: Run) -> None:
        """Be called once after the last batch, also of a run that was interrupted; not after an error."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs: nested dicts and lists of plain values, tensors and arrays."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take a state back."""


class EarlyStopping(Callback):
    """Stop when a figure has not improved for some epochs, with the count of scikit-learn's networks.

    An epoch counts against the patience when its figure is not better than the best by at least ``tol``. The run
    stops when more than ``patience`` epochs in a row did.

    Parameters
    ----------
    monitor : str, default="loss"
        Figure to watch: ``"loss"``, or a validation figure such as ``"val_loss"`` or ``"val_score"``.
    mode : {"auto", "min", "max"}, default="auto"
        Whether smaller or larger is better; "auto" takes larger for names that hold score, accuracy, auc, r2
        or f1.
    tol : float, default=1e-4
        Least improvement that counts, in units of the figure.
    patience : float, default=10
        Epochs in a row without improvement that are borne; ``math.inf`` never stops, but still keeps the best.
    restore_best : bool, default=True
        At the end of the run, give the rule back the whole state (weights, optimizer, schedule) of its best epoch.
        A checkpoint keeps the state before that, so that a longer run goes on as if it had never ended.
    lower_rate : bool, default=False
        Instead of stopping, divide the learning rate by 5 and count from 0 again, for as long as the rule can
        (scikit-learn's ``learning_rate="adaptive"``).

    Attributes
    ----------
    best : float
        Best figure so far.
    best_epoch : int
        Epoch of the best figure, counted from 1; 0 before the first.
    count : int
        Epochs in a row without improvement.

    Raises
    ------
    ValueError
        If ``mode`` is unknown, or ``tol`` or ``patience`` negative; during the run, if the figure is not there.

    Notes
    -----
    A NaN figure ends the row of epochs without improvement, as in scikit-learn.

    References
    ----------
    scikit-learn 1.9, ``sklearn/neural_network/_multilayer_perceptron.py``, for what is counted;
    L. Prechelt, "Early Stopping - But When?", 1998, for the idea.

    Examples
    --------
    >>> stopping = EarlyStopping("val_loss", patience=3)
    >>> stopping.mode
    'min'
    """

    def __init__(
        self,
        monitor: str = "loss",
        *,
        mode: str = "auto",
        tol: float = 1e-4,
        patience: float = 10,
        restore_best: bool = True,
        lower_rate: bool = False,
    ) -> None:
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"`mode` must be 'auto', 'min' or 'max'. Received: mode={mode!r}.")
        if not tol >= 0:
            raise ValueError(f"`tol` must be 0 or more. Received: tol={tol!r}.")
        if not patience >= 0:
            raise ValueError(f"`patience` must be 0 or more. Received: patience={patience!r}.")
        if mode == "auto":
            mode = "max" if larger_is_better(monitor) else "min"
        self.monitor = monitor
        self.mode = mode
        self.tol = float(tol)
        self.patience = patience
        self.restore_best = restore_best
        self.lower_rate = lower_rate
        self._reset()

    def _reset(self) -> None:
        self.best = math.inf if self.mode == "min" else -math.inf
        self.best_epoch = 0
        self.count = 0
        self._best_state: dict[str, Any] | None = None
        self._loaded = False

    def on_fit_begin(self, run: Run) -> None:
        """Start afresh, unless a state was just loaded."""
        if not self._loaded:
            self._reset()
        self._loaded = False
        if run.resumed and self.count > self.patience:
            run.stop("early_stopping")

    def on_epoch_end(self, run: Run) -> None:
        """Count the epoch; stop the run or lower the rate when the patience is used up."""
        if self.monitor not in run.figures:
            raise ValueError(
                f"`monitor` must be a figure of the run. Received: monitor={self.monitor!r}. "
                f"This run has: {', '.join(run.figures)}."
            )
        value = run.figures[self.monitor]
        if self.mode == "max":
            stalled, better = value < self.best + self.tol, value > self.best
        else:
            stalled, better = value > self.best - self.tol, value < self.best
        self.count = self.count + 1 if stalled else 0
        if better:
            self.best = value
            self.best_epoch = run.epoch
            if self.restore_best:
                self._best_state = copy_tree(run.rule.state_dict())
        if self.count > self.patience:
            if self.lower_rate and run.rule.lower_rate(0.2):
                self.count = 0
            else:
                run.stop("early_stopping")

    def on_fit_end(self, run: Run) -> None:
        """Give the rule back the state of its best epoch, where that is asked for."""
        if self.restore_best and self._best_state is not None:
            run.rule.load_state_dict(copy_tree(self._best_state))

    def state_dict(self) -> dict[str, Any]:
        """Return the count, the best figure and the best state."""
        return {
            "monitor": self.monitor,
            "mode": self.mode,
            "best": self.best,
            "best_epoch": self.best_epoch,
            "count": self.count,
            "best_state": self._best_state,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the count, the best figure and the best state back.

        Parameters
        ----------
        state : dict
            What :meth:`state_dict` gave. When it was watching another figure, the count starts afresh.
        """
        if (state["monitor"], state["mode"]) != (self.monitor, self.mode):
            return
        self.best = float(state["best"])
        self.best_epoch = int(state["best_epoch"])
        self.count = int(state["count"])
        self._best_state = state["best_state"]
        self._loaded = True


class StopAfter(Callback):
    """Stop a run after so many epochs, whatever length was planned.

    A schedule that plans for the length of the run keeps its plan, so that the run ends as the first part of the longer
    one, with the same bits.

    Parameters
    ----------
    n_epochs : int
        Epochs of the run after which it stops; 0 stops before the first batch, with the first weights.

    Raises
    ------
    ValueError
        If ``n_epochs`` is negative or no integer.

    See Also
    --------
    EarlyStopping : Stops when a figure no longer improves.

    Examples
    --------
    >>> from strata import MLPClassifier
    >>> planned = MLPClassifier((3,), schedule="cosine", max_iter=100, random_state=0, callbacks=[StopAfter(2)])
    >>> planned.fit([[0.0], [1.0]], [0, 1]).n_iter_
    2
    """

    def __init__(self, n_epochs: int) -> None:
        if isinstance(n_epochs, bool) or not isinstance(n_epochs, int) or n_epochs < 0:
            raise ValueError(f"`n_epochs` must be an integer of 0 or more. Received: n_epochs={n_epochs!r}.")
        self.n_epochs = n_epochs

    def on_fit_begin(self, run: Run) -> None:
        """Stop at once where nothing is to be learned."""
        if run.epoch >= self.n_epochs:
            run.stop("callback")

    def on_epoch_end(self, run: Run) -> None:
        """Stop when the epochs are done."""
        if run.epoch >= self.n_epochs:
            run.stop("callback")
