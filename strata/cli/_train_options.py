"""The options of ``strata train``, each with its help."""

from typing import Annotated

from strata.cli._options import argument, load_resumed, option

__all__: list[str] = []

Data = Annotated[
    str | None,
    argument(metavar="DATA", help="File, bundled set or folder of pictures; not needed with --resume RUN."),
]
Target = Annotated[
    str | None, option("--target", "-t", metavar="COL", help="Column to predict. Bundled sets know theirs.")
]
Formula = Annotated[
    str | None, option("--formula", metavar="TEXT", help='Target and inputs at once: "y ~ a + b", "y ~ . - c".')
]
Model = Annotated[str, option("--model", "-m", metavar="NAME", help="See `strata models`.")]
Task = Annotated[str, option("--task", metavar="NAME", help="auto, classification or regression.")]
Out = Annotated[str | None, option("--out", "-o", metavar="DIR", help="Run folder; by default runs/DATA-MODEL-N.")]
Force = Annotated[bool, option("--force", help="Replace the run in --out, even one that is locked.")]
TestSize = Annotated[
    float | None,
    option(
        "--test-size",
        metavar="PART",
        help="Share of the rows held out; 0 trains on all rows and tests on the same. "
        "Default 0.2; 0 for fewer than 20 rows and with --solver rprop.",
    ),
]
Group = Annotated[
    str | None, option("--group", metavar="COL", help="Keep rows with the same value on one side of the split.")
]
Time = Annotated[str | None, option("--time", metavar="COL", help="Hold out the latest rows by this column.")]
Stratify = Annotated[
    bool, option("--stratify/--no-stratify", help="Keep the share of each class on both sides of the split.")
]
Scale = Annotated[
    bool | None, option("--scale/--no-scale", help="Standardise numeric inputs. Default on; off with rprop.")
]
Hidden = Annotated[
    str | None,
    option("--hidden", metavar="SIZES", help='Units of each hidden layer: "100,50"; "0" for none.'),
]
Activation = Annotated[
    str | None, option("--activation", metavar="NAME", help="relu, tanh, logistic, ...; one, or one per layer.")
]
Solver = Annotated[str | None, option("--solver", metavar="NAME", help="adam, sgd, lbfgs, rprop, rmsprop, adamw, ...")]
LearningRate = Annotated[float | None, option("--learning-rate", metavar="RATE", help="First learning rate.")]
Schedule = Annotated[
    str | None, option("--schedule", metavar="NAME", help="How the rate changes: constant, cosine, step, ...")
]
BatchSize = Annotated[int | None, option("--batch-size", metavar="ROWS", help="Rows in one step.")]
Epochs = Annotated[
    int | None, option("--epochs", "--max-iter", metavar="N", help="Passes through the training rows, at most.")
]
Loss = Annotated[str | None, option("--loss", metavar="NAME", help="cross_entropy, mse, huber, poisson, ...")]
L1 = Annotated[float | None, option("--l1", metavar="X", help="L1 penalty on the weights.")]
L2 = Annotated[float | None, option("--l2", "--alpha", metavar="X", help="L2 penalty on the weights.")]
Dropout = Annotated[float | None, option("--dropout", metavar="P", help="Probability to drop a hidden unit.")]
EarlyStopping = Annotated[
    bool | None,
    option(
        "--early-stopping/--no-early-stopping",
        help="Stop when the rows kept aside for it no longer improve, and keep the best weights.",
    ),
]
Patience = Annotated[int | None, option("--patience", metavar="N", help="Epochs without improvement before the stop.")]
Threshold = Annotated[
    float | None,
    option("--threshold", metavar="X", help="Stop when no partial derivative of the error exceeds this."),
]
ClassWeight = Annotated[str | None, option("--class-weight", metavar="NAME", help="balanced.")]
Calibrate = Annotated[
    bool | None,
    option(
        "--calibrate/--no-calibrate",
        help="Fit a temperature on rows kept aside, so that probabilities mean what they say. Default off.",
    ),
]
Engine = Annotated[str | None, option("--engine", metavar="NAME", help="auto, compiled or autograd.")]
Param = Annotated[
    list[str] | None,
    option("--param", metavar="NAME=VALUE", help="Any other parameter of the estimator; may be repeated."),
]
Baselines = Annotated[bool, option("--baselines/--no-baselines", help="Fit the baselines as well.")]
Report = Annotated[bool, option("--report/--no-report", help="Write report.html, and all its numbers to report.json.")]
Seeds = Annotated[
    int,
    option("--seeds", metavar="K", min=1, help="Train K times with different seeds; the first is the model kept."),
]
LearningCurve = Annotated[
    bool, option("--learning-curve", help="Train on parts of the rows as well, to see what more rows would bring.")
]
Labels = Annotated[
    str | None, option("--labels", metavar="FILE", help="Pictures: table of file names and labels, for a folder.")
]
SkipDamaged = Annotated[
    bool, option("--skip-damaged", help="Pictures: leave out files that cannot be read, and name them.")
]
Weights = Annotated[
    str | None,
    option("--weights", metavar="NAME|FILE", help="Pictures: learned weights to begin with (cifar10, imagenet, FILE)."),
]
Transfer = Annotated[
    str | None,
    option("--transfer", metavar="NAME", help="Pictures: what learns with --weights: last, partial or all."),
]
FeatureLayer = Annotated[
    str | None,
    option(
        "--feature-layer",
        metavar="NAME",
        help="Pictures: what the layer of --transfer last is put on: auto, last, or a layer such as layer2.",
    ),
]
Augment = Annotated[
    str | None,
    option("--augment", metavar="NAMES", help='Pictures: light, standard, strong, none, or "flip,crop,color".'),
]
ImageSize = Annotated[
    str | None, option("--image-size", metavar="PIXELS", help='Pictures: side that the network sees, or "64x48".')
]
Resume = Annotated[
    str | None,
    option(
        "--resume",
        metavar="auto|RUN",
        is_eager=True,
        callback=load_resumed,
        help="Go on from the checkpoint in a run folder, with the options of that run; "
        "auto: in --out, if there is one.",
    ),
]
SaveEvery = Annotated[
    str | None,
    option("--save-every", metavar="N|Nm|Ns", help="Checkpoint every N epochs, N minutes or N seconds."),
]
TimeLimit = Annotated[str | None, option("--time-limit", metavar="T", help="Stop and save after 90, 90s, 15m or 2h.")]
DryRun = Annotated[bool, option("--dry-run", help="Show what would be done and its size; train nothing.")]
Seed = Annotated[int, option("--seed", metavar="N", envvar="STRATA_SEED", help="Seed of every random draw.")]
Deterministic = Annotated[bool, option("--deterministic", help="Refuse kernels that may differ from run to run.")]
JsonLines = Annotated[bool, option("--json-lines", help="One JSON object an epoch, then the result.")]
