"""The API's document: Swagger 2.0 from the views, with a problem and an example for every error answer."""

from http import HTTPStatus
from typing import Any

from drf_yasg import openapi
from drf_yasg.inspectors import SwaggerAutoSchema
from rest_framework import serializers

from scheduler_service.errors import DETAILS, PROBLEM_JSON, problem

JSON = "application/json"

INFO = openapi.Info(
    title="Scheduler service",
    default_version="v1",
    description=(
        "Send tasks, one or many, and task schedules; read their states and results.\n\n"
        "Every address also exists under `/api/v1/`, and works with and without its last slash. Times are "
        "RFC 3339 with an offset; answers use UTC. Every error is a problem (RFC 9457)."
    ),
    license=openapi.License(name="MIT"),
)


class FaultSerializer(serializers.Serializer):
    """One fault of a request: `pointer` says where in the body, `parameter` where in the query."""

    code = serializers.CharField()
    detail = serializers.CharField()
    pointer = serializers.CharField(required=False, help_text="JSON Pointer as a URI fragment: `#/tags/0`.")
    parameter = serializers.CharField(required=False)

    class Meta:
        ref_name = "Fault"


class ProblemSerializer(serializers.Serializer):
    """Every error answer (RFC 9457)."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField(help_text="For programs.")
    detail = serializers.CharField(help_text="For people: what is wrong and what to do.")
    errors = FaultSerializer(many=True, help_text="Every fault of the request.")  # type: ignore[assignment]

    class Meta:
        ref_name = "Problem"


def answer(description: str, schema: Any, example: Any) -> openapi.Response:
    """A successful answer of the document."""
    return openapi.Response(description, schema, examples={JSON: example})


def problem_answer(
    status: int, code: str, detail: str, errors: list[dict[str, Any]] | None = None
) -> openapi.Response:
    """An error answer of the document."""
    example = problem(status, code, detail, errors)
    return openapi.Response(HTTPStatus(status).phrase, ProblemSerializer, examples={PROBLEM_JSON: example})


_BODY_FAULT = {"code": "required", "detail": "This field is required.", "pointer": "#/operation"}
_QUERY_FAULT = {"code": "invalid", "detail": "Use a whole number from 1 to 1000.", "parameter": "page_size"}

_BAD_BODY = problem_answer(400, "validation_error", "operation: This field is required.", [_BODY_FAULT])
_BAD_QUERY = problem_answer(
    400, "validation_error", "page_size: Use a whole number from 1 to 1000.", [_QUERY_FAULT]
)
_NOT_FOUND = problem_answer(404, "not_found", "There is nothing with this id.")
_TOO_LARGE = problem_answer(
    413, "payload_too_large", "The body is larger than 16777216 bytes; send it in smaller parts."
)
_WRONG_TYPE = problem_answer(
    415,
    "unsupported_media_type",
    'Unsupported media type "text/plain" in request. Send the body with Content-Type: application/json.',
)
_UNAVAILABLE = problem_answer(503, "unavailable", DETAILS[503])


class ProblemAwareSchema(SwaggerAutoSchema):
    """Adds the error answers that follow from an operation's kind to those that its view declares."""

    def get_response_serializers(self) -> dict[str, Any]:
        return {**self._usual_problems(), **super().get_response_serializers()}

    def _usual_problems(self) -> dict[str, Any]:
        has_body = bool(self.get_request_body_parameters(self.get_consumes()))
        has_query = bool(self.get_query_parameters())
        usual = {
            "400": _BAD_BODY if has_body else _BAD_QUERY if has_query else None,
            "404": _NOT_FOUND if "{" in self.path else None,
            "413": _TOO_LARGE if has_body else None,
            "415": _WRONG_TYPE if has_body else None,
            "503": _UNAVAILABLE,
        }
        return {status: response for status, response in usual.items() if response}

    def get_produces(self) -> list[str]:
        return [JSON, PROBLEM_JSON]
