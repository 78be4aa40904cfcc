"""What is counted of schedules, once for each slice of a tick."""

from collections import Counter
from collections.abc import Iterable

from django.db import transaction

from scheduler_service.metrics import catalog, counts
from schedules_app.models import Occurrence
from schedules_app.sql import FiredRow


def decided(fired: Iterable[FiredRow] = (), others: Iterable[Occurrence] = ()) -> None:
    """Occurrences got their verdicts, if the transaction is committed."""
    found = Counter((row.verdict, "") for row in fired)
    for row in others:
        found[(row.verdict, str(row.reason))] += row.count
    if found:
        changes = [((catalog.OCCURRENCES.name, *key), float(number)) for key, number in found.items()]
        transaction.on_commit(lambda: counts.add(changes), robust=True)
