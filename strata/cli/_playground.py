"""The verb ``playground``."""

import logging
import webbrowser
from collections.abc import Mapping
from typing import Any

from strata.cli._console import Console
from strata.errors import MissingExtraError

__all__ = ["run"]


def run(options: Mapping[str, Any], console: Console) -> int:
    """Serve the page on this machine until stopped by Ctrl-C.

    Parameters
    ----------
    options : mapping of str to object
        Words of the command line.
    console : Console
        Where to speak.

    Returns
    -------
    exit_code : int
        0 when it was stopped.

    Raises
    ------
    MissingExtraError
        If the packages of the extra are missing.
    """
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
        import websockets  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            f"strata playground needs {error.name}. Install it with: pip install 'strata[playground]'"
        ) from None
    from strata.playground.server import serve

    logging.basicConfig(format="%(message)s", level=logging.WARNING)

    def ready(address: str, server: Any) -> None:
        if console.json_output:
            console.emit({"schema": "strata.playground/1", "address": address}, compact=True)
        else:
            console.result(address)
        console.note("The page is open to this machine only. Ctrl-C stops the server.")
        if options["browser"]:
            webbrowser.open(address)

    serve(port=options["port"], ready=ready)
    return 0
