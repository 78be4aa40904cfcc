"""Hostile clients against the real web server: what only it shows, and a sweep over the documented addresses."""
