"""pip's index settings, told to uv, which reads neither pip.conf nor PIP_* variables."""

import ast
import subprocess
import sys
from collections.abc import Mapping

# pip's option -> (uv's variable, what separates its values)
TRANSLATIONS = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
    "trusted-host": ("UV_INSECURE_HOST", " "),
    "no-index": ("UV_NO_INDEX", " "),
    "cert": ("SSL_CERT_FILE", " "),
    "timeout": ("UV_HTTP_TIMEOUT", " "),
}
SECTIONS = ("global", "install", ":env:")


def uv_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment for uv; variables that the user has set for uv stay as they are."""
    settings = {**_from_configuration(), **_from_variables(environ)}
    told = {
        variable: separator.join(settings[option].split())
        for option, (variable, separator) in TRANSLATIONS.items()
        if settings.get(option)
    }
    # pip takes the best file of all indexes, uv that of the first one. The hashes rule out any other file.
    told["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return {**told, **environ}


def parse_configuration(text: str) -> dict[str, str]:
    """Read the output of `pip config list`; a later section overrides an earlier one."""
    found: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    for line in text.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.rpartition(".")
        if section in found and value:
            found[section][option] = str(ast.literal_eval(value))
    return {option: value for section in SECTIONS for option, value in found[section].items()}


def _from_configuration() -> dict[str, str]:
    command = [sys.executable, "-m", "pip", "config", "list"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return parse_configuration(answer.stdout) if answer.returncode == 0 else {}


def _from_variables(environ: Mapping[str, str]) -> dict[str, str]:
    # A Python without pip cannot read pip.conf, but the variables still count.
    names = {option: "PIP_" + option.upper().replace("-", "_") for option in TRANSLATIONS}
    return {option: environ[name] for option, name in names.items() if environ.get(name)}
