"""Reports inside a zip or gzip file, read without being unpacked to anywhere.

An archive has one member, whose name is looked at but never used as a path. What is unpacked is counted: a small file
can claim to hold far more than a disk does.
"""

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Sequence
from typing import IO

from spending.reports.text import UnreadableReport

MAX_UNPACKED_BYTES = 512 * 1024 * 1024
"""A report of half a million rows is a fifth of this."""
_Packed = IO[bytes] | gzip.GzipFile
_ZIP, _GZIP = b"PK\x03\x04", b"\x1f\x8b"
_DAMAGED = (
    # What the standard library raises, by experience, for archives with bytes changed.
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError),
    *(NotImplementedError, RuntimeError, ValueError, LookupError, OverflowError),
)
_HIDDEN = ("__MACOSX/", ".DS_Store")  # what macOS adds
_WORKBOOK = (
    "this is an Excel workbook: save it as CSV (UTF-8), or export the report again as CSV (TikTok, Meta and Google "
    "Ads offer CSV where they offer Excel), and send that"
)


def unpacked(stream: IO[bytes]) -> IO[bytes]:
    """The file in a zip or gzip, or `stream` itself when it is neither. Raises `UnreadableReport`."""
    stream.seek(0)
    magic = stream.read(4)
    stream.seek(0)
    if magic == _ZIP:
        return _reader(_zip_member(stream))
    if magic.startswith(_GZIP):
        return _reader(gzip.GzipFile(fileobj=stream, mode="rb"))
    return stream


def _zip_member(stream: IO[bytes]) -> IO[bytes]:
    try:
        archive = zipfile.ZipFile(stream)
        member, trouble = _only_file(archive.infolist())
        if member is not None:
            return archive.open(member)
    except _DAMAGED as error:
        raise UnreadableReport("this zip archive is damaged: get it again, or send the report in it") from error
    raise UnreadableReport(trouble)


def _only_file(members: Sequence[zipfile.ZipInfo]) -> tuple[zipfile.ZipInfo | None, str]:
    """The report among the members, or what is wrong."""
    if any(member.filename == "[Content_Types].xml" for member in members):
        return None, _WORKBOOK
    files = [one for one in members if not one.filename.endswith("/") and not one.filename.startswith(_HIDDEN)]
    if len(files) != 1:
        return (
            None,
            f"this zip archive holds {len(files):,} files: send one with one report in it, or the report itself",
        )
    if files[0].flag_bits & 1:
        return None, "this zip archive is encrypted: unpack it and send the report in it"
    if files[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return None, "this zip archive is packed in an unusual way: unpack it and send the report in it"
    if files[0].file_size > MAX_UNPACKED_BYTES:
        return None, _too_large()
    return files[0], ""


def _reader(packed: _Packed) -> IO[bytes]:
    return io.BufferedReader(_Unpacked(packed))


def _too_large() -> str:
    return f"the report in this archive is larger than {MAX_UNPACKED_BYTES // 2**20} MB unpacked: split it"


class _Unpacked(io.RawIOBase):
    """What an archive holds: counted, and its damages told as what they are. It goes back to its start only."""

    def __init__(self, packed: _Packed) -> None:
        super().__init__()
        self._packed = packed
        self._at = 0

    def readable(self) -> bool:
        """See `io`."""
        return True

    def seekable(self) -> bool:
        """See `io`."""
        return True

    def tell(self) -> int:
        """See `io`."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """To the start; anywhere else only to where it is."""
        if whence == io.SEEK_SET and offset == 0:
            self._packed.seek(0)
            self._at = 0
        elif (whence, offset) not in ((io.SEEK_SET, self._at), (io.SEEK_CUR, 0)):
            raise io.UnsupportedOperation("a packed report is read from its start")
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """See `io`. Raises `UnreadableReport`."""
        try:
            data = self._packed.read(len(buffer))
        except _DAMAGED as error:
            raise UnreadableReport("this archive is damaged: get it again, or send the report in it") from error
        self._at += len(data)
        if self._at > MAX_UNPACKED_BYTES:
            raise UnreadableReport(_too_large())
        buffer[: len(data)] = data
        return len(data)
