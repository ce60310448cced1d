"""What ``train`` does with counts of genes in cells."""

from collections.abc import Mapping
from typing import Any

from strata.cli._console import Console
from strata.cli._values import parse_sizes, with_assignments
from strata.report.cells import CELL_MODELS, CellPlan, CellResult, plan_cells
from strata.report.planning import plain_parameters

__all__ = ["cell_result_text", "plan_cell_training", "show_cell_plan"]

#: Options of the command and the parameter of the networks of counts that each sets.
PARAMETERS = {
    "hidden": "hidden_layer_sizes",
    "solver": "solver",
    "learning_rate": "learning_rate_init",
    "schedule": "schedule",
    "batch_size": "batch_size",
    "epochs": "max_iter",
    "l2": "alpha",
    "dropout": "dropout",
    "early_stopping": "early_stopping",
    "patience": "n_iter_no_change",
}
OTHERS = (
    "target", "formula", "group", "time", "scale", "sep", "encoding", "decimal", "thousands", "text", "activation",
    "loss", "l1", "threshold", "calibrate", "class_weight", "engine", "labels", "skip_damaged", "weights", "transfer",
    "augment", "image_size", "learning_curve",
)  # fmt: skip


def plan_cell_training(options: Mapping[str, Any]) -> CellPlan:
    """Read the cells and decide what is done.

    Parameters
    ----------
    options : mapping of str to object
        Words of the command line.

    Returns
    -------
    plan : CellPlan
        Nothing is trained yet.
    """
    for name in OTHERS:
        if options.get(name) not in (None, False, [], ()):
            flag = "--" + name.replace("_", "-")
            raise ValueError(f"`{flag}` must be left out for counts of cells. Received: {options['data']!r}.")
    said: dict[str, Any] = {}
    for option, parameter in PARAMETERS.items():
        value = options.get(option)
        if value is not None:
            said[parameter] = parse_sizes(value) if option == "hidden" else value
    return plan_cells(
        options["data"],
        model=options["model"],
        test_size=options["test_size"],
        params=with_assignments(said, options["param"] or ()),
        seed=options["seed"],
    )


def show_cell_plan(plan: CellPlan, kept: Mapping[str, Any], console: Console) -> int:
    """Show what would be done.

    Parameters
    ----------
    plan : CellPlan
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
    console.result(f"model       {plan.model} ({CELL_MODELS[plan.model].__name__})")
    for name, value in plain_parameters(plan.parameters).items():
        console.result(f"  {name} = {value}")
    return 0


def cell_result_text(result: CellResult) -> str:
    """Return the figures as lines for people.

    Parameters
    ----------
    result : CellResult
        What came out.

    Returns
    -------
    text : str
        Lines.
    """
    plan, model = result.plan, result.estimator
    where = f"{len(plan.test):,} held-out cells" if len(plan.test) else "the cells it learned from"
    kind = "evidence lower bound" if plan.model == "scvi" else "log-likelihood"
    lines = [
        f"{plan.model}: {model.n_iter_} epochs ({model.stop_reason_.replace('_', ' ')}), {result.seconds:.1f} s",
        "",
        f"On {where}, per entry:",
        f"  {kind} {result.figures['log_likelihood_per_entry']:.4f}",
    ]
    if "one_distribution_per_gene" in result.figures:
        lines.append(f"  one negative binomial for each gene {result.figures['one_distribution_per_gene']:.4f}")
    if result.folder is not None:
        lines += ["", f"run folder: {result.folder} (codes of all cells: {', '.join(result.files)})"]
    return "\n".join(lines)
