"""Small change of English for descriptions: lists, plurals, ordinals, times of day."""

from collections.abc import Sequence
from datetime import datetime, time


def listed(words: Sequence[str]) -> str:
    """The words as `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def plural(number: int, word: str) -> str:
    """The number with its word, as in `1 day` and `2 days`."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def ordinal(number: int) -> str:
    """The number as in `1st`; counted from the end if negative: `last`, `2nd-to-last`."""
    if number == -1:
        return "last"
    if number < 0:
        return f"{ordinal(-number)}-to-last"
    suffix = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def clock(at: time | datetime) -> str:
    """The time of day, with seconds only if it has any."""
    return f"{at:%H:%M:%S}" if at.second else f"{at:%H:%M}"
