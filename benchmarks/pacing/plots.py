"""Line plots as PNG files with the standard library alone: plan and actual by the hour."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

WIDTH, HEIGHT = 760, 460
LEFT, RIGHT, TOP, BOTTOM = 60, 20, 50, 40
COLOURS = ((150, 150, 150), (44, 140, 60), (31, 119, 180), (214, 94, 30), (148, 60, 160))
_GLYPHS = {
    "0": "255552", "1": "262227", "2": "717747", "3": "717117", "4": "557711", "5": "747117", "6": "747757",
    "7": "711222", "8": "757757", "9": "757117", ".": "000002", ":": "020020", "%": "512245", "-": "000700",
    "+": "002720", "a": "257755", "b": "657656", "c": "344443", "d": "655556", "e": "746447", "f": "746444",
    "g": "345553", "h": "557555", "i": "722227", "j": "111152", "k": "556655", "l": "444447", "m": "577555",
    "n": "577775", "o": "255552", "p": "656444", "q": "255563", "r": "656655", "s": "342116", "t": "722222",
    "u": "555557", "v": "555552", "w": "555775", "x": "552255", "y": "552222", "z": "712447", " ": "000000",
}  # fmt: skip
"""Three by six points a letter, a digit a row."""


class Canvas:
    """Points of three bytes, white at first."""

    def __init__(self) -> None:
        self._rows = [bytearray(b"\xff" * WIDTH * 3) for _ in range(HEIGHT)]

    def dot(self, x: int, y: int, colour: tuple[int, int, int]) -> None:
        """One point, where it is on the canvas."""
        if 0 <= x < WIDTH and 0 <= y < HEIGHT:
            self._rows[y][x * 3 : x * 3 + 3] = bytes(colour)

    def line(self, x0: float, y0: float, x1: float, y1: float, colour: tuple[int, int, int], thick: int = 1) -> None:
        """A straight line."""
        steps = max(1, int(max(abs(x1 - x0), abs(y1 - y0))))
        for step in range(steps + 1):
            x, y = round(x0 + (x1 - x0) * step / steps), round(y0 + (y1 - y0) * step / steps)
            for offset in range(thick):
                self.dot(x, y + offset, colour)

    def text(self, x: int, y: int, text: str, colour: tuple[int, int, int] = (40, 40, 40), size: int = 2) -> None:
        """Small letters and digits."""
        for letter in text.lower():
            for row, bits in enumerate(_GLYPHS.get(letter, "000000")):
                for column in range(3):
                    if int(bits) >> (2 - column) & 1:
                        for dx in range(size):
                            for dy in range(size):
                                self.dot(x + column * size + dx, y + row * size + dy, colour)
            x += 4 * size

    def png(self) -> bytes:
        """The file's bytes (PNG specification: signature, IHDR, IDAT, IEND)."""
        raw = b"".join(b"\x00" + bytes(row) for row in self._rows)
        header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
        chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(raw, 9)), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
            for name, body in chunks
        )


def plot(path: Path, title: str, lines: Sequence[tuple[str, Sequence[float]]]) -> None:
    """Shares of the day's budget by hour of the day; each line has its values at even steps over the day."""
    canvas = Canvas()
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    for hour in range(0, 25, 3):
        x = LEFT + (right - LEFT) * hour / 24
        canvas.line(x, TOP, x, bottom, (225, 225, 225))
        canvas.text(round(x) - 8, bottom + 10, f"{hour:02d}")
    for percent in range(0, 101, 20):
        y = bottom - (bottom - TOP) * percent / 100
        canvas.line(LEFT, y, right, y, (225, 225, 225))
        canvas.text(8, round(y) - 6, f"{percent:3d}%")
    canvas.text(LEFT, 8, title)
    at = LEFT
    for (name, values), colour in zip(lines, COLOURS, strict=False):
        canvas.text(at, 28, name, colour)
        at += 8 * (len(name) + 3)
        points = [
            (LEFT + (right - LEFT) * i / (len(values) - 1), bottom - (bottom - TOP) * value)
            for i, value in enumerate(values)
        ]
        for (x0, y0), (x1, y1) in pairwise(points):
            canvas.line(x0, y0, x1, y1, colour, 2)
    path.write_bytes(canvas.png())
