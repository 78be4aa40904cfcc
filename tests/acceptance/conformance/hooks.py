"""What Schemathesis loads: truly valid data, links, and the few findings that are none, each with its reason."""

from datetime import datetime
from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis.core.failures import Failure
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import TestPhase
from schemathesis.openapi.checks import MissingContentType, RejectedPositiveData

from tests.acceptance.conformance import links, stored, valid

NO_CONTENT = {204, 304}


OFFSETS = ("Z", "+00:00", "-05:00", "+05:45", "+14:00", "-12:00")
# Of the years that the service takes: of all there are, nearly every example would be thrown away.
schemathesis.openapi.format(
    "date-time",
    st.builds(
        lambda moment, offset: f"{moment.isoformat()}{offset}",
        st.datetimes(datetime(1970, 1, 2), datetime(2999, 12, 30)),  # noqa: DTZ001 - the offset follows
        st.sampled_from(OFFSETS),
    ),
)
# Nothing is sent elsewhere, and nothing listens here.
schemathesis.openapi.format("uri", st.sampled_from(valid.CALLBACKS))


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    links.add(raw_schema)
    links.add_dry_run(raw_schema)
    links.close(raw_schema)


@schemathesis.hook
def map_case(context: Any, case: Any) -> Any:
    if case.meta is None:
        return case
    if case.meta.phase.name != TestPhase.STATEFUL and not case.meta.is_negative_at(ParameterLocation.PATH):
        stored.lead(case)  # links do that for the steps of a story
    if case.meta.phase.name != TestPhase.STATEFUL and not case.meta.is_negative_at(ParameterLocation.HEADER):
        stored.match(case)
    if case.meta.generation.mode.is_positive:
        valid.mend(case)
    return case


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    stored.renew_key(case)


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    stored.learn(case, response)


@schemathesis.hook
def filter_failure(context: Any, failure: Failure, case: Any, response: Any) -> bool:
    if isinstance(failure, MissingContentType):
        # Swagger 2.0 names the media types of an address, not of each of its answers; these have no body.
        return response.status_code not in NO_CONTENT
    if isinstance(failure, RejectedPositiveData):
        is_problem = response.headers["content-type"] == ["application/problem+json"]
        return not (is_problem and valid.is_refused_by_state(case, response.json()))
    return True
