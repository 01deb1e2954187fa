"""From bytes to lines of text: what kind of file is it, how is it encoded, where do its lines end."""

import codecs
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import IO, TextIO

HEAD_BYTES = 4096
MAX_LINE_CHARS = 100_000
"""A longer line is cut here; below csv's own limit on a field (131,072), which is global and left alone."""

_KINDS: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "this is an Excel workbook (or a zip archive): save it as CSV, or unzip it, and send that"),
    (b"PK\x05\x06", "this is an empty zip archive: send the CSV file itself"),
    (b"\xd0\xcf\x11\xe0", "this is an Excel workbook: save it as CSV and send that"),
    (b"\x1f\x8b", "this is a gzip archive: unpack it and send the CSV file in it"),
    (b"%PDF", "this is a PDF: export the report as CSV"),
    (b"\xff\xfe\x00\x00", "this is UTF-32 text: save it as CSV UTF-8"),
    (b"\x00\x00\xfe\xff", "this is UTF-32 text: save it as CSV UTF-8"),
)
_PAGES = (b"<!doctype", b"<html", b"<?xml")
_ENCODINGS = re.compile(
    r"utf-8|utf-16(-[lb]e)?|cp[0-9]+|iso8859-[0-9]+|mac-roman|koi8-[ru]|shift_jis|euc_jp|euc_kr|gb2312|gbk|gb18030|big5"
)
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class UnreadableReport(ValueError):
    """The file as a whole cannot be read; the message says why and what to do."""


def detect_encoding(head: bytes, named: str | None = None) -> str:
    """The encoding of a file that begins with `head`: UTF-8, UTF-16 with BOM, or else what the person `named`.

    A byte order mark is trusted more than the person. Raises `UnreadableReport` for an empty file, for what is not
    text, and for a name that is no encoding of text.
    """
    if not head:
        raise UnreadableReport("the file is empty")
    for magic, message in _KINDS:
        if head.startswith(magic):
            raise UnreadableReport(message)
    if head.startswith(_UTF_16):
        return "utf-16"
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if head.lstrip().lower().startswith(_PAGES):
        raise UnreadableReport("this is a web page or XML, not CSV: export the report as CSV")
    if named:
        return _known(named)
    # One stray NUL spoils one row; many of them mean another kind of file.
    if head.count(0) * 100 > len(head):
        raise UnreadableReport("this is binary data, or UTF-16 text without its mark: save it as CSV UTF-8")
    return "utf-8"


def _known(name: str) -> str:
    """The encoding's own name. Python's curiosities (idna, unicode_escape, rot13) are no encodings of files."""
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        found = ""
    if not _ENCODINGS.fullmatch(found):
        raise UnreadableReport(f"“{name[:40]}” is not an encoding known here; utf-8, utf-16 and cp1252 are")
    return found


@contextmanager
def opened(stream: IO[bytes], encoding: str) -> Iterator[TextIO]:
    """`stream` as text from its start, line ends untouched; left open afterwards."""
    stream.seek(0)
    text = TextIOWrapper(stream, encoding=encoding, errors="strict", newline="")
    try:
        yield text
    finally:
        if not stream.closed:
            text.detach()  # else the wrapper closes the caller's file


def lines(text: TextIO) -> Iterator[str]:
    """The lines, ends included. One longer than `MAX_LINE_CHARS` is cut to one character more than that."""
    readline, limit = text.readline, MAX_LINE_CHARS + 1
    count = 0
    try:
        line = readline(limit)
        while line:
            count += 1
            yield line
            line = readline(limit) if len(line) < limit else _after_long_line(text, line)
    except UnicodeError as error:
        raise UnreadableReport(_undecodable(error, count)) from error


def _after_long_line(text: TextIO, line: str) -> str:
    """The line after the one that `line` begins, without ever holding the whole of it."""
    limit = MAX_LINE_CHARS + 1
    while len(line) == limit and line[-1] not in "\r\n":
        line = text.readline(limit)
    following = text.readline(limit)
    if following == "\n" and len(line) == limit and line[-1] == "\r":  # cut between \r and \n
        following = text.readline(limit)
    return following


def _undecodable(error: UnicodeError, lines_before: int) -> str:
    """Reading happens in chunks: the bad byte is in the first chunk that did not decode."""
    advice = (
        "save it as CSV UTF-8, or name its encoding with --encoding "
        "(Excel on Windows: cp1252; Turkish cp1254, Central European cp1250)"
    )
    if not isinstance(error, UnicodeDecodeError):
        return f"the text is damaged near line {lines_before + 1}: {advice}"
    before = error.object[: error.start]
    line = lines_before + 1 + (before.count(b"\n") or before.count(b"\r"))
    byte = error.object[error.start : error.start + 1].hex()
    return f"line {line} is not {error.encoding} text (byte 0x{byte}): {advice}"
