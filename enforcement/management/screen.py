"""What commands show on a terminal of 80 columns and in a pipe: tables that wrap, marks, and lines of plain text."""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from textwrap import wrap
from typing import Any

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

WIDTH = 80
"""Columns in a pipe."""
WIDEST = 110
"""Columns that are used of a terminal at most."""


def width_of(stream: Any) -> int:
    """How many columns there are: those of the terminal, within reason."""
    if not is_terminal(stream):
        return WIDTH
    return min(max(shutil.get_terminal_size().columns, 40), WIDEST)


def is_terminal(stream: Any) -> bool:
    return bool(hasattr(stream, "isatty") and stream.isatty())


def grid(headings: Sequence[str], rows: Iterable[Iterable[str]], right: Sequence[int] = ()) -> Table:
    """Rows under headings, cells wrapped to the width; the columns in `right` have figures."""
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for number, heading in enumerate(headings):
        shown.add_column(heading, justify="right" if number in right else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(Text(cell) for cell in row))
    return shown


def lines_of(shown: RenderableType, width: int = WIDTH) -> list[str]:
    """What rich makes of it, without colours and control characters."""
    console = Console(file=StringIO(), width=width, color_system=None, legacy_windows=False)
    with console.capture() as captured:
        console.print(shown)
    return [line.rstrip() for line in captured.get().splitlines()]


def paragraphs(text: str, indent: str = "", width: int = WIDTH) -> Iterator[str]:
    """The text in lines that fit."""
    for line in text.splitlines():
        yield from wrap(line, width, initial_indent=indent, subsequent_indent=indent) or [""]


def mark(stream: Any, *, good: bool) -> str:
    """✓ or ✗; words where the stream cannot write these."""
    signs = ("✓", "✗")
    try:
        "".join(signs).encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        signs = ("ok", "FAILED")
    return signs[0] if good else signs[1]
