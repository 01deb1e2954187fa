"""Any report that is known: which platform's is it, and what does it say.

Detection looks at bytes and at the names in the header, never at a file's name. What no platform claims is plain CSV.
"""

from typing import IO

from spending.reports import google_ads, google_ads_api, meta_ads, microsoft_ads, plain_csv, tiktok_ads
from spending.reports.archives import unpacked
from spending.reports.columns import MAX_COLUMNS, comparable
from spending.reports.header import Top, header_row, read_tops
from spending.reports.json_records import JsonSource, is_json
from spending.reports.rejects import is_of_rejects, to_send_again
from spending.reports.shapes import Facts, Format, Shape
from spending.reports.table import Options, Place, Report, TextSource, read_table
from spending.reports.text import HEAD_BYTES, UnreadableReport, detect_encoding

SHAPES: dict[Format, Shape] = {
    # Asked in this order; the names by which each is known are its own, so that the order hardly matters.
    shape.format: shape
    for shape in (
        google_ads_api.SHAPE,
        microsoft_ads.SHAPE,
        tiktok_ads.SHAPE,
        meta_ads.SHAPE,
        google_ads.SHAPE,
        plain_csv.SHAPE,
    )
}
_AUTO = Options()


def detect(stream: IO[bytes], options: Options = _AUTO) -> Format:
    """The kind of report that a seekable file holds. Raises `UnreadableReport` when it holds none."""
    text, encoding, json = _opened(unpacked(stream), options)
    return Format.GOOGLE_ADS_API if json else _claimed(read_tops(text, encoding, options.delimiter), options)


def parse(stream: IO[bytes], format: Format | None = None, options: Options | None = None) -> Report:
    """Find out how a seekable binary file is written; iterate the result for its rows.

    Raises `UnreadableReport` when the file as a whole cannot be read, can be read in two ways, or does not say what
    each campaign spent on each day.
    """
    options = options or _AUTO
    text, encoding, json = _opened(unpacked(stream), options)
    if json:
        if format not in (None, Format.GOOGLE_ADS_API):
            raise UnreadableReport("this is JSON: only dumps of the Google Ads API are read from JSON")
        return read_table(JsonSource(text, encoding), SHAPES[Format.GOOGLE_ADS_API], options)
    tops = read_tops(text, encoding, options.delimiter)
    shape = SHAPES[format or _claimed(tops, options)]
    return read_table(TextSource(text, encoding, header_row(tops, options.columns, shape.words)), shape, options)


def _opened(stream: IO[bytes], options: Options) -> tuple[IO[bytes], str, bool]:
    """The file, its encoding, and whether it is JSON."""
    stream.seek(0)
    head = stream.read(HEAD_BYTES)
    encoding = detect_encoding(head, options.encoding)
    return stream, encoding, is_json(head.decode(encoding, "ignore"))


def _claimed(tops: list[Top], options: Options) -> Format:
    return next((shape.format for shape in SHAPES.values() if claims(shape, tops, options)), Format.PLAIN)


def claims(shape: Shape, tops: list[Top], options: Options = _AUTO) -> bool:
    """Whether a platform takes the file that begins so for its own: by its header, not by what a cell may say."""
    for top in tops:
        for at in range(len(top.rows)):
            if _like_header(shape, top, at):
                header = header_row(tops, options.columns, shape.words)
                return header.delimiter == top.delimiter and header.line == top.rows[at].line
    return False


def _like_header(shape: Shape, top: Top, at: int) -> bool:
    row = top.rows[at]
    if row.flaw is not None or len(row.cells) > MAX_COLUMNS or shape.claims is None:
        return False
    cells = to_send_again(row.cells) if is_of_rejects(row.cells) else row.cells
    return shape.claims(frozenset(comparable(cell) for cell in cells), top.rows[:at])


__all__ = ["SHAPES", "Facts", "Format", "Options", "Place", "Report", "UnreadableReport", "claims", "detect", "parse"]
