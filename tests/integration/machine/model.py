"""The reference: what each verb of the store does, in plain Python, one row after the other."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from tasks_app.lifecycle import MAX_CRASHES, TERMINAL, WAITING, Backoff, Curve, Outcome, Status
from tasks_app.records import JSON, Claim, Ending, NewTask
from tests.integration.machine.snapshot import Ended, Row, Snapshot

Taken = tuple[UUID, int, int]
"""A claim's task, fence and attempt."""


class Model(Snapshot):
    """Tables in memory. Each verb changes them and returns what the store must answer."""

    def create(self, new: Sequence[NewTask], now: datetime) -> list[UUID]:
        answer = []
        for item in new:
            holder = self._holder(item.project_id, item.unique_key)
            if holder is None:
                self.rows[item.task_id] = _row(item, now)
            answer.append(holder or item.task_id)
        return answer

    def claim(
        self, queue: str, worker: str, limit: int, lease: float, slow: Sequence[str], now: datetime
    ) -> list[Taken]:
        taken = self._slice(queue, limit, slow, now)
        for row in taken:
            row.status, row.worker, row.progress = Status.STARTED, worker, None
            row.fence, row.attempt = row.fence + 1, row.attempt + 1
            row.started_at, row.lease_expires_at = now, now + timedelta(seconds=lease)
        return [(row.task_id, row.fence, row.attempt) for row in taken]

    def finish(self, endings: Iterable[Ending], now: datetime) -> set[UUID]:
        return {item.claim.task_id for item in endings if self._end(item, now)}

    def release(self, claims: Iterable[Claim], now: datetime) -> set[UUID]:
        held = self._held(claims)
        for row in held:
            row.status, row.worker, row.started_at, row.lease_expires_at = Status.PENDING, "", None, None
            row.attempt -= 1
            if row.cancel_requested_at is not None:
                row.status, row.finished_at = Status.CANCELLED, now
        return {row.task_id for row in held}

    def heartbeat(self, claims: Iterable[Claim], lease: float, now: datetime) -> set[UUID]:
        held = self._held(claims)
        for row in held:
            row.lease_expires_at = now + timedelta(seconds=lease)
        return {row.task_id for row in held}

    def progress(self, claim: Claim, value: JSON) -> bool:
        held = self._held([claim])
        for row in held:
            row.progress = value
        return bool(held)

    def cancel(self, task_ids: Iterable[UUID], now: datetime, project_id: int | None = None) -> set[UUID]:
        known = [row for task_id in task_ids if (row := self._seen_from(project_id, task_id))]
        changed = [row for row in known if row.status not in TERMINAL and row.cancel_requested_at is None]
        for row in changed:
            row.cancel_requested_at = now
            if row.status in WAITING:
                row.status, row.finished_at = Status.CANCELLED, now
        return {row.task_id for row in changed}

    def delete(self, task_id: UUID, project_id: int | None = None) -> bool:
        row = self._seen_from(project_id, task_id)
        if row is None or row.attempt or row.status not in {Status.SCHEDULED, Status.PENDING}:
            return False
        del self.rows[task_id]
        return True

    def retry(
        self, task_id: UUID, new_id: UUID | None, now: datetime, project_id: int | None = None
    ) -> UUID | None:
        old = self._seen_from(project_id, task_id)
        if old is None or old.status not in TERMINAL:
            return None
        assert new_id is not None, f"no new task for {task_id}"
        self.rows[new_id] = Row(
            task_id=new_id,
            status=Status.PENDING,
            unique_key=None,
            retry_of=task_id,
            run_at=now,
            expires_at=None,
            created_at=now,
            **{name: getattr(old, name) for name in _COPIED},
        )
        return new_id

    def promote(self, now: datetime) -> int:
        due = [
            row
            for row in self.rows.values()
            if row.status in {Status.SCHEDULED, Status.RETRY} and row.run_at <= now and _may_start(row, now)
        ]
        for row in due:
            row.status = Status.PENDING
        return len(due)

    def expire(self, now: datetime) -> int:
        overdue = [row for row in self.rows.values() if row.status in WAITING and not _may_start(row, now)]
        for row in overdue:
            row.status, row.finished_at, row.error = Status.EXPIRED, now, "expired"
        return len(overdue)

    def rescue(self, now: datetime, draw: float) -> set[UUID]:
        endings = [_loss(row, draw) for row in self.rows.values() if _is_lost(row, now)]
        return self.finish(endings, now)

    def prune(self, status: Status, before: datetime) -> int:
        old = [
            row.task_id
            for row in self.rows.values()
            if row.status == status and row.finished_at and row.finished_at < before
        ]
        for task_id in old:
            del self.rows[task_id]
            self.attempts.pop(task_id, None)
        return len(old)

    def holds(self, claim: Claim) -> bool:
        """Whether the claim is the task's current one."""
        return bool(self._held([claim]))

    def _seen_from(self, project_id: int | None, task_id: UUID) -> Row | None:
        """The task, unless it is of another project than the one that asks."""
        row = self.rows.get(task_id)
        return row if row is not None and project_id in (None, row.project_id) else None

    def _slice(self, queue: str, limit: int, slow: Sequence[str], now: datetime) -> list[Row]:
        pending = [row for row in self.rows.values() if row.queue == queue and row.status == Status.PENDING]
        claimable = sorted((row for row in pending if _may_start(row, now)), key=Row.urgency)
        if not claimable or claimable[0].operation in slow:
            return claimable[:1]
        urgent = [row for row in claimable if row.priority == claimable[0].priority]
        return [row for row in urgent if row.operation not in slow][:limit]

    def _end(self, ending: Ending, now: datetime) -> bool:
        held = self._held([ending.claim])
        for row in held:
            ended = (row.attempt, row.fence, row.worker, row.started_at, now, ending.outcome)
            self.attempts[row.task_id].append(Ended(*ended))
            row.status, row.result, row.lease_expires_at = ending.status, ending.result, None
            row.error = ending.error["code"] if ending.error else None
            row.crashes += ending.outcome is Outcome.LOST
            if ending.status is Status.RETRY and row.cancel_requested_at is not None:
                row.status = Status.CANCELLED
            if row.status == Status.RETRY:
                row.run_at = now + timedelta(seconds=ending.wait_seconds)
            else:
                row.finished_at = now
        return bool(held)

    def _held(self, claims: Iterable[Claim]) -> list[Row]:
        rows = [(self.rows.get(claim.task_id), claim.fence) for claim in claims]
        return [row for row, fence in rows if row and row.status == Status.STARTED and row.fence == fence]

    def _holder(self, project_id: int, key: str | None) -> UUID | None:
        for row in self.rows.values():
            is_its = key is not None and (row.project_id, row.unique_key) == (project_id, key)
            if is_its and row.status not in TERMINAL:
                return row.task_id
        return None


_COPIED = (
    "operation",
    "arguments",
    "priority",
    "queue",
    "max_attempts",
    "retry_backoff",
    "retry_base_seconds",
    "project_id",
)


def copy_of(snapshot: Snapshot) -> Snapshot:
    """The same tables, not touched by what becomes of the original."""
    rows = {task_id: replace(row) for task_id, row in snapshot.rows.items()}
    return Snapshot(rows, {task_id: list(ended) for task_id, ended in snapshot.attempts.items()})


def _row(new: NewTask, now: datetime) -> Row:
    run_at = new.run_at or now
    return Row(
        task_id=new.task_id,
        operation=new.operation,
        arguments=new.arguments,
        priority=new.priority,
        queue=new.queue,
        max_attempts=new.max_attempts,
        retry_backoff=new.backoff.curve,
        retry_base_seconds=new.backoff.base_seconds,
        unique_key=new.unique_key,
        project_id=new.project_id,
        retry_of=new.retry_of,
        run_at=run_at,
        expires_at=new.expires_at,
        created_at=now,
        status=Status.PENDING if run_at <= now else Status.SCHEDULED,
    )


def _may_start(row: Row, now: datetime) -> bool:
    return row.expires_at is None or row.expires_at > now


def _is_lost(row: Row, now: datetime) -> bool:
    return row.lease_expires_at is not None and row.lease_expires_at < now


def _loss(row: Row, draw: float) -> Ending:
    status, wait = Status.RETRY, 0.0
    if row.cancel_requested_at is not None:
        status = Status.CANCELLED
    elif row.attempt == row.max_attempts or row.crashes + 1 >= MAX_CRASHES:
        status = Status.ERROR
    else:
        wait = Backoff(row.retry_base_seconds, curve=Curve(row.retry_backoff)).seconds(row.attempt, draw)
    return Ending(
        claim=_claim_of(row),
        outcome=Outcome.LOST,
        status=status,
        wait_seconds=wait,
        error={"code": "worker_lost"},
    )


def _claim_of(row: Row) -> Claim:
    return Claim(
        task_id=row.task_id,
        fence=row.fence,
        queue=row.queue,
        operation=row.operation,
        arguments_json=json.dumps(row.arguments),
        attempt=row.attempt,
        max_attempts=row.max_attempts,
        timeout_seconds=30.0,
    )
