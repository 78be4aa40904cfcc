"""Python's garbage collector in processes that work by the thousand: batches, slices, ticks."""

import gc

YOUNG = 5_000
"""Objects that may be made beyond those that are gone, until the collector looks among them for cycles.

Those of a batch or a slice are some thousand, live until it is written, and make no cycles.
"""


def settle() -> None:
    """Leave out what is loaded by now of every later collection, and collect less often than Python does by itself.

    Without it a process goes through all of Django again and again while it works, to find nothing.
    """
    # Not collected first: that would write to every page that a child of a fork shares with its parent.
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
