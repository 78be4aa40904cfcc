"""The one exception that ends `run.py` with a message instead of a traceback."""


class LauncherError(Exception):
    """Something the user can mend; the message says how."""
