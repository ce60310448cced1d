"""The verb ``train``."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strata.cli._console import Console
from strata.cli._reading import reading_of
from strata.cli._train_cells import cell_result_text, plan_cell_training, show_cell_plan
from strata.cli._train_codes import code_text, plan_codes, show_code_plan
from strata.cli._train_pictures import is_for_pictures, plan_pictures, refuse_for_tables, show_image_plan
from strata.cli._values import (
    parse_duration,
    parse_names,
    parse_save_every,
    parse_sizes,
    with_absolute_paths,
    with_assignments,
)
from strata.engine import Callback, Run, latest_checkpoint
from strata.errors import NonFiniteError, RunInterrupted
from strata.report.cells import CellPlan, CellResult, are_cells, fit_cells
from strata.report.code_planning import AUTOENCODER, CodePlan
from strata.report.code_training import CodeResult, fit_code_plan
from strata.report.evaluation import MAX_PRINTED_CLASSES
from strata.report.executing import Wishes
from strata.report.image_planning import ImagePlan
from strata.report.image_training import fit_image_plan
from strata.report.planning import Plan, plan_training
from strata.report.run_folder import RunFolder, next_run_folder
from strata.report.training import TrainResult, fit_plan

__all__ = ["EpochLines", "parameters_of", "result_text", "run"]

#: Options of the command and the parameter of the estimator that each sets.
PARAMETERS = {
    "hidden": "hidden_layer_sizes",
    "activation": "activation",
    "solver": "solver",
    "learning_rate": "learning_rate_init",
    "schedule": "schedule",
    "batch_size": "batch_size",
    "epochs": "max_iter",
    "loss": "loss",
    "l1": "l1",
    "l2": "alpha",
    "dropout": "dropout",
    "early_stopping": "early_stopping",
    "patience": "n_iter_no_change",
    "class_weight": "class_weight",
    "calibrate": "calibrate",
    "engine": "engine",
}
#: Options that say how to speak or where to write, not what to train; a resumed run does not inherit them.
NOT_KEPT = {
    "config", "debug", "dry_run", "force", "json_", "json_lines", "no_color", "offline", "out", "quiet", "resume",
    "time_limit", "verbose", "version",
}  # fmt: skip
#: What an option that is new says where nothing was said; the record leaves it out.
ABSENT = (("model", "auto"), ("skip_damaged", False))

_Plan = Plan | ImagePlan | CodePlan | CellPlan
_Result = TrainResult | CodeResult | CellResult


class EpochLines(Callback):
    """Write one JSON object an epoch.

    Parameters
    ----------
    console : Console
        Where to write.
    """

    def __init__(self, console: Console) -> None:
        self.console = console

    def on_epoch_end(self, run: Run) -> None:
        """Write the figures of the epoch."""
        self.console.emit({"schema": "strata.epoch/1", "epoch": run.epoch, **run.figures}, compact=True)


def run(options: Mapping[str, Any], console: Console) -> int:
    """Train, and show the result beside its baselines.

    Parameters
    ----------
    options : mapping of str to object
        Words of the command line.
    console : Console
        Where to speak.

    Returns
    -------
    exit_code : int
        0.
    """
    if options["data"] is None:
        raise ValueError("`DATA` must be a file or the name of a bundled set (see `strata data`).")
    out, resume = _where(options)
    if out is not None and not options["dry_run"]:
        RunFolder(out, force=options["force"], resume=resume)  # refuses before anything is read
    plan: _Plan
    if options["model"] == AUTOENCODER:
        plan = plan_codes(options, console)
    elif are_cells(options["data"], options["model"]):
        plan = plan_cell_training(options)
    elif is_for_pictures(options):
        plan = plan_pictures(options, console)
    else:
        options = {**options, "model": "mlp" if options["model"] == "auto" else options["model"]}
        plan = _plan_table(options)
    if options["dry_run"]:
        return _show_plan(plan, options, console)
    console.note(plan.headline())
    for line in (*plan.recipe.notes, *plan.audit_lines()):
        console.note(line)
    folder = Path(out) if out is not None else next_run_folder(f"{plan.problem.name}-{plan.recipe.model}")
    return _carry_out(plan, folder, resume, options, console)


def _plan_table(options: Mapping[str, Any]) -> Plan:
    refuse_for_tables(options)
    return plan_training(
        options["data"],
        target=options["target"],
        formula=options["formula"],
        model=options["model"],
        task=options["task"],
        test_size=options["test_size"],
        group=options["group"],
        time=options["time"],
        stratify=options["stratify"],
        scale=options["scale"],
        params=parameters_of(options),
        threshold=options["threshold"],
        seed=options["seed"],
        reading=reading_of(options),
    )


def _carry_out(plan: _Plan, folder: Path, resume: bool, options: Mapping[str, Any], console: Console) -> int:
    """Train, say on the way how to go on where it stops, and show the result."""
    go_on = f"strata train --resume {shlex.quote(os.fspath(folder))}"
    try:
        wishes = Wishes(
            out=folder,
            force=options["force"],
            baselines=options["baselines"],
            device=options["device"],
            n_threads=options["threads"],
            deterministic=options["deterministic"],
            time_limit=None if options["time_limit"] is None else parse_duration(options["time_limit"], "--time-limit"),
            save_every=None if options["save_every"] is None else parse_save_every(options["save_every"]),
            resume=resume,
            progress=not console.quiet,
            callbacks=[EpochLines(console)] if options["json_lines"] else (),
            seeds=options["seeds"],
            learning_curve=options["learning_curve"],
            report=options["report"],
            options=_kept(options),
            say=None if console.quiet else console.note,
        )
        result = _fit(plan, wishes)
    except NonFiniteError as error:
        if plan.recipe.model != "mlp":
            raise
        message = f"{error} Ask why: strata diagnose {shlex.quote(os.fspath(folder))}"
        raise NonFiniteError(message, epoch=error.epoch, batch=error.batch) from error
    except RunInterrupted as error:
        message = f"Stopped, and saved in {folder}. Go on with: {go_on}"
        raise RunInterrupted(message, signal_number=error.signal_number) from error
    except KeyboardInterrupt as error:  # outside the training itself: at its beginning, in the baselines or the report
        if latest_checkpoint(folder / "checkpoints") is None:
            raise
        raise type(error)(f"Stopped. What was learned is saved in {folder}. Go on with: {go_on}") from error
    if console.json_output:
        console.emit(result.to_dict(), compact=options["json_lines"])
    else:
        console.result(_text(result, console))
    if result.stop_reason == "max_epochs" and plan.recipe.model in ("mlp", AUTOENCODER):
        console.note(f"All {result.n_epochs} epochs were used up. Go on with: {go_on} --epochs N")
    if result.stop_reason == "time_limit":
        console.note(f"Stopped by --time-limit. Go on with: {go_on}")
    return 0


def _fit(plan: _Plan, wishes: Wishes) -> _Result:
    if isinstance(plan, CellPlan):
        return fit_cells(plan, wishes)
    if isinstance(plan, CodePlan):
        return fit_code_plan(plan, wishes)
    return fit_image_plan(plan, wishes) if isinstance(plan, ImagePlan) else fit_plan(plan, wishes)


def _text(result: _Result, console: Console) -> str:
    if isinstance(result, CellResult):
        return cell_result_text(result)
    return code_text(result, console) if isinstance(result, CodeResult) else result_text(result, console)


def _where(options: Mapping[str, Any]) -> tuple[str | None, bool]:
    """Return the run folder that was asked for, and whether to go on with what is in it."""
    resume = options["resume"]
    if resume is None:
        return options["out"], False
    if resume == "auto":
        if options["out"] is None:
            raise ValueError("`--resume auto` must come with --out, the run folder to look in.")
        return options["out"], True
    if options["out"] not in (None, resume):
        raise ValueError(f"`--out` and `--resume` must name the same folder. Received: {options['out']!r}, {resume!r}.")
    return resume, True


def parameters_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was said about the estimator.

    Parameters
    ----------
    options : mapping of str to object
        Words of the command line, every key of :data:`PARAMETERS` among them.

    Returns
    -------
    parameters : dict of str to object
        As the estimator takes them.
    """
    said: dict[str, Any] = {}
    for option, parameter in PARAMETERS.items():
        value = options[option]
        if value is None:
            continue
        if option == "hidden":
            value = parse_sizes(value)
        elif option == "activation":
            value = parse_names(value)
        said[parameter] = value
    return with_assignments(said, options["param"] or ())


def _kept(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that make the run, for its config.json."""
    kept = {name: value for name, value in options.items() if name not in NOT_KEPT and value not in (None, [], ())}
    kept = {name: value for name, value in kept.items() if (name, value) not in ABSENT}
    return {name: _writable(value) for name, value in with_absolute_paths(kept).items()}


def _writable(value: Any) -> Any:
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _show_plan(plan: _Plan, options: Mapping[str, Any], console: Console) -> int:
    if isinstance(plan, CodePlan):
        return show_code_plan(plan, _kept(options), console)
    if isinstance(plan, CellPlan):
        return show_cell_plan(plan, _kept(options), console)
    if isinstance(plan, ImagePlan):
        return show_image_plan(plan, _kept(options), console)
    estimate = plan.estimate()
    described = {"schema": "strata.plan/1", **plan.to_dict(), "options": _kept(options), "estimate": estimate}
    if console.json_output:
        console.emit(described)
        return 0
    console.result(plan.headline())
    for note in plan.recipe.notes:
        console.result(note)
    console.result(f"model       {plan.recipe.model} ({plan.recipe.estimator})")
    for name, value in described["model"]["parameters"].items():
        console.result(f"  {name} = {value}")
    console.result(f"inputs      {plan.n_encoded} after encoding{', standardised' if plan.recipe.scale else ''}")
    console.result(f"parameters  {plan.n_parameters:,}")
    console.result(f"memory      about {estimate['bytes'] / 2**20:,.1f} MiB besides the libraries")
    console.result(
        f"time        at least {estimate['seconds_per_epoch']:.2g} s an epoch, "
        f"{estimate['seconds_at_most']:.2g} s for all epochs"
    )
    return 0


def result_text(result: TrainResult, console: Console) -> str:
    """Return the figures of a network and its baselines as a table, and the confusion table.

    Parameters
    ----------
    result : TrainResult
        What came out.
    console : Console
        Lays the table out.

    Returns
    -------
    text : str
        Lines for people.
    """
    evaluation = result.evaluation
    name = result.plan.recipe.model
    rows = [_row(name, evaluation, result.seconds)]
    rows += [_row(each.name, each.evaluation, each.seconds, each.note) for each in result.baselines]
    columns = [key for key in rows[0] if any(row.get(key) not in (None, "") for row in rows)]
    things = "pictures" if isinstance(result.plan, ImagePlan) else "rows"
    n_rows = len(evaluation.targets)
    where = f"the {things} it learned from" if result.plan.split == "none" else f"{n_rows} held-out {things}"
    lines = [f"{name}: {result.plan.n_parameters:,} parameters{_epochs(result)}"]
    if result.temperature is not None:
        lines.append(f"Calibrated: logits divided by the temperature {result.temperature:.4g}")
    lines += [
        "",
        f"On {where}:",
        console.table(rows, columns),
    ]
    if evaluation.confusion is not None and len(evaluation.classes) <= MAX_PRINTED_CLASSES:
        lines += ["", evaluation.to_text().split("\n", 1)[1]]
    if result.seeds is not None:
        lines += ["", *_seed_lines(result)]
    if result.folder is not None:
        lines += [*_verdict_lines(result), "", f"run folder: {result.folder}"]
    return "\n".join(lines)


def _verdict_lines(result: TrainResult) -> list[str]:
    """Return what the training says about itself: the first verdict, and how many more are in the report."""
    found = result.parts.content.get("diagnosis")
    if found is None:
        return []
    first, *more = found["verdicts"]
    lines = ["", f"Verdict: {first['title']}. {first['sentence']}"]
    if not found["healthy"]:
        lines.append(f"Cure: {first['cure']}")
        rest = f" and {len(more)} more" if more else ""
        lines.append(f"With the evidence{rest}: report.html; tried out: strata diagnose {result.folder} --prove")
    return lines


def _seed_lines(result: TrainResult) -> list[str]:
    """Return mean, spread and range of each figure over the seeds."""
    spread = result.seeds or {}
    lines = [f"Over {len(spread['runs'])} seeds (mean, standard deviation, range):"]
    for name in result.evaluation.metrics:
        mean, std, low, high = (spread[key][name] for key in ("mean", "std", "min", "max"))
        lines.append(f"  {name} {mean:.4f} ± {std:.4f} ({low:.4f} to {high:.4f})")
    return lines


def _epochs(result: TrainResult) -> str:
    text = "" if result.n_epochs is None else f", {result.n_epochs} epochs"
    if result.stop_reason is not None:
        text += f" ({result.stop_reason.replace('_', ' ')})"
    return text if result.loss is None else f"{text}, training loss {result.loss:.6g}"


def _row(name: str, evaluation: Any, seconds: float, note: str = "") -> dict[str, Any]:
    row: dict[str, Any] = {"": name, **{key: round(value, 4) for key, value in evaluation.metrics.items()}}
    if evaluation.confusion is not None and len(evaluation.classes) == 2:
        row["table"] = " / ".join(" ".join(str(int(count)) for count in line) for line in evaluation.confusion)
    return row | {"seconds": round(seconds, 3), "note": note}
