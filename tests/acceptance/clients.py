"""The documents' clients: programs, and the command that makes a Python client from the live service's document."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from launcher.layout import PROJECT_DIR

GENERATOR = Path(sys.executable).with_name("openapi-generator-cli")
EXAMPLES = ("curl", "python", "javascript", "generated client")
NEEDS = {"curl": ("bash", "curl", "jq", "od"), "javascript": ("node",)}
COMMANDS = {"curl": ("bash", "-euo", "pipefail"), "javascript": ("node",)}
SUFFIXES = {"curl": "sh", "javascript": "mjs"}


def generate(url: str, folder: Path) -> None:
    """Fill the folder with the package `scheduler_client`."""
    [line] = re.findall(r"^openapi-generator-cli (generate -g python .+)$", _typed(), re.MULTILINE)
    words = shlex.split(line.replace("http://localhost:8000", url))
    words[words.index("-o") + 1] = str(folder)
    done = subprocess.run([str(GENERATOR), *words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def run_example(name: str, folder: Path, **variables: str) -> str:
    """What the program of the documents says. Skips the test if this machine has not what it needs."""
    missing = [tool for tool in NEEDS.get(name, ()) if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"The example of {name} is NOT TRIED: this machine has no {', '.join(missing)}.")
    program = folder / f"example.{SUFFIXES.get(name, 'py')}"
    program.write_text(_examples()[name])
    command = [*COMMANDS.get(name, (sys.executable,)), str(program)]
    environ = {**os.environ, **variables}
    done = subprocess.run(command, cwd=PROJECT_DIR, env=environ, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _section(page: str, heading: str) -> str:
    _, found, rest = (PROJECT_DIR / page).read_text().partition(f"\n## {heading}\n")
    assert found, f"{page} has no section {heading}"
    return rest.partition("\n## ")[0]


def _typed() -> str:
    return _section("docs/api.md", "Typed clients")


def _examples() -> dict[str, str]:
    text = _section("README.md", "Clients") + _typed()
    blocks = re.findall(r"^```(?:bash|python|javascript)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    # What installs the generator is no example.
    return dict(zip(EXAMPLES, (block for block in blocks if "pip install" not in block), strict=True))
