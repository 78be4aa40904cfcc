"""What is installed, with what, and when nothing is."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from launcher import environment
from launcher.errors import LauncherError
from launcher.indexes import parse_configuration, uv_environment


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "requirements").mkdir()
    for name in ("embedded", "dev"):
        (tmp_path / "requirements" / f"{name}.lock").write_text(f"{name}==1")
    (tmp_path / ".venv").mkdir()
    monkeypatch.setattr(environment, "PROJECT_DIR", tmp_path)
    monkeypatch.setattr(environment, "REQUIREMENTS_DIR", tmp_path / "requirements")
    monkeypatch.setattr(environment, "VENV_DIR", tmp_path / ".venv")
    monkeypatch.setattr(environment, "_is_usable", lambda: True)
    return tmp_path


class Installers:
    """Stands in for uv and pip: remembers the commands, answers with the given exit codes in turn."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes)
        self.commands: list[list[str]] = []

    def run(self, command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        self.commands.append(command)
        return subprocess.CompletedProcess(command, self.codes.pop(0))


def use(
    monkeypatch: pytest.MonkeyPatch, installers: Installers, names: tuple[str, ...] = ("uv", "pip")
) -> None:
    monkeypatch.setattr(environment, "_installers", lambda: [(name, [name], {}) for name in names])
    monkeypatch.setattr("subprocess.run", installers.run)


def test_a_second_start_installs_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installers = Installers(0)
    use(monkeypatch, installers)
    environment.prepare("embedded")
    environment.prepare("embedded")
    assert len(installers.commands) == 1


def test_hashes_are_required_of_every_installer(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installers = Installers(1, 0)
    use(monkeypatch, installers)
    environment.prepare("embedded")
    assert [command[0] for command in installers.commands] == ["uv", "pip"]
    assert all("--require-hashes" in command for command in installers.commands)


def test_a_changed_lock_is_installed_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installers = Installers(0, 0)
    use(monkeypatch, installers)
    environment.prepare("embedded")
    (project / "requirements" / "embedded.lock").write_text("embedded==2")
    environment.prepare("embedded")
    assert len(installers.commands) == 2


def test_the_development_requirements_are_enough_to_run(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installers = Installers(0)
    use(monkeypatch, installers)
    environment.prepare("dev")
    environment.prepare("embedded")
    assert len(installers.commands) == 1


def test_a_failed_install_is_tried_again_at_the_next_start(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installers = Installers(0, 1, 1, 0)
    use(monkeypatch, installers)
    environment.prepare("embedded")
    (project / "requirements" / "embedded.lock").write_text("embedded==2")
    with pytest.raises(LauncherError, match="could not be installed"):
        environment.prepare("embedded")
    (project / "requirements" / "embedded.lock").write_text("embedded==1")
    environment.prepare("embedded")
    assert len(installers.commands) == 4


def test_without_any_installer_the_message_names_what_to_install(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, Installers(), names=())
    with pytest.raises(LauncherError, match="python3-venv"):
        environment.prepare("embedded")


def test_an_environment_without_pip_is_served_by_the_running_pythons_pip(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "_succeeds", lambda command: False)
    monkeypatch.setattr(environment, "_version", lambda pip: (23, 0))
    assert "--python" in (environment._pip() or [])
    monkeypatch.setattr(environment, "_version", lambda pip: (21, 9))
    assert environment._pip() is None


def test_a_venv_is_made_without_pip_where_python_cannot_bring_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[list[str]] = []

    def without_pip_only(command: list[str]) -> bool:
        tried.append(command)
        return "--without-pip" in command

    monkeypatch.setattr(environment, "_succeeds", without_pip_only)
    monkeypatch.setattr("shutil.which", lambda name: None)
    environment._create()
    assert len(tried) == 2


def test_a_damaged_stamp_means_nothing_is_installed(project: Path) -> None:
    (project / ".venv" / ".installed.json").write_text("{")
    assert environment._stamps() == {}


def test_pips_settings_reach_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    listing = "global.index-url='https://one.example/simple'\nglobal.extra-index-url='https://two.example https://three.example'\n"
    answer = subprocess.CompletedProcess([], 0, stdout=listing)
    monkeypatch.setattr("subprocess.run", lambda *_, **__: answer)
    told = uv_environment({"PIP_FIND_LINKS": "/wheels /more", "PIP_INDEX_URL": "https://env.example/simple"})
    assert told["UV_DEFAULT_INDEX"] == "https://env.example/simple"
    assert told["UV_INDEX"] == "https://two.example https://three.example"
    assert told["UV_FIND_LINKS"] == "/wheels,/more"


def test_what_the_user_told_uv_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subprocess.run", lambda *_, **__: subprocess.CompletedProcess([], 1, stdout=""))
    assert uv_environment({"PIP_INDEX_URL": "a", "UV_DEFAULT_INDEX": "b"})["UV_DEFAULT_INDEX"] == "b"


def test_a_variable_overrides_pips_files_and_install_overrides_global() -> None:
    links = ":env:.find-links='/env'\nglobal.find-links='/global'\n"
    certificates = "global.cert='/g.pem'\ninstall.cert='/i.pem'\nfreeze.x='1'"
    assert parse_configuration(links + certificates) == {"find-links": "/env", "cert": "/i.pem"}


def test_the_stamp_names_the_lock_it_stands_for(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Installers(0))
    environment.prepare("embedded")
    stamps = json.loads((project / ".venv" / ".installed.json").read_text())
    assert list(stamps) == ["embedded"]
