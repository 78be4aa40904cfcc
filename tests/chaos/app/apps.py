"""Adds the harness's operations, and patches the service where a test of the checker asks for it."""

import os

from django.apps import AppConfig


class ChaosConfig(AppConfig):
    name = "tests.chaos.app"
    label = "chaos"

    def ready(self) -> None:
        from tests.chaos import mutants

        mutants.install(os.environ)
