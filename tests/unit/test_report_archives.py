"""Reports in zip and gzip files: one report, nothing written anywhere, no more unpacked than a report can be."""

import gzip
import io
import random
import zipfile
from collections.abc import Callable
from contextlib import suppress

import pytest

from spending.reports import archives
from spending.reports.formats import UnreadableReport, parse

PLAIN = b"date,campaign,cost\n2026-09-01,A,12.50\n"


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            # Without a time of its own: the bytes are in the names of tests, which two workers must agree on.
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def count(content: bytes) -> int:
    return len(list(parse(io.BytesIO(content))))


@pytest.mark.parametrize("others", [{}, {"reports/": b""}, {"__MACOSX/._report.csv": b"x"}])
def test_the_one_report_in_a_zip_is_read(others: dict[str, bytes]) -> None:
    assert count(zipped({**others, "reports/report.csv": PLAIN})) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zipped({"a.csv": PLAIN, "b.csv": PLAIN}), "holds 2 files"),
        (zipped({"reports/": b""}), "holds 0 files"),
        (zipped({}), "empty zip archive"),
        (zipped({"[Content_Types].xml": b"<Types/>", "xl/workbook.xml": b""}), "Excel workbook: save it as CSV"),
        (zipped({"a.zip": zipped({"a.csv": PLAIN})}), "zip archive"),
        (zipped({"a.csv": PLAIN})[:-30], "damaged"),
        (zipped({"a.csv": b""}), "the file is empty"),
        (gzip.compress(gzip.compress(PLAIN, mtime=0), mtime=0), "gzip archive"),
        (gzip.compress(PLAIN, mtime=0)[:-9], "damaged"),
        (gzip.compress(PLAIN, mtime=0)[:12] + b"\xff" * 40, "damaged"),
    ],
)
def test_an_archive_that_is_not_one_report_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(UnreadableReport, match=message):
        count(content)


def test_an_encrypted_zip_is_refused() -> None:
    content = bytearray(zipped({"a.csv": PLAIN}))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1

    with pytest.raises(UnreadableReport, match="encrypted"):
        count(bytes(content))


@pytest.mark.need(27)
@pytest.mark.parametrize("pack", [gzip.compress, lambda content: zipped({"a.csv": content})])
def test_what_unpacks_to_more_than_a_report_can_be_is_refused(
    pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 10_000)

    with pytest.raises(UnreadableReport, match="larger than"):
        count(pack(PLAIN + b"2026-09-01,A,12.50\n" * 1_000))


def test_a_zip_that_understates_its_size_is_damaged() -> None:
    content = bytearray(zipped({"a.csv": PLAIN * 100}))
    at = content.index(b"PK\x01\x02")
    content[at + 24 : at + 28] = (10).to_bytes(4, "little")

    with pytest.raises(UnreadableReport):
        count(bytes(content))


def test_archives_with_bytes_changed_are_read_or_refused() -> None:
    dice = random.Random(7)
    for pack in (gzip.compress(PLAIN * 3, mtime=0), zipped({"a.csv": PLAIN * 3})):
        for _ in range(1_500):
            content = bytearray(pack)
            for _ in range(dice.randint(1, 3)):
                content[dice.randrange(len(content))] = dice.choice([0, 1, 8, 0x50, 0xFF, dice.randrange(256)])
            with suppress(UnreadableReport):
                count(bytes(content))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_unusual_way_of_packing_is_refused(method: int) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("a.csv", PLAIN)

    with pytest.raises(UnreadableReport, match="packed in an unusual way"):
        count(file.getvalue())
