"""From JSON to records of cells: an object a line, an array of objects, or the batches that a search streams.

Objects are taken from the text one by one, so that the whole is never held. `{"campaign": {"id": "7"}}` is a cell named
`campaign.id`. A batch is an object that begins with `"results": [`; its rows are taken, the rest of it left.
"""

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import IO, Any, NamedTuple, TextIO

from spending.reports.columns import MAX_COLUMNS
from spending.reports.header import Found
from spending.reports.records import MAX_CELL_CHARS, Record
from spending.reports.text import MAX_LINE_CHARS, UnreadableReport, opened

MAX_OBJECT_CHARS = MAX_LINE_CHARS
MAX_BROKEN = 1_000
"""After so many broken objects the file is given up: looking for the end of each takes too long."""
_CHUNK = 1 << 16
_MAX_DEPTH = 20
_BEGINS = re.compile(r"[\s\ufeff]*(?:\[\s*)?\{\s*(?:\"|\}|$)|[\s\ufeff]*\[\s*\]\s*$")
_BETWEEN = re.compile(r"[\s,\ufeff]*")
_BATCH = re.compile(r"\{\s*\"results\"\s*:\s*\[")
_TO_NEXT = re.compile(r"\n[ \t]*(?=[{\]])")
_SURROGATE = re.compile("[\ud800-\udfff]")
_EXCERPT = 200
_LONGEST_WORD = 10  # “-Infinity”, “\\u00e9” and the like are reported where they begin


def is_json(head: str) -> bool:
    """Whether a file that begins so is JSON with objects in it; a CSV whose first name is in brackets is not."""
    return _BEGINS.match(head) is not None


class JsonSource:
    """The objects of a JSON text as records, their fields in the order in which they first appear."""

    def __init__(self, stream: IO[bytes], encoding: str) -> None:
        """Reads the text once, for the names of its fields. Raises `UnreadableReport`."""
        self._stream = stream
        self.encoding = encoding
        names: dict[str, None] = {}
        for _, fields, flaw in self._objects():
            if flaw is None:
                names.update(dict.fromkeys(fields))
            if len(names) > MAX_COLUMNS:
                raise UnreadableReport(f"the objects in this JSON have more than {MAX_COLUMNS:,} fields")
        if not names:
            raise UnreadableReport("this JSON has no rows")
        self._names = tuple(names)
        self.found = Found(1, "", list(names), False, (), ())
        self.found = self.found._replace(below=tuple(islice(self.records(), 3)))

    def records(self) -> Iterator[Record]:
        """An object a record; a field that it lacks is an empty cell."""
        names = self._names
        for line, fields, flaw in self._objects():
            if flaw is not None:
                yield Record(line, list(fields.values()), flaw)
                continue
            cells = [fields.get(name, "") for name in names]
            if max(map(len, cells)) > MAX_CELL_CHARS:
                cells = [cell[:_EXCERPT] + "…" if len(cell) > MAX_CELL_CHARS else cell for cell in cells]
                flaw = f"a cell is longer than {MAX_CELL_CHARS:,} characters"
            yield Record(line, cells, flaw)

    def _objects(self) -> Iterator[tuple[int, dict[str, str], str | None]]:
        """Line, fields and flaw of each object."""
        with opened(self._stream, self.encoding) as text:
            for line, found in _Scanner(text).values():
                if isinstance(found, _Broken):
                    yield line, {"": found.excerpt}, found.flaw
                    continue
                fields: dict[str, str] = {}
                try:
                    _flatten(found, "", fields, 0)
                except ValueError as error:
                    yield line, {"": json.dumps(found)[:_EXCERPT]}, str(error)
                else:
                    yield line, fields, None


def _flatten(value: dict[str, Any], prefix: str, into: dict[str, str], depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise ValueError("the object is nested too deeply")
    for key, one in value.items():
        name = f"{prefix}{key}"
        if isinstance(one, dict):
            _flatten(one, f"{name}.", into, depth + 1)
        else:
            into[name[:_EXCERPT]] = _cell(one)


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value)
    if "\0" in text:
        raise ValueError("a cell holds a NUL character")
    return text if text.isascii() else _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


class _Broken(NamedTuple):
    """What should have been an object."""

    excerpt: str
    flaw: str


class _Scanner:
    """Takes objects from a text, chunk by chunk."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._buffer = ""
        self._at = 0
        self._line = 1  # of the buffer's position
        self._ended = False
        self._flaws = 0
        self._open: list[str] = []  # the brackets we are in: "[" of an array, "{" of a batch's results
        self._decode = json.JSONDecoder(parse_float=str, parse_int=str).raw_decode

    def values(self) -> Iterator[tuple[int, dict[str, Any] | _Broken]]:
        """The line of each object and the object, or what is wrong with it."""
        while (sign := self._next_sign()) is not None:
            if sign == "[" and not self._open:
                self._enter(1, "[")
            elif sign == "]" and self._open:
                self._leave()
            elif sign == "{":
                yield from self._object()
            else:
                yield self._line, self._broken("this is no JSON object")
                self._skip_line()
        if self._open:
            raise UnreadableReport("the JSON ends before its last bracket is closed: the file is cut off; get it again")

    def _object(self) -> Iterator[tuple[int, dict[str, Any] | _Broken]]:
        line = self._line
        self._fill(_EXCERPT)
        if "{" not in self._open and (batch := _BATCH.match(self._buffer, self._at)):
            self._enter(batch.end() - self._at, "{")
            return
        value = self._value()
        if value is None:
            yield line, self._broken("this object is not written as JSON wants it")
            self._skip_object()
        else:
            yield line, value

    def _broken(self, flaw: str) -> _Broken:
        """What stands here. Raises `UnreadableReport` when there is too much of the kind."""
        self._flaws += 1
        if self._flaws > MAX_BROKEN:
            raise UnreadableReport(f"more than {MAX_BROKEN:,} objects in this JSON are broken: get the file again")
        self._fill(_EXCERPT)
        excerpt = self._buffer[self._at : self._at + _EXCERPT].split("\n", 1)[0]
        return _Broken(excerpt.replace("\0", "\N{REPLACEMENT CHARACTER}"), flaw)

    def _value(self) -> dict[str, Any] | None:
        """The object that begins here, and past it; None when it is broken. Raises `UnreadableReport`."""
        while True:
            there = len(self._buffer) - self._at
            try:
                value, end = self._decode(self._buffer, self._at)
            except json.JSONDecodeError as error:
                if there > MAX_OBJECT_CHARS or not _is_cut(error, self._buffer, self._ended):
                    return None
                if self._ended:
                    raise UnreadableReport(
                        f"the JSON ends within the object that begins on line {self._line}: the file is cut off; "
                        "get it again"
                    ) from error
                self._fill(there + _CHUNK)
            except RecursionError:
                return None
            else:
                self._move(end - self._at)
                return value if isinstance(value, dict) else None

    # -- The text

    def _next_sign(self) -> str | None:
        while True:
            end = _between(self._buffer, self._at)
            self._move(end - self._at)
            if self._at < len(self._buffer):
                return self._buffer[self._at]
            if self._ended:
                return None
            self._fill(1)

    def _fill(self, size: int) -> None:
        """Have so many characters ahead, if there are as many."""
        while len(self._buffer) - self._at < size and not self._ended:
            more = self._read()
            self._buffer = self._buffer[self._at :] + more
            self._at = 0
            self._ended = not more

    def _read(self) -> str:
        try:
            return self._text.read(_CHUNK)
        except UnicodeError as error:
            raise UnreadableReport(
                f"the text is damaged after line {self._line}: save it as UTF-8, or name its encoding with --encoding"
            ) from error

    def _move(self, by: int) -> None:
        self._line += self._buffer.count("\n", self._at, self._at + by)
        self._at += by

    def _enter(self, by: int, bracket: str) -> None:
        self._move(by)
        self._open.append(bracket)

    def _leave(self) -> None:
        """A bracket closes; of a batch also what stands after its results."""
        self._move(1)
        if self._open.pop() != "{":
            return
        if self._next_sign() == "}":
            self._move(1)
        else:  # as if it were an object of its own
            self._buffer = "{" + self._buffer[self._at :]
            self._at = 0
            self._value()

    def _skip_line(self) -> None:
        while True:
            end = self._buffer.find("\n", self._at)
            if end >= 0:
                self._move(end + 1 - self._at)
                return
            self._move(len(self._buffer) - self._at)
            if self._ended:
                return
            self._fill(1)

    def _skip_object(self) -> None:
        """Go on where a line begins with an object or ends the array."""
        while True:
            if match := _TO_NEXT.search(self._buffer, self._at + 1):
                self._move(match.end() - self._at)
                return
            self._move(max(0, len(self._buffer) - self._at - _EXCERPT))
            if self._ended:
                self._move(len(self._buffer) - self._at)
                return
            self._fill(_EXCERPT + 1)


def _between(buffer: str, at: int) -> int:
    match = _BETWEEN.match(buffer, at)
    return match.end() if match else at


def _is_cut(error: json.JSONDecodeError, buffer: str, ended: bool) -> bool:
    """Whether decoding failed because the text, or what has been read of it, ends here; not because of what it says."""
    end = len(buffer.rstrip()) if ended else len(buffer) - _LONGEST_WORD
    return error.msg.startswith("Unterminated string") or error.pos >= end
