"""Plain CSV files of spend: a header, and a row per campaign and day, in whatever dialect a spreadsheet wrote."""

from typing import IO

from spending.reports.columns import WORDS, words_of
from spending.reports.header import header_row, read_tops
from spending.reports.shapes import Format, Shape
from spending.reports.table import Options, Report, TextSource, read_table
from spending.reports.text import HEAD_BYTES, UnreadableReport, detect_encoding

WORDS_HERE = {**WORDS, **words_of({"channel": ("channel|kanal|canal|canale",)})}

SHAPE = Shape(Format.PLAIN, WORDS_HERE)


def parse(stream: IO[bytes], options: Options | None = None) -> Report:
    """Find out how a seekable binary file is written; iterate the result for its rows.

    Raises `UnreadableReport` when the file as a whole cannot be read or can be read in two ways.
    """
    options = options or Options()
    stream.seek(0)
    encoding = detect_encoding(stream.read(HEAD_BYTES), options.encoding)
    found = header_row(read_tops(stream, encoding, options.delimiter), options.columns)
    return read_table(TextSource(stream, encoding, found), SHAPE, options)


__all__ = ["SHAPE", "Options", "Report", "UnreadableReport", "parse"]
