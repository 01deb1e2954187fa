"""Bodies: JSON whose numbers stay as they were written."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer

from budget_system.rest.problems import LengthRequired

_HALF_A_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")
"""How JSON may write one half of a pair of surrogates: alone it is no text, and can be neither stored nor answered."""


def _refuse_constant(name: str) -> Any:
    raise ParseError(f"{name} is not a number in JSON.")


class JSON(BaseParser):
    """JSON. A number with decimals becomes a Decimal, digit for digit: money never passes through a float."""

    media_type = "application/json"
    renderer_class = JSONRenderer  # what the browsable pages fill their forms with

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        request = (parser_context or {}).get("request")
        if request is not None and "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get("CONTENT_LENGTH"):
            raise LengthRequired
        limit: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(limit + 1)  # Django's own limit is for bodies that Django reads itself
        if len(body) > limit:
            raise RequestDataTooBig
        try:
            text = body.decode("utf-8")
            data = json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)
            if _HALF_A_CHARACTER.search(text):
                json.dumps(data, ensure_ascii=False, default=str).encode()
        except UnicodeDecodeError as error:
            raise ParseError("The body is not UTF-8.") from error
        except UnicodeEncodeError as error:
            raise ParseError(
                "The body holds half a character: a surrogate without the other one of its pair."
            ) from error
        except RecursionError as error:
            raise ParseError("The body is nested too deep.") from error
        except ValueError as error:
            raise ParseError(f"The body is not JSON: {error}") from error
        return data


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
