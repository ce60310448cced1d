"""What ``train --model autoencoder`` does: there is no target, and codes are learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strata.cli._console import Console
from strata.cli._reading import reading_of
from strata.cli._train_pictures import size_of
from strata.cli._values import parse_names, parse_sizes, with_assignments
from strata.report.code_planning import CodePlan, plan_code_training
from strata.report.code_scoring import compare_codes
from strata.report.code_training import CodeResult

__all__ = ["code_parameters_of", "code_text", "plan_codes", "show_code_plan"]

#: Options of the command and the parameter of the autoencoder that each sets.
PARAMETERS = {
    "hidden": "hidden_layer_sizes",
    "activation": "activation",
    "solver": "solver",
    "learning_rate": "learning_rate_init",
    "schedule": "schedule",
    "batch_size": "batch_size",
    "epochs": "max_iter",
    "loss": "loss",
    "l2": "alpha",
    "early_stopping": "early_stopping",
    "patience": "n_iter_no_change",
    "engine": "engine",
}
#: Options that a training without a target has no use for.
UNUSED = (
    "formula", "group", "time", "l1", "dropout", "threshold", "class_weight", "calibrate", "weights", "transfer",
    "augment",
)  # fmt: skip


def code_parameters_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was said about the autoencoder.

    Parameters
    ----------
    options : mapping of str to object
        Words of the command line.

    Returns
    -------
    parameters : dict of str to object
        As the estimator takes them.
    """
    said: dict[str, Any] = {}
    for option, parameter in PARAMETERS.items():
        value = options.get(option)
        if value is None:
            continue
        if option == "hidden":
            value = parse_sizes(value)
        elif option == "activation":
            value = parse_names(value)
        said[parameter] = value
    return with_assignments(said, options["param"] or ())


def plan_codes(options: Mapping[str, Any], console: Console) -> CodePlan:
    """Read the data and decide what learns codes of it.

    Parameters
    ----------
    options : mapping of str to object
        Words of the command line.
    console : Console
        Where to speak.

    Returns
    -------
    plan : CodePlan
        Nothing is trained yet.
    """
    for name in UNUSED:
        if options.get(name) not in (None, False, [], ()):
            flag = "--" + name.replace("_", "-")
            raise ValueError(f"`{flag}` must be left out for an autoencoder. Received: {flag} {options[name]}.")
    if options["seeds"] != 1 or options["learning_curve"]:
        name = "--seeds" if options["seeds"] != 1 else "--learning-curve"
        raise ValueError(f"`{name}` must be left out for an autoencoder.")
    if options["task"] != "auto":
        raise ValueError(f"`--task` must be left out for an autoencoder. Received: --task {options['task']}.")
    size = options.get("image_size")
    return plan_code_training(
        options["data"],
        target=options["target"],
        labels=options["labels"],
        test_size=options["test_size"],
        image_size=None if size is None else size_of(size),
        scale=options["scale"],
        skip_damaged=options["skip_damaged"],
        params=code_parameters_of(options),
        seed=options["seed"],
        reading={**reading_of(options), "path": options["data_path"]},
        say=None if console.quiet else console.note,
    )


def show_code_plan(plan: CodePlan, kept: Mapping[str, Any], console: Console) -> int:
    """Show what would be done.

    Parameters
    ----------
    plan : CodePlan
        Everything decided.
    kept : mapping of str to object
        The options that make the run.
    console : Console
        Where to speak.

    Returns
    -------
    exit_code : int
        0.
    """
    if console.json_output:
        console.emit({"schema": "strata.plan/1", **plan.to_dict(), "options": dict(kept)})
        return 0
    console.result(plan.headline())
    for line in (*plan.recipe.notes, *plan.audit_lines()):
        console.result(line)
    console.result(f"model       {plan.recipe.model} ({plan.recipe.estimator})")
    for name, value in plan.to_dict()["model"]["parameters"].items():
        console.result(f"  {name} = {value}")
    return 0


def code_text(result: CodeResult, console: Console) -> str:
    """Return the figures of an autoencoder and its baselines as a table.

    Parameters
    ----------
    result : CodeResult
        What came out.
    console : Console
        Lays the table out.

    Returns
    -------
    text : str
        Lines for people.
    """
    plan = result.plan
    things = "pictures" if plan.problem.is_pictures else "rows"
    rows = [
        {
            "": score.name,
            "variance kept": f"{100 * score.score:.2f} %",
            "rmse": f"{score.metrics['rmse']:.4g}",
            "seconds": round(score.seconds, 3),
        }
        for score in (result.evaluation, *result.baselines)
    ]
    where = f"the {things} it learned from" if plan.split == "none" else f"{plan.n_test} held-out {things}"
    reason = result.stop_reason.replace("_", " ")
    lines = [
        f"autoencoder: codes of {result.network.n_components_} numbers, {plan.n_parameters or 0:,} parameters, "
        f"{result.n_epochs} epochs ({reason})",
        "",
        f"On {where}:",
        console.table(rows, ["", "variance kept", "rmse", "seconds"]),
    ]
    if result.baselines:
        ahead = compare_codes(result.evaluation, result.baselines[0])
        low, high = (f"{100 * ahead[end]:+.2f}" for end in ("low", "high"))
        points = f"{100 * ahead['value']:+.2f} points ({low} to {high})"
        lines += ["", f"Variance kept beside the principal components: {points}"]
    if result.folder is not None:
        lines += ["", f"run folder: {result.folder}"]
    return "\n".join(lines)
