"""The API in a browser."""

import json
from typing import Any

from django.conf import settings
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer

MEDIA_TYPE = "application/problem+json"


class JSONAnswer(JSONRenderer):
    """JSON; a problem says of itself that it is one."""

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> Any:
        response = (renderer_context or {}).get("response")
        # The page for browsers has its JSON made here too, and is not a problem itself.
        is_the_answer = isinstance(getattr(response, "accepted_renderer", None), JSONAnswer)
        if response is not None and is_the_answer and getattr(response, "problem", False):
            response["Content-Type"] = MEDIA_TYPE
        return super().render(data, accepted_media_type, renderer_context)


class BrowsableAPI(BrowsableAPIRenderer):
    """REST framework's, under our name; in demo mode it says so. Bodies are typed as JSON, the one form of input."""

    template = "budget/api.html"

    def get_context(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return {**super().get_context(*args, **kwargs), "demo": settings.DEMO}

    def render_form_for_serializer(self, serializer: Any) -> str:
        return ""

    def get_rendered_html_form(self, data: Any, view: Any, method: str, request: Any) -> Any:
        return None if method in {"POST", "PUT"} else super().get_rendered_html_form(data, view, method, request)

    def get_raw_data_form(self, data: Any, view: Any, method: str, request: Any) -> Any:
        """REST framework's, without the outputs, which a change refuses."""
        form: Any = super().get_raw_data_form(data, view, method, request)
        if form is not None and method in {"PUT", "PATCH"} and (text := form.fields["_content"].initial):
            fields = view.get_serializer().fields
            taken = {name: value for name, value in json.loads(text).items() if not fields[name].read_only}
            form.fields["_content"].initial = json.dumps(taken, indent=4, ensure_ascii=False)
        return form
