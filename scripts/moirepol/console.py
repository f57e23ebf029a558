"""Messages and progress bars on the user's console, also while a job's output goes to its log."""

import sys
from collections.abc import Iterable
from typing import Any, TextIO

from tqdm import tqdm

_stream: TextIO = sys.stderr


def redirect(stream: TextIO) -> TextIO:
    """Use another stream as the console; return the stream that was used before."""
    global _stream
    before, _stream = _stream, stream
    return before


def say(message: str) -> None:
    """Print one line on the console."""
    print(message, file=_stream, flush=True)


def note(system: str, *reasons: str) -> str:
    """Print the reasons that are not empty as a note about a system; return them as one line."""
    words = "; ".join(filter(None, reasons))
    if words:
        say(f"note: {system}: {words}")
    return words


def progress(iterable: Iterable | None = None, **options: Any) -> tqdm:
    """Show a progress bar on the console; `options` are those of tqdm."""
    defaults = {"file": _stream, "dynamic_ncols": True, "mininterval": 2.0, "leave": False}
    return tqdm(iterable, **defaults | options)
