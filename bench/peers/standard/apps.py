"""The app's name and label."""

from django.apps import AppConfig


class StandardConfig(AppConfig):
    """Holds the model of the ORM way."""

    name = "bench.peers.standard"
    label = "standard"
