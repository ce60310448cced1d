"""The verbs and their options, and what happens around each: streams, signals, errors, exit codes.

A verb here only declares its options; the module that does the work is loaded after the words of the
command line were understood.
"""

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from types import FrameType
from typing import Annotated, Any, cast

import typer
from typer.main import get_command

import strata
from strata._names import unknown_name
from strata.cli import _explain_options as of_explain
from strata.cli import _train_options as of_train
from strata.cli._console import Console
from strata.cli._errors import EXIT_CODES, TerminatedError, exit_code_of, one_line
from strata.cli._options import (
    Color,
    Config,
    DataPath,
    Debug,
    Decimal,
    Device,
    Encoding,
    Json,
    Offline,
    Quiet,
    Sep,
    Text,
    Thousands,
    Threads,
    Verbose,
    argument,
    option,
)

__all__ = ["run"]

EPILOG = "\b\nExit codes:\n" + "\n".join(f"  {code:<4}{text}" for code, text in EXIT_CODES.items())
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

app = typer.Typer(
    name="strata",
    help="Train, question and use deep networks on your own data.",
    epilog=EPILOG,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=SETTINGS,
)
data_app = typer.Typer(
    help="List the bundled sets, fetch others, audit a table.", invoke_without_command=True, epilog=EPILOG
)

Action = Callable[[Console], int]


def _later(module: str, ctx: typer.Context) -> Action:
    """Return the work of a verb, to be done once the command line is understood."""
    options: dict[str, Any] = dict(ctx.params)

    def act(console: Console) -> int:
        return cast(int, import_module(f"strata.cli.{module}").run(options, console))

    act.options = options  # type: ignore[attr-defined]
    return act


@app.callback(invoke_without_command=True, no_args_is_help=False)
def _root(
    ctx: typer.Context,
    version: Annotated[bool, option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        print(f"strata {strata.__version__}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        print(ctx.get_help())
        raise typer.Exit


@app.command("train", short_help="Train a network and show it beside its baselines.", epilog=EPILOG)
def _train(
    ctx: typer.Context,
    data: of_train.Data = None,
    target: of_train.Target = None,
    formula: of_train.Formula = None,
    model: of_train.Model = "auto",
    labels: of_train.Labels = None,
    skip_damaged: of_train.SkipDamaged = False,
    weights: of_train.Weights = None,
    transfer: of_train.Transfer = None,
    feature_layer: of_train.FeatureLayer = None,
    augment: of_train.Augment = None,
    image_size: of_train.ImageSize = None,
    task: of_train.Task = "auto",
    out: of_train.Out = None,
    force: of_train.Force = False,
    test_size: of_train.TestSize = None,
    group: of_train.Group = None,
    time: of_train.Time = None,
    stratify: of_train.Stratify = True,
    scale: of_train.Scale = None,
    sep: Sep = None,
    encoding: Encoding = None,
    decimal: Decimal = None,
    thousands: Thousands = None,
    text: Text = None,
    data_path: DataPath = None,
    hidden: of_train.Hidden = None,
    activation: of_train.Activation = None,
    solver: of_train.Solver = None,
    learning_rate: of_train.LearningRate = None,
    schedule: of_train.Schedule = None,
    batch_size: of_train.BatchSize = None,
    epochs: of_train.Epochs = None,
    loss: of_train.Loss = None,
    l1: of_train.L1 = None,
    l2: of_train.L2 = None,
    dropout: of_train.Dropout = None,
    early_stopping: of_train.EarlyStopping = None,
    patience: of_train.Patience = None,
    threshold: of_train.Threshold = None,
    class_weight: of_train.ClassWeight = None,
    calibrate: of_train.Calibrate = None,
    engine: of_train.Engine = None,
    param: of_train.Param = None,
    baselines: of_train.Baselines = True,
    seeds: of_train.Seeds = 1,
    learning_curve: of_train.LearningCurve = False,
    report: of_train.Report = True,
    resume: of_train.Resume = None,
    save_every: of_train.SaveEvery = None,
    time_limit: of_train.TimeLimit = None,
    dry_run: of_train.DryRun = False,
    seed: of_train.Seed = 0,
    deterministic: of_train.Deterministic = False,
    device: Device = "auto",
    threads: Threads = None,
    config: Config = None,
    json_: Json = False,
    json_lines: of_train.JsonLines = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
    debug: Debug = False,
    no_color: Color = False,
    offline: Offline = False,
) -> Action:
    """Train a network on a table or on pictures, and show it beside its baselines.

    DATA is a file (CSV, TSV, Parquet, Feather, NPZ, IDX), the name of a bundled set (`strata data`), or a folder of
    pictures: one folder for each class, or pictures and labels.csv. A network for pictures as --model (`strata
    models`) makes pictures of cifar10, mnist or fashion_mnist.
    The run leaves a folder: model/, report.html, report.json, predictions.csv, history.csv, config.json,
    pictures and checkpoints.

    With --solver rprop the defaults are those of R's neuralnet: the whole table as one batch and as its
    own test set, one logistic layer, linear output, half the squared error summed over the rows, start
    weights N(0, 1), no scaling, and a stop when no partial derivative exceeds --threshold 0.01.
    """
    return _later("_train", ctx)


@app.command("predict", short_help="Predict the rows of a file, or pictures.", epilog=EPILOG)
def _predict(
    ctx: typer.Context,
    model: Annotated[str, argument(metavar="MODEL", help="Model folder, or run folder.")],
    data: Annotated[str, argument(metavar="DATA", help="File, bundled set, picture or folder of pictures.")],
    more: Annotated[list[str] | None, argument(metavar="[DATA]...", help="More pictures or folders.")] = None,
    skip_damaged: of_train.SkipDamaged = False,
    out: Annotated[
        str | None, option("--out", "-o", metavar="FILE", help="CSV to write; by default to stdout.")
    ] = None,
    force: Annotated[bool, option("--force", help="Replace the file of --out.")] = False,
    probabilities: Annotated[bool, option(help="Write the probability of each class.")] = True,
    allow_nonfinite: Annotated[
        bool, option("--allow-nonfinite", help="Load weights that are NaN or infinite.")
    ] = False,
    sep: Sep = None,
    encoding: Encoding = None,
    decimal: Decimal = None,
    thousands: Thousands = None,
    text: Text = None,
    data_path: DataPath = None,
    threads: Threads = None,
    config: Config = None,
    json_: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
    debug: Debug = False,
    no_color: Color = False,
    offline: Offline = False,
) -> Action:
    """Predict every row of a file, or what every picture shows, with a saved model.

    Of a folder all pictures below it are taken. One that cannot be read stops everything, with exit code 3, unless
    --skip-damaged leaves it out.
    """
    return _later("_predict", ctx)


@app.command("evaluate", short_help="Score a saved model on known answers.", epilog=EPILOG)
def _evaluate(
    ctx: typer.Context,
    model: Annotated[str, argument(metavar="MODEL", help="Model folder, or run folder.")],
    data: Annotated[
        str, argument(metavar="DATA", help="File or bundled set with the target; folder of pictures with labels.")
    ],
    target: of_train.Target = None,
    labels: of_train.Labels = None,
    skip_damaged: of_train.SkipDamaged = False,
    all_rows: Annotated[
        bool, option("--all-rows", help="Score the rows that the model was trained on as well.")
    ] = False,
    plot: Annotated[
        str | None, option("--plot", metavar="FILE", help="PNG of the confusion table or the residuals.")
    ] = None,
    out: Annotated[
        str | None, option("--out", "-o", metavar="DIR", help="Folder for the report of these rows.")
    ] = None,
    force: Annotated[bool, option("--force", help="Replace the file of --plot and the report in --out.")] = False,
    allow_nonfinite: Annotated[
        bool, option("--allow-nonfinite", help="Load weights that are NaN or infinite.")
    ] = False,
    sep: Sep = None,
    encoding: Encoding = None,
    decimal: Decimal = None,
    thousands: Thousands = None,
    text: Text = None,
    data_path: DataPath = None,
    threads: Threads = None,
    config: Config = None,
    json_: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
    debug: Debug = False,
    no_color: Color = False,
    offline: Offline = False,
) -> Action:
    """Score a saved model on data with known answers; print and draw the confusion table."""
    return _later("_evaluate", ctx)


@app.command("diagnose", short_help="Say why a network does not learn, and prove the cure.", epilog=EPILOG)
def _diagnose(
    ctx: typer.Context,
    source: Annotated[
        str, argument(metavar="RUN_OR_DATA", help="Folder of a run; or a file or bundled set, with the default model.")
    ],
    target: of_train.Target = None,
    task: of_train.Task = "auto",
    param: of_train.Param = None,
    prove: Annotated[
        bool, option("--prove", help="Try each cure and its rivals, one change at a time, and compare held-out scores.")
    ] = False,
    seeds: Annotated[int, option("--seeds", metavar="K", min=1, help="Fits of each trial of --prove.")] = 3,
    fix: Annotated[
        str | None, option("--fix", metavar="OUT", help="Train the cured configuration as a run in this folder.")
    ] = None,
    force: Annotated[bool, option("--force", help="Replace the run in --fix.")] = False,
    sep: Sep = None,
    encoding: Encoding = None,
    decimal: Decimal = None,
    thousands: Thousands = None,
    text: Text = None,
    data_path: DataPath = None,
    threads: Threads = None,
    config: Config = None,
    json_: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
    debug: Debug = False,
    no_color: Color = False,
    offline: Offline = False,
) -> Action:
    """Train once with an eye on it and say why the network does not learn, or that it does.

    The verdicts come with their evidence, cause and cure, the one that explains most first. With --prove
    the best cure is the one that helped beyond the spread over seeds; --fix trains it.
    """
    return _later("_diagnose", ctx)


@app.command("explain", short_help="Show what a network sees in an image.", epilog=EPILOG)
def _explain(
    ctx: typer.Context,
    model: of_explain.Model,
    image: of_explain.Image,
    out: of_explain.Out = None,
    what: of_explain.What = None,
    layer: of_explain.Layer = None,
    target: of_explain.Target = None,
    against: of_explain.Against = None,
    projection: of_explain.Projection = "tsne",
    steps: of_explain.Steps = 80,
    weights: of_explain.Weights = None,
    classes: of_explain.Classes = None,
    param: of_explain.Param = None,
    seed: of_train.Seed = 0,
    force: of_explain.Force = False,
    allow_nonfinite: of_explain.AllowNonfinite = False,
    data_path: DataPath = None,
    threads: Threads = None,
    config: Config = None,
    json_: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
    debug: Debug = False,
    no_color: Color = False,
    offline: Offline = False,
) -> Action:
    """Show what a network sees in an image, in pictures and numbers.

    Writes explanation.html (one page, light and dark, offline), a PNG of each picture and explanation.json: the
    prediction, where and on which pixels it rests, what the layers make of the image, what units answered and look
    for, the filters, and with --against the nearest training images and where it lies among them.
    """
    return _later("_explain", ctx)


@app.command("models", short_help="List the models, or show one.", epilog=EPILOG)
def _models(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None, argument(metavar="[NAME | convert FILE]", help="Show the layers of this network.")
    ] = None,
    model: Annotated[
        str | None, option("--model", "-m", metavar="NAME", help="Network of the file to convert.")
    ] = None,
    out: Annotated[str | None, option("--out", "-o", metavar="FILE", help="File to write: .safetensors.")] = None,
    force: Annotated[bool, option("--force", help="Replace the file of --out.")] = False,
    json_: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
    debug: Debug = False,
    no_color: Color = False,
) -> Action:
    """List the models for tables and the networks for pictures, or show one network: its blocks, layers and paper.

    convert FILE --model NAME --out FILE.safetensors turns a checkpoint of PyTorch (.pth, .pt, .th), which may hold
    code, into a file that holds numbers alone and can be given to `strata train --weights`.
    """
    return _later("_models", ctx)


@app.command("verify", short_help="Recompute the published numbers.", epilog=EPILOG)
def _verify(
    ctx: typer.Context,
    names: Annotated[list[str] | None, argument(metavar="[NAME]...", help="Facts or sections; all by default.")] = None,
    only: Annotated[
        list[str] | None, option("--only", metavar="NAME", help="A fact or a section; may be repeated.")
    ] = None,
    full: Annotated[
        bool, option("--full/--quick", help="Check also what takes seconds to hours, on MNIST of the cache.")
    ] = False,
    json_: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
    debug: Debug = False,
    no_color: Color = False,
    offline: Offline = False,
) -> Action:
    """Recompute the published numbers and say whether each holds; exit 1 when one does not."""
    return _later("_verify", ctx)


@app.command("doctor", short_help="Show versions, threads, devices.", epilog=EPILOG)
def _doctor(
    ctx: typer.Context,
    json_: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
    debug: Debug = False,
    no_color: Color = False,
) -> Action:
    """Show versions, threads, devices, folders, and what is broken about them."""
    return _later("_doctor", ctx)


@data_app.callback(invoke_without_command=True)
def _data(
    ctx: typer.Context,
    json_: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
    debug: Debug = False,
    no_color: Color = False,
) -> Action | None:
    if ctx.invoked_subcommand is not None:
        return None
    ctx.params["action"] = "list"
    return _later("_data", ctx)


@data_app.command("fetch", short_help="Download a set.", epilog=EPILOG)
def _data_fetch(
    ctx: typer.Context,
    name: Annotated[str, argument(metavar="NAME", help="Set to download.")],
    json_: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
    debug: Debug = False,
    no_color: Color = False,
    offline: Offline = False,
) -> Action:
    """Download a set to the cache folder and check its digest."""
    ctx.params["action"] = "fetch"
    return _later("_data", ctx)


@data_app.command("audit", short_help="Look for faults in a table.", epilog=EPILOG)
def _data_audit(
    ctx: typer.Context,
    data: Annotated[str, argument(metavar="DATA", help="File, bundled set or folder of pictures.")],
    target: of_train.Target = None,
    sep: Sep = None,
    encoding: Encoding = None,
    decimal: Decimal = None,
    thousands: Thousands = None,
    text: Text = None,
    data_path: DataPath = None,
    json_: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
    debug: Debug = False,
    no_color: Color = False,
) -> Action:
    """Look for duplicates, constant columns, leakage, rare classes and non-finite values."""
    ctx.params["action"] = "audit"
    return _later("_data", ctx)


@app.command("playground", short_help="Watch a network learn, in the browser.", epilog=EPILOG)
def _playground(
    ctx: typer.Context,
    port: Annotated[int, option("--port", metavar="N", min=0, max=65535, help="Port; 0 takes a free one.")] = 0,
    browser: Annotated[bool, option(help="Open the page in the browser.")] = True,
    json_: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
    debug: Debug = False,
    no_color: Color = False,
) -> Action:
    """Serve a page on this machine in which a network learns before your eyes.

    The address that is printed holds a token that works once. Nobody but this machine can reach the server.
    """
    return _later("_playground", ctx)


app.add_typer(data_app, name="data", short_help="List, fetch and audit data.", context_settings=SETTINGS)


def _prepare_streams() -> None:
    """Let a name that the terminal cannot show be shown as escapes instead of ending the run."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def _terminated_by_signal() -> Iterator[None]:
    """Turn SIGTERM into an exception inside the block, where there is nothing to save yet."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise TerminatedError("Stopped by SIGTERM.")

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _environment(names: Iterable[str]) -> Iterator[None]:
    """Set variables to 1 inside the block, for the rooms that look at them."""
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(before, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _understand(words: list[str]) -> Action | int:
    """Parse the command line; the exit code when there is nothing more to do."""
    command = get_command(app)
    verbs = list(getattr(command, "commands", {}))
    if words and not words[0].startswith("-") and words[0] not in verbs:
        raise ValueError(unknown_name("verb", words[0], verbs))
    try:
        got = command.main(args=words, prog_name="strata", standalone_mode=False, auto_envvar_prefix="STRATA")
    except SystemExit:  # the reader of the help has gone
        return 0
    return cast("Action | int", 0 if got is None else got)


def _wrong_use(error: Any) -> str:
    """Return the parser's message on one line; an unknown option with the nearest known one."""
    name, known = getattr(error, "option_name", None), getattr(error, "possibilities", None)
    if name and known is not None:
        near = get_close_matches(name, known, n=1, cutoff=0.5)
        return f"No such option: {name}." + (f" Did you mean {near[0]}?" if near else "")
    return " ".join(str(error.format_message()).split())


def _report(error: BaseException, console: Console, debug: bool) -> int:
    code = exit_code_of(error)
    if debug:
        traceback.print_exception(error)
    message = one_line(error)
    if hasattr(error, "format_message"):  # wrong use, found by the parser
        code, message = 2, _wrong_use(error)
    elif code in (130, 143):
        message = message if str(error) else "Stopped. Nothing more was saved."
    elif code == 1 and not isinstance(error, (OSError, ArithmeticError, MemoryError, RuntimeError)):
        message = f"{type(error).__name__}: {message} (a fault of strata; --debug shows where)"
    if console.json_output:
        console.emit(
            {
                "schema": "strata.error/1",
                "error": {"kind": type(error).__name__, "message": message, "exit_code": code},
            }
        )
    console.error(message)
    return code


def run(argv: Sequence[str] | None = None) -> int:
    """Run the command; see :func:`strata.cli.main`.

    Parameters
    ----------
    argv : sequence of str, optional
        Words after ``strata``; by default those of the process.

    Returns
    -------
    exit_code : int
        As documented by ``--help``.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    _prepare_streams()
    debug = "--debug" in words
    console = Console(json_output="--json" in words or "--json-lines" in words, no_color="--no-color" in words)
    try:
        with _terminated_by_signal():
            action = _understand(words)
            if isinstance(action, int):
                return action
            options = action.options  # type: ignore[attr-defined]
            console = Console(
                json_output=options["json_"] or options.get("json_lines", False),
                quiet=options["quiet"],
                verbose=options["verbose"],
                no_color=options["no_color"],
            )
            wanted = {"STRATA_OFFLINE": options.get("offline"), "NO_COLOR": options["no_color"]}
            with _environment(name for name, on in wanted.items() if on), console.showing_warnings():
                return action(console)
    except BrokenPipeError:
        return 0
    except (Exception, KeyboardInterrupt) as error:
        return _report(error, console, debug)
