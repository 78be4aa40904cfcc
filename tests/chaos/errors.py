"""What stops the harness before it begins."""


class Missing(Exception):
    """This machine lacks something that the harness cannot do without; the message names it."""
