"""The options that verbs share, and those of ``train``."""

import os
from typing import Annotated, Any

import typer

from strata._files import read_json
from strata.cli._config import as_words, read_config
from strata.errors import ModelRefusedError

__all__ = [
    "Color",
    "Config",
    "DataPath",
    "Debug",
    "Decimal",
    "Device",
    "Encoding",
    "Json",
    "Offline",
    "Quiet",
    "Sep",
    "Text",
    "Thousands",
    "Threads",
    "Verbose",
    "argument",
    "load_resumed",
    "option",
]

#: What the config.json of a run says it is; see strata.report.run_folder.
RUN_SCHEMA = "strata.run/1"


def option(*names: str, envvar: str | None = None, **settings: Any) -> Any:
    """Declare an option; a variable of its own is shown in the help, the common STRATA_<VERB>_<OPTION> is not."""
    return typer.Option(*names, envvar=envvar, show_envvar=envvar is not None, **settings)


def argument(*, metavar: str, **settings: Any) -> Any:
    """Declare a word of the command line that has no name."""
    return typer.Argument(metavar=metavar, show_envvar=False, **settings)


def _load_config(ctx: typer.Context, value: str | None) -> str | None:
    """Put the file's values where the command line and the environment still win over them."""
    if value is not None:
        known = {parameter.name for parameter in ctx.command.params if parameter.name} - {"config", "help"}
        defaults: dict[str, Any] = dict(ctx.default_map or {})
        ctx.default_map = defaults | as_words(read_config(value, known=known))
    return value


def load_resumed(ctx: typer.Context, value: str | None) -> str | None:
    """Take the options of the run that is gone on with, where nothing else is said."""
    if value is None or value == "auto":
        return value
    file = os.path.join(value, "config.json")
    if not os.path.isfile(file):
        raise ModelRefusedError(f"{value} is not the folder of a run: it has no config.json.")
    known = {parameter.name for parameter in ctx.command.params if parameter.name}
    try:
        written = read_json(file)
        if not isinstance(written, dict) or written.get("schema") != RUN_SCHEMA:
            raise ModelRefusedError(f"{value} is not the folder of a run: its config.json is something else.")
        options = read_config(file, known=known)
    except ValueError as error:
        raise ModelRefusedError(f"{value} is not the folder of a run that can be gone on with. {error}") from None
    defaults: dict[str, Any] = dict(ctx.default_map or {})
    ctx.default_map = as_words(options) | defaults
    return value


Json = Annotated[bool, option("--json", help="Print the result as JSON on stdout.")]
Quiet = Annotated[bool, option("--quiet", "-q", help="No progress and no log.")]
Verbose = Annotated[int, option("--verbose", "-v", count=True, help="Show more of the log.")]
Debug = Annotated[bool, option("--debug", help="Show the traceback of an error.")]
Color = Annotated[bool, option("--no-color", help="No colour (so do NO_COLOR and TERM=dumb).")]
Offline = Annotated[bool, option("--offline", envvar="STRATA_OFFLINE", help="Never open a connection.")]
Config = Annotated[
    str | None,
    option(
        "--config",
        metavar="FILE",
        is_eager=True,
        callback=_load_config,
        help="Read options from a TOML or JSON file; the command line and STRATA_<VERB>_<OPTION> win over it.",
    ),
]
Device = Annotated[str, option("--device", metavar="NAME", envvar="STRATA_DEVICE", help="auto, cpu, cuda, cuda:0, ...")]
Threads = Annotated[
    int | None,
    option(
        "--threads",
        metavar="N",
        min=1,
        envvar="STRATA_THREADS",
        help="Threads to compute with. By default one for small networks, more above a measured size.",
    ),
]

Sep = Annotated[str | None, option("--sep", metavar="CHAR", help='Separator of a text file: ";", "|", "tab".')]
Encoding = Annotated[str | None, option("--encoding", metavar="NAME", help="Encoding of a text file, if not UTF-8.")]
Decimal = Annotated[str | None, option("--decimal", metavar="CHAR", help='Decimal mark of a text file: "." or ",".')]
Thousands = Annotated[
    str | None,
    option("--thousands", metavar="CHAR", help='Mark between thousands in a text file: "," as in 1,234.50.'),
]
Text = Annotated[
    list[str] | None,
    option("--text", metavar="COL", help="Column that is text even where it looks like numbers; may be repeated."),
]
DataPath = Annotated[
    str | None, option("--data-path", metavar="DIR", help="Folder with the files of mnist, fashion_mnist or cifar10.")
]
