"""Bodies: JSON whose numbers stay as they were written."""

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import IO, Any

from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser


def _refuse_constant(name: str) -> Any:
    raise ParseError(f"{name} is not a number in JSON.")


class JSON(BaseParser):
    """JSON. A number with decimals becomes a Decimal, digit for digit: money never passes through a float."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            text = stream.read().decode("utf-8")
            return json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
        except UnicodeDecodeError as error:
            raise ParseError("The body is not UTF-8.") from error
        except RecursionError as error:
            raise ParseError("The body is nested too deep.") from error
        except ValueError as error:
            raise ParseError(f"The body is not JSON: {error}") from error


class JSONInForm(JSON):
    """JSON that a client has called a form, as `curl -d '{…}'` does when it is not told better."""

    media_type = "application/x-www-form-urlencoded"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            return super().parse(stream, media_type, parser_context)
        except ParseError as error:
            if "not JSON" not in str(error.detail):
                raise
            raise UnsupportedMediaType(
                self.media_type, "Send JSON, and the header Content-Type: application/json."
            ) from error
