"""What browsers may do with the service's answers: headers on every one of them.

Pages load nothing but the service's own files and run no inline script; anything else, JSON above all, is not
a page and may load nothing at all. Django 6.0 has this for pages; until then it is these few lines.
"""

from base64 import b64encode
from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

CSP = "Content-Security-Policy"
_PAGE = {
    "default-src": "'self'",
    # Swagger UI's and the admin's icons stand in their style sheets.
    "img-src": "'self' data:",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}


def policy(**changes: str) -> str:
    """A page's Content-Security-Policy, with directives changed or added: `style_src="'self'"`."""
    directives = {**_PAGE, **{name.replace("_", "-"): value for name, value in changes.items()}}
    return "; ".join(f"{name} {value}" for name, value in directives.items())


def _digest(text: str) -> str:
    """How a policy names a script or style that stands in a page."""
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


PAGE = policy()
SWAGGER_STYLES = (
    ".logo_small_svg__cls-2{fill:#fff}.logo_small_svg__cls-3{fill:#85ea2d}",
    "@-webkit-keyframes insQ_100 {  from {  outline: 1px solid transparent  } "
    "to {  outline: 0px solid transparent }  }\n.auth-wrapper .authorize "
    "{ animation-duration: 0.001s; animation-name: insQ_100; -webkit-animation-duration: 0.001s; "
    "-webkit-animation-name: insQ_100;  } ",
)
"""What the scripts of Swagger UI and of drf-yasg write into style elements, to the letter."""
SWAGGER = policy(style_src=" ".join(["'self'", *map(_digest, SWAGGER_STYLES)]))
NO_PAGE = "default-src 'none'; frame-ancestors 'none'"

EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_UNUSED = ("camera", "display-capture", "geolocation", "microphone", "payment", "serial", "usb")
PERMISSIONS = ", ".join(f"{name}=()" for name in _UNUSED)

View = Callable[..., HttpResponseBase]


def with_policy(value: str) -> Callable[[View], View]:
    """A decorator for views whose pages need another policy than PAGE."""

    def decorate(view: View) -> View:
        @wraps(view)
        def decorated(*args: Any, **kwargs: Any) -> HttpResponseBase:
            response = view(*args, **kwargs)
            response.headers[CSP] = value
            return response

        return decorated

    return decorate


class HeadersMiddleware:
    """Adds what no view or other middleware has set. Outside of those that replace answers."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        headers = response.headers
        for name, value in EVERYWHERE.items():
            headers.setdefault(name, value)
        # A 304 would replace the headers of the page that the browser has kept.
        if response.status_code == 304:
            return response
        if not headers.get("Content-Type", "").startswith("text/html"):
            headers[CSP] = NO_PAGE
        elif not _is_debug_page(response):
            headers.setdefault(CSP, PAGE)
            headers.setdefault("Permissions-Policy", PERMISSIONS)
        return response


def _is_debug_page(response: HttpResponseBase) -> bool:
    # Django's pages for developers are made of inline styles and scripts.
    return bool(settings.DEBUG) and response.status_code >= 400
