"""Whatever the order of the rows and whatever the damage: nothing is lost, nothing crashes, no format is confused."""

import csv
import io
import json
import random
import sys
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spending.reports.formats import SHAPES, Format, UnreadableReport, claims, detect, parse
from spending.reports.header import read_tops
from spending.reports.rows import Reject, ReportRow
from spending.reports.text import detect_encoding

DATA = Path(__file__).parent.parent / "data"
CONTENTS = {path.name: path.read_bytes() for path in sorted(DATA.iterdir()) if path.is_file()}
ENCODINGS = {"google_ads_excel.csv": "utf-16"}
FIRST_AND_LAST = {  # the lines of rows and totals, which may stand in any order; the first line is 0
    "google_ads.csv": (3, 12),
    "google_ads_excel.csv": (3, 12),
    "google_ads_fr.csv": (3, 7),
    "google_ads_de.csv": (3, 6),
    "google_ads_api.csv": (1, 4),
    "google_ads_api.jsonl": (0, 3),
    "meta_ads.csv": (1, 8),
    "meta_ads_fr.csv": (1, 4),
    "microsoft_ads.csv": (9, 13),
    "microsoft_ads_hours_v1.csv": (9, 12),
    "microsoft_ads_hours_v2.csv": (9, 12),
    "tiktok_ads.csv": (1, 7),
    "plain.csv": (1, 4),
}


def read(content: bytes, format: Format | None = None) -> list[ReportRow | Reject]:
    """The rows and rejects, with nothing lost."""
    report = parse(io.BytesIO(content), format)
    outcomes = list(report)
    assert len(outcomes) + len(report.tally.totals) == report.tally.lines == report.given
    assert all(one.line >= 1 and (isinstance(one, ReportRow) or one.reason) for one in outcomes)
    return outcomes


def without_place(outcomes: list[ReportRow | Reject]) -> list[tuple[object, ...]]:
    """What was read, wherever it stood."""
    return sorted(
        ((*one[1:10], one.metrics) if isinstance(one, ReportRow) else (one.reason,) for one in outcomes), key=repr
    )


@pytest.mark.parametrize("name", FIRST_AND_LAST)
@pytest.mark.parametrize("seed", range(4))
def test_rows_in_another_order_are_the_same_rows(name: str, seed: int) -> None:
    encoding = ENCODINGS.get(name, "utf-8")
    first, last = FIRST_AND_LAST[name]
    lines = CONTENTS[name].decode(encoding).splitlines(keepends=True)
    moved = lines[first:last]
    random.Random(seed).shuffle(moved)

    shuffled = "".join([*lines[:first], *moved, *lines[last:]]).encode(encoding)

    assert detect(io.BytesIO(shuffled)) == detect(io.BytesIO(CONTENTS[name]))
    assert without_place(read(shuffled)) == without_place(read(CONTENTS[name]))


@pytest.mark.parametrize("name", sorted(FIRST_AND_LAST.keys() - {"google_ads_excel.csv", "google_ads_api.jsonl"}))
def test_columns_in_another_order_are_the_same_rows(name: str) -> None:
    text = CONTENTS[name].decode("utf-8-sig")
    delimiter = ";" if text.splitlines()[FIRST_AND_LAST[name][0] - 1].count(";") else ","
    records = list(csv.reader(io.StringIO(text), delimiter=delimiter))
    width = max(map(len, records))
    moved = [list(reversed(cells)) if len(cells) == width else cells for cells in records]
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter).writerows(moved)

    outcomes = read(file.getvalue().encode())

    assert without_place(outcomes) == without_place(read(CONTENTS[name]))


@pytest.mark.parametrize("name", [name for name in sorted(CONTENTS) if name.endswith(".csv")])
def test_no_two_platforms_claim_the_same_file(name: str) -> None:
    content = CONTENTS[name]
    tops = read_tops(io.BytesIO(content), detect_encoding(content), None)

    claimants = [shape.format for shape in SHAPES.values() if claims(shape, tops)]

    assert claimants == [format for format in Format if name.startswith(format) and format != Format.PLAIN][-1:]


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"PK\x03\x04", b"\x1f\x8b\x08", b"{", b'[{"', b"\xff\xfe", b'{"a":'])
)
@settings(max_examples=150, deadline=None)
def test_random_bytes_are_read_or_refused(content: bytes, start: bytes) -> None:
    with suppress(UnreadableReport):
        detect(io.BytesIO(start + content))
        read(start + content)


@given(st.sampled_from(sorted(CONTENTS)), st.data())
@settings(max_examples=250, deadline=None)
def test_damaged_files_are_read_or_refused_and_no_line_is_lost(name: str, data: st.DataObject) -> None:
    content = bytearray(CONTENTS[name])
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(content)))
        upto = at + data.draw(st.sampled_from([0, 0, 1, 2, 30]))
        pieces = [b"", b'"', b"\n", b"\r", b",", b"\0", b"{", b"}", b"]", b"Total", b"--", b"\xff", b"|"]
        content[at:upto] = data.draw(st.sampled_from(pieces) | st.binary(max_size=4))
    format = data.draw(st.none() | st.sampled_from(list(Format)))

    with suppress(UnreadableReport):
        read(bytes(content), format)


@given(st.lists(st.sampled_from(['{"a":', "1", "{", "}", "[", "]", ",", '"', "\n", '{"results":[', '{"b":"x"}', "\\"])))
@settings(deadline=None)
def test_pieces_of_json_are_read_or_refused(pieces: list[str]) -> None:
    with suppress(UnreadableReport):
        read(('{"campaign.id":"1","metrics.cost_micros":1,"segments.date":"2026-09-01"}\n' + "".join(pieces)).encode())


def test_a_cell_of_a_report_never_makes_it_another_report() -> None:
    names = "Report Name: x|metrics.cost_micros|By Day|Amount spent (USD)|CampaignName|Currency code|TimePeriod"
    rows = "".join(f"2026-09-0{at},{name},1.50,USD\n" for at, name in enumerate(names.split("|"), 1))

    content = ("date,campaign,cost,currency\n" + rows).encode()

    assert len(read(content, Format.PLAIN)) == 7
    assert detect(io.BytesIO(content)) == Format.PLAIN


def grown(stream: io.BytesIO, count: int) -> int:
    """By how many blocks of memory the reading grew after its first tenth. A row that is kept takes ten or more."""
    blocks = 0
    for at, row in enumerate(parse(stream), 1):
        assert isinstance(row, ReportRow)
        if at == count // 10:
            blocks = sys.getallocatedblocks()
    assert at == count
    return sys.getallocatedblocks() - blocks


@pytest.mark.slow
def test_a_hundred_thousand_rows_in_a_zip_stream_in_little_memory() -> None:
    lines = CONTENTS["microsoft_ads.csv"].decode().splitlines(keepends=True)
    first, _ = FIRST_AND_LAST["microsoft_ads.csv"]
    rows = (lines[first].replace("2/1/2020", f"2/{1 + at % 28}/2020") for at in range(100_000))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("report.csv", "".join([*lines[:first], *rows, *lines[-2:]]))

    assert grown(packed, 100_000) < 10_000


@pytest.mark.slow
@pytest.mark.parametrize("between", [",", "\n"])
def test_objects_stream_in_little_memory_in_one_line_or_in_many(between: str) -> None:
    row = json.dumps({"campaign": {"id": "1"}, "segments": {"date": "2026-09-01"}, "metrics": {"costMicros": "5"}})
    text = between.join([row] * 30_000)

    assert grown(io.BytesIO(f"[{text}]".encode() if between == "," else text.encode()), 30_000) < 10_000
