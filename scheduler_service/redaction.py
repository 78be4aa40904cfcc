"""Takes secrets out of text before it is logged: the service's own by value, others by the form they have."""

import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import unquote, urlsplit

REDACTED = "[redacted]"
SHORTEST = 8
"""Characters. A shorter secret is only found by its form: as a value it could be part of any word."""

_HEADER = r"authorization|proxy-authorization|cookie|set-cookie|x-api-key"
_FIELD = r"password|passwd|pwd|secret|secret_key|api_?key|access_token|refresh_token|client_secret"
_FORMS: tuple[tuple[re.Pattern[str], str], ...] = (
    # The password of a URL; up to the last @ before the path, should one stand in it unquoted.
    (re.compile(r"(://[^\s:/@'\"]*:)[^\s/'\"]+(?=@)"), rf"\1{REDACTED}"),
    # A header: all of its line, or its quoted value in a dumped mapping (which WSGI spells HTTP_AUTHORIZATION).
    (
        re.compile(rf"(?i)((?:{_HEADER.replace('-', '[-_]')})(['\"])\s*[:,]\s*b?)(['\"]).*?\3"),
        rf"\1\3{REDACTED}\3",
    ),
    (
        re.compile(rf"(?im)((?:{_HEADER.replace('-', '[-_]')})\s*[:=]\s*)(?!['\"])\S[^\r\n'\"]*"),
        rf"\1{REDACTED}",
    ),
    (re.compile(r"\b(Bearer|Basic|Digest|Token)\s+(?=\S*[0-9=])[\w.~+/-]{8,}=*"), rf"\1 {REDACTED}"),
    (re.compile(r"\bwhsec_[\w+/=-]+"), f"whsec_{REDACTED}"),
    # A key of the API: its first part is public, and says which key it was.
    (re.compile(r"\b(key_[0-9a-f]{12}\.)[\w-]{8,}"), rf"\1{REDACTED}"),
    (
        re.compile(rf"(?i)(\b(?:\w+_)?(?:{_FIELD})['\"]?\s*[=:]\s*)(['\"])(?!\[redacted).*?\2"),
        rf"\1\2{REDACTED}\2",
    ),
    (re.compile(rf"(?i)(\b(?:\w+_)?(?:{_FIELD})=)(?!['\"\[])[^\s'\",;&)\]}}]+"), rf"\1{REDACTED}"),
)


def redactor(secrets: Iterable[str] = ()) -> Callable[[str], str]:
    """A function that replaces these values, and whatever has the form of a secret, by `[redacted]`."""
    values = sorted({text for text in secrets if len(text) >= SHORTEST}, key=len, reverse=True)
    own = re.compile("|".join(map(re.escape, values))) if values else None

    def redact(text: str) -> str:
        if own is not None:
            text = own.sub(REDACTED, text)
        for form, replacement in _FORMS:
            text = form.sub(replacement, text)
        return text

    return redact


def passwords(urls: Iterable[str]) -> Iterator[str]:
    """The passwords in these URLs, as they stand there and decoded.

    One that is also the name of the user or of what is connected to is no secret, but a word of many lines.
    """
    for url in urls:
        try:
            parts = urlsplit(url)
            password = parts.password
        except ValueError:
            continue
        if password and password not in (parts.username, parts.hostname, parts.path.strip("/")):
            yield from {password, unquote(password)}
