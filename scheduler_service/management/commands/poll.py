"""`manage.py poll`: work, or tend the tables, without a broker."""

import os
import signal
import threading
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from scheduler_service import polling, telemetry
from scheduler_service.metrics import server as metrics_server
from tasks_app import shutdown

ORPHAN_CHECK = 1.0
"""Seconds between two looks whether the parent process still lives."""


class Command(BaseCommand):
    """Run workers, or the tender, that look at the table instead of waiting for a broker's messages."""

    help = "Run without a broker: workers that poll the table, or with --tender what beat does otherwise."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--queues", default="", help="comma-separated; default: all queues")
        parser.add_argument("--processes", type=int, default=2, help="worker processes (default 2)")
        parser.add_argument("--every", type=float, default=0.25, help="seconds between looks (default 0.25)")
        parser.add_argument(
            "--grace", type=float, default=30.0, help="seconds to finish at a stop (default 30)"
        )
        parser.add_argument("--tender", action="store_true", help="tick schedules, sweep, rescue, prune")
        parser.add_argument("--child", action="store_true", help="be one worker process")

    def handle(self, *args: Any, **options: Any) -> None:
        stopping = threading.Event()
        _stop_on_signals(stopping)
        telemetry.trace(settings.CONFIG)
        if not options["child"]:
            metrics_server.serve(settings.CONFIG, is_open=settings.METRICS_ARE_OPEN)
        if options["tender"]:
            keeper = threading.Thread(target=polling.keep_time, args=[stopping.wait], name="keep-time")
            keeper.start()
            polling.tend(polling.chores(), stopping.wait)
            keeper.join()
        elif options["child"]:
            queues = [name.strip() for name in options["queues"].split(",") if name.strip()]
            polling.work(queues, options["every"], _stop_with_parent(stopping))
        else:
            arguments = ["--queues", options["queues"], "--every", str(options["every"])]
            polling.supervise(options["processes"], arguments, stopping, options["grace"])


def _stop_on_signals(stopping: threading.Event) -> None:
    def stop(number: int, frame: object) -> None:
        shutdown.stop()
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, stop)


def _stop_with_parent(stopping: threading.Event) -> Callable[[float], bool]:
    parent = int(os.environ.get("SCHEDULER_PARENT", "0"))

    def watch() -> None:
        while os.getppid() == parent and not stopping.wait(ORPHAN_CHECK):
            pass
        shutdown.stop()
        stopping.set()

    if parent:
        threading.Thread(target=watch, name="parent-watch", daemon=True).start()
    return stopping.wait
