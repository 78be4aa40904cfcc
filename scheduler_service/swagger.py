"""The API's document: Swagger 2.0 from the views, with a problem and an example for every error answer."""

from http import HTTPStatus
from typing import Any

from drf_yasg import openapi
from drf_yasg.inspectors import SwaggerAutoSchema
from rest_framework import serializers

from access_app.authentication import InvalidKey
from access_app.permissions import HasScope, InsufficientScope, TooManyRequests, scope_for
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


def header(description: str, *, is_required: bool = True, **more: Any) -> dict[str, Any]:
    """A header of an answer; `more` are keywords of its schema."""
    required = {"x-required": True} if is_required else {}
    return {"type": openapi.TYPE_STRING, "description": description, **more, **required}


LOCATION = {"Location": header("The address of what was created.", minLength=1)}
CHALLENGE = {"WWW-Authenticate": header("What is wrong with the key (RFC 6750).", pattern="^Bearer ")}
RETRY_AFTER = {"Retry-After": header("Seconds to wait.", pattern="^[0-9]+$")}


def answer(description: str, schema: Any, example: Any, **more: Any) -> openapi.Response:
    """A successful answer of the document; `more` are its headers and extensions."""
    return openapi.Response(description, schema, examples={JSON: example}, **more)


def problem_answer(
    status: int, code: str, detail: str, errors: list[dict[str, Any]] | None = None, **more: Any
) -> openapi.Response:
    """An error answer of the document; `more` are its headers."""
    example = problem(status, code, detail, errors)
    phrase = HTTPStatus(status).phrase
    return openapi.Response(phrase, ProblemSerializer, examples={PROBLEM_JSON: example}, **more)


_BODY_FAULT = {"code": "required", "detail": "This field is required.", "pointer": "#/operation"}
_QUERY_FAULT = {"code": "invalid", "detail": "Use a whole number from 1 to 1000.", "parameter": "page_size"}

_BAD_BODY = problem_answer(400, "validation_error", "operation: This field is required.", [_BODY_FAULT])
_BAD_QUERY = problem_answer(
    400, "validation_error", "page_size: Use a whole number from 1 to 1000.", [_QUERY_FAULT]
)
_NO_PARAMETERS = problem_answer(
    400,
    "validation_error",
    "verbose: There is no such parameter; this address takes none.",
    [
        {
            "code": "unknown_parameter",
            "detail": "There is no such parameter; this address takes none.",
            "parameter": "verbose",
        }
    ],
)
_NOT_ACCEPTABLE = problem_answer(
    406,
    "not_acceptable",
    "Could not satisfy the request Accept header. This address answers application/json.",
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
_UNAVAILABLE = problem_answer(503, "unavailable", DETAILS[503], headers=RETRY_AFTER)
_TOO_MANY = problem_answer(
    429, TooManyRequests.default_code, str(TooManyRequests(100, 1).detail), headers=RETRY_AFTER
)
_WRONG_KEY = problem_answer(401, InvalidKey.default_code, InvalidKey.default_detail, headers=CHALLENGE)


class ProblemAwareSchema(SwaggerAutoSchema):
    """Adds the error answers that follow from an operation's kind to those that its view declares."""

    def get_response_serializers(self) -> dict[str, Any]:
        return {**self._usual_problems(), **super().get_response_serializers()}

    def _usual_problems(self) -> dict[str, Any]:
        has_body = bool(self.get_request_body_parameters(self.get_consumes()))
        has_query = bool(self.get_query_parameters())
        usual = {
            "400": _BAD_BODY if has_body else _BAD_QUERY if has_query else _NO_PARAMETERS,
            "401": _WRONG_KEY if self._is_guarded() else None,
            "403": self._refusal() if self._is_guarded() else None,
            "406": _NOT_ACCEPTABLE,
            "429": _TOO_MANY if self._is_guarded() else None,
            "404": _NOT_FOUND if "{" in self.path else None,
            "413": _TOO_LARGE if has_body else None,
            "415": _WRONG_TYPE if has_body else None,
            "503": _UNAVAILABLE,
        }
        return {status: response for status, response in usual.items() if response}

    def make_body_parameter(self, schema: Any) -> openapi.Parameter:
        body = super().make_body_parameter(schema)
        body.required = not self.overrides.get("body_is_optional", False)
        return body

    def _is_guarded(self) -> bool:
        return HasScope in self.view.permission_classes

    def _refusal(self) -> openapi.Response:
        refused = InsufficientScope(scope_for(self.view, self.method))
        return problem_answer(403, refused.default_code, str(refused.detail))

    def get_security(self) -> list[dict[str, list[str]]] | None:
        """An empty list: the operation needs no key; None: it needs one, as the whole document says."""
        return super().get_security() if self._is_guarded() else []

    def get_produces(self) -> list[str]:
        return [JSON, PROBLEM_JSON]
