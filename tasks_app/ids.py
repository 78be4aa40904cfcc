"""Identifiers of tasks and schedules."""

import uuid

import uuid_utils.compat


def new_id() -> uuid.UUID:
    """A time-ordered UUID (RFC 9562, version 7), monotonic within a process: creation order is id order."""
    return uuid_utils.compat.uuid7()
