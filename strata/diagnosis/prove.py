"""Proof by trial: train again with one change at a time, over several seeds, and score on the same held-out rows."""

import itertools
import math
import statistics
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import accuracy_score, balanced_accuracy_score, r2_score

from strata.diagnosis.thresholds import Thresholds, load_thresholds
from strata.diagnosis.treatment import Rows, network_path, treated_estimator, treated_rows

__all__ = ["Change", "Proof", "Trial", "helps", "lead", "prove", "unique_changes"]

_METRICS: dict[str, Callable[[Any, Any], float]] = {
    "accuracy": accuracy_score,
    "balanced accuracy": balanced_accuracy_score,
    "R^2": r2_score,
}
#: Held-out scores closer than this are equal, and so many changes are added to the leading one at most.
_TIE = 0.01
_MOST_TOGETHER = 3


@dataclass(frozen=True)
class Change:
    """One thing to try.

    Parameters
    ----------
    label : str
        In words.
    changes : mapping of str to object, default={}
        Parameters of the network.
    actions : mapping of str to object, default={}
        What to do to the data.
    verdicts : tuple of str, default=()
        Verdicts whose cure it is; none for a rival.
    reveals : bool, default=False
        Whether the score is expected to fall, as when a leak is closed.
    implies : str or None, default=None
        The verdict that a rival proves where it helps and no cure does.
    """

    label: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    actions: Mapping[str, Any] = field(default_factory=dict)
    verdicts: tuple[str, ...] = ()
    reveals: bool = False
    implies: str | None = None


@dataclass(frozen=True)
class Trial:
    """A change and what it did.

    Parameters
    ----------
    change : Change
        What was changed.
    scores : tuple of float
        Held-out score of each seed.
    gain : float
        Mean score minus that of the unchanged network.
    helps : bool
        Whether the gain (the fall, for a change that closes a leak) is beyond the spread.
    """

    change: Change
    scores: tuple[float, ...]
    gain: float
    helps: bool

    @property
    def mean(self) -> float:
        """Mean score over the seeds."""
        return statistics.fmean(self.scores)

    @property
    def spread(self) -> float:
        """Standard deviation of the score over the seeds."""
        return statistics.stdev(self.scores) if len(self.scores) > 1 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        return {
            "change": self.change.label,
            "changes": {k: list(v) if isinstance(v, tuple) else v for k, v in self.change.changes.items()},
            "actions": dict(self.change.actions),
            "verdicts": list(self.change.verdicts),
            "scores": [round(score, 6) for score in self.scores],
            "score": round(self.mean, 6),
            "spread": round(self.spread, 6),
            "gain": round(self.gain, 6),
            "helps": self.helps,
        }


@dataclass(frozen=True)
class Proof:
    """What every change did, beside the network as it is.

    Parameters
    ----------
    metric : str
        "accuracy", "balanced accuracy" or "R^2".
    base : Trial
        The network as it is.
    trials : tuple of Trial
        One change each.
    together : tuple of Trial
        The leading change with others that helped added one by one, as long as that made it better; where nothing
        did, the first attempt, which does not count as help.
    n_rows : int
        Held-out rows.
    seconds : float
        Time of all fits.
    room : mapping of str to object, default={}
        Parameters that all of them were given, the unchanged network too.
    """

    metric: str
    base: Trial
    trials: tuple[Trial, ...]
    together: tuple[Trial, ...]
    n_rows: int
    seconds: float
    room: Mapping[str, Any] = field(default_factory=dict)

    @property
    def best(self) -> Trial | None:
        """The trial to act on: the leading change, with whatever still helped beside it; None where nothing helped."""
        return self.together[-1] if self.together and self.together[-1].helps else lead(self.trials)

    def to_text(self) -> str:
        """Return the table change, held-out score with spread over seeds, gain."""
        rows = [(trial.change.label, trial) for trial in (self.base, *self.trials, *self.together)]
        width = max(len(label) for label, _ in rows)
        lines = [f"{'change':<{width}}  {self.metric:>15}  {'gain':>7}"]
        for label, trial in rows:
            gain = "" if trial is self.base else f"{trial.gain:+.3f}"
            mark = ("helps" if not trial.change.reveals else "was inflated") if trial.helps else ""
            names = ", ".join(trial.change.verdicts)
            if mark and names and trial.change is not self.base.change:
                mark += f": {names}"
            score = f"{trial.mean:.3f} +- {trial.spread:.3f}"
            lines.append(f"{label:<{width}}  {score:>15}  {gain:>7}  {mark}".rstrip())
        room = "".join(f"; each may take up to {value} epochs" for value in self.room.values())
        lines.append(f"({self.n_rows} held-out rows, {len(self.base.scores)} seeds{room})")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, ready for JSON."""
        best = self.best
        return {
            "metric": self.metric,
            "base": self.base.to_dict(),
            "trials": [trial.to_dict() for trial in self.trials],
            "together": [trial.to_dict() for trial in self.together],
            "best": None if best is None else best.change.label,
            "n_rows": self.n_rows,
            "room": dict(self.room),
            "n_seeds": len(self.base.scores),
            "seconds": round(self.seconds, 3),
        }


def lead(trials: Sequence[Trial]) -> Trial | None:
    """Return the change that leads: the first cure of a verdict that no other change beats beyond the spread.

    Parameters
    ----------
    trials : sequence of Trial
        One change each, the cures of the verdicts in their order and then the rivals.

    Returns
    -------
    lead : Trial or None
        None where nothing helped.
    """
    helping = [trial for trial in trials if trial.helps and not trial.change.reveals]
    if not helping:
        return None
    top = max(helping, key=lambda trial: trial.mean)
    cures_first = sorted(helping, key=lambda trial: not trial.change.verdicts)
    return next(t for t in cures_first if t.mean >= top.mean - max(_TIE, math.hypot(t.spread, top.spread)))


def helps(base: Sequence[float], changed: Sequence[float], *, limits: Thresholds, reveals: bool = False) -> bool:
    """Whether scores are better than those of the unchanged network beyond their spread.

    Parameters
    ----------
    base : sequence of float
        Score of each seed.
    changed : sequence of float
        Score of each seed with the change.
    limits : Thresholds
        Where ``proof.min_gain`` stands.
    reveals : bool, default=False
        Whether a fall is what counts.

    Returns
    -------
    helps : bool
        Whether the difference of the means exceeds both the smallest gain that matters and the root of the sum of
        the two variances over seeds.

    Examples
    --------
    >>> helps([0.6, 0.62], [0.9, 0.98], limits=load_thresholds())
    True
    >>> helps([0.6, 0.8], [0.75, 0.85], limits=load_thresholds())
    False
    """
    gain = statistics.fmean(changed) - statistics.fmean(base)
    spread = math.hypot(*(statistics.stdev(scores) if len(scores) > 1 else 0.0 for scores in (base, changed)))
    return (-gain if reveals else gain) > max(spread, limits.number("proof.min_gain"))


def prove(
    estimator: Any,
    rows: Rows,
    changes: Sequence[Change],
    *,
    metric: str,
    room: Mapping[str, Any] | None = None,
    n_seeds: int = 3,
    random_state: int = 0,
    progress: Callable[[str], None] | None = None,
    limits: Thresholds | None = None,
) -> Proof:
    """Train the network as it is, with each change alone, and with those that help together.

    Parameters
    ----------
    estimator : estimator
        As the user made it; it is not touched.
    rows : Rows
        Rows to learn from and to score on, the same for all.
    changes : sequence of Change
        What to try.
    metric : {"accuracy", "balanced accuracy", "R^2"}
        The held-out score. A network that could not be trained counts as a constant prediction, and an R^2 below -1
        as -1.
    room : mapping of str to object, optional
        Parameters for all trials, such as more epochs for a network that stops by itself.
    n_seeds : int, default=3
        Fits of each.
    random_state : int, default=0
        The first seed.
    progress : callable, optional
        Is told the label of every change before it is tried.
    limits : Thresholds, optional
        By default those of ``thresholds.toml``.

    Returns
    -------
    proof : Proof
        The table.
    """
    limits = load_thresholds() if limits is None else limits
    start = time.perf_counter()
    seeds = range(random_state, random_state + n_seeds)
    room = dict(room or {})

    def trial(change: Change, base: Trial | None) -> Trial:
        if progress is not None:
            progress(change.label)
        scores = tuple(_score(estimator, rows, change, metric, room, seed) for seed in seeds)
        if base is None:
            return Trial(change, scores, 0.0, False)
        gain = statistics.fmean(scores) - base.mean
        return Trial(change, scores, gain, helps(base.scores, scores, limits=limits, reveals=change.reveals))

    base = trial(Change("as it is"), None)
    trials = [trial(change, base) for change in changes]
    together = _best_together(trials, lambda change: trial(change, base), limits.number("proof.min_gain"))
    return Proof(metric, base, tuple(trials), together, len(rows.y_val), time.perf_counter() - start, room)


def _best_together(trials: Sequence[Trial], attempt: Callable[[Change], Trial], least: float) -> tuple[Trial, ...]:
    """Add to the leading change, one by one, the others that helped, as long as it gets better; the best is last.

    Beside a leading change that cures no verdict, a cure only has to do no harm: what was named is to be cured.
    """
    best = lead(trials)
    if best is None:
        return ()
    others = [trial for trial in trials if trial.helps and trial is not best and not trial.change.reveals]
    tried: list[Trial] = []
    n_left = _MOST_TOGETHER
    if best.change.verdicts:
        others.sort(key=lambda trial: -trial.gain)
    else:
        others.sort(key=lambda trial: not trial.change.verdicts)  # the cures of the verdicts, in their order
    for other in others:
        change = _joined(best.change, other.change)
        if change is None or n_left == 0:
            continue
        n_left -= 1
        joint = attempt(change)
        names_the_cause = bool(other.change.verdicts) and not best.change.verdicts
        if joint.helps and joint.mean > best.mean + (-_TIE if names_the_cause else least):
            best = joint
            tried.append(joint)
        elif not tried:
            tried.append(replace(joint, helps=False))
    kept = [joint for joint in tried if joint.helps]
    return tuple(kept or tried)


def _joined(first: Change, second: Change) -> Change | None:
    """Return two changes as one; None where they contradict each other or the second adds nothing."""
    if any(name in first.changes and first.changes[name] != value for name, value in second.changes.items()):
        return None
    changes, actions = {**first.changes, **second.changes}, {**first.actions, **second.actions}
    if changes == dict(first.changes) and actions == dict(first.actions):
        return None
    verdicts = tuple(dict.fromkeys((*first.verdicts, *second.verdicts)))
    return Change(f"{first.label} + {second.label}", changes, actions, verdicts)


def _score(estimator: Any, rows: Rows, change: Change, metric: str, room: Mapping[str, Any], seed: int) -> float:
    given = treated_rows(rows, change.actions)
    model = treated_estimator(estimator, {**room, **change.changes}, change.actions, X=given.X)
    seeded = {f"{_path(model)}random_state": seed}
    model.set_params(**seeded)
    score = _METRICS[metric]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            model.fit(given.X, given.y)
            value = float(score(given.y_val, model.predict(given.X_val)))
        except (ValueError, ArithmeticError):
            dummy = DummyRegressor() if metric == "R^2" else DummyClassifier()
            blank = np.zeros((len(given.y), 1))
            value = float(score(given.y_val, dummy.fit(blank, given.y).predict(np.zeros((len(given.y_val), 1)))))
    return max(-1.0, value) if math.isfinite(value) else -1.0


def _path(model: Any) -> str:
    """Return the prefix of the network's seed; a table estimator hands its own down."""
    prefix = network_path(model)
    return (
        prefix.removesuffix("network__")
        if f"{prefix.removesuffix('network__')}random_state" in model.get_params()
        else prefix
    )


def unique_changes(changes: Sequence[Change]) -> list[Change]:
    """Return the changes without those that do the same as an earlier one, whose verdicts are added up.

    Parameters
    ----------
    changes : sequence of Change
        In their order.

    Returns
    -------
    unique : list of Change
        Each once.
    """
    found: list[Change] = []
    for change in changes:
        for place, other in enumerate(found):
            same = dict(other.changes) == dict(change.changes) and dict(other.actions) == dict(change.actions)
            if same and other.reveals == change.reveals:
                names = tuple(dict.fromkeys(itertools.chain(other.verdicts, change.verdicts)))
                found[place] = Change(other.label, other.changes, other.actions, names, other.reveals)
                break
        else:
            found.append(change)
    return found
