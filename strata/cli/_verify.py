"""The verb ``verify``."""

import shutil
from collections.abc import Mapping
from typing import Any

from strata.cli._console import Console
from strata.engine import noting_preparation
from strata.verify import as_rows, as_table, verify

__all__ = ["run"]


def run(options: Mapping[str, Any], console: Console) -> int:
    """Recompute the published numbers.

    Parameters
    ----------
    options : mapping of str to object
        Words of the command line.
    console : Console
        Where to speak.

    Returns
    -------
    exit_code : int
        0 when every fact holds, else 1.
    """
    with noting_preparation(console.note):
        names = [*(options["names"] or ()), *(options["only"] or ())]
        results = verify(names or None, full=options["full"])
    if console.json_output:
        console.emit(as_rows(results))
    else:
        width = shutil.get_terminal_size((100, 24)).columns
        console.result(as_table(results, width=width, color=console.result_colored))
    failed = [result.fact for result in results if not result.ok]
    if failed:
        console.error(f"{len(failed)} of {len(results)} facts do not hold: {'; '.join(failed[:3])}")
    return 1 if failed else 0
