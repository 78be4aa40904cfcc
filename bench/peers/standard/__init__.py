"""The standard answer: Django with Celery, django-celery-results and django-celery-beat, tuned as its docs allow."""

from bench.peers.standard.celery import app

__all__ = ["app"]
