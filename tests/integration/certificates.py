"""Certificates of an authority that exists for one test run, made by the `openssl` command."""

import ssl
import subprocess
from pathlib import Path

import pytest

from tasks_app.operations.http import wire


class Certificates:
    """`asked` is the server name (SNI) of each handshake."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str | None] = []
        self._openssl("req", "-x509", *self._key("ca"), "-out", "ca.pem", "-subj", "/CN=Test authority",
                      "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign")  # fmt: skip

    def server(self, name: str) -> ssl.SSLContext:
        """A server's side of TLS, with a certificate for this name or address."""
        kind = "IP" if name[-1].isdigit() else "DNS"
        (self.folder / "extensions").write_text(f"subjectAltName={kind}:{name}\n")
        self._openssl("req", *self._key("server"), "-out", "server.csr", "-subj", "/CN=ignored")
        self._openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "2",
                      "-extfile", "extensions", "-out", "server.pem")  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.pem", self.folder / "server.key")
        context.sni_callback = lambda connection, asked, _: self.asked.append(asked)
        return context

    def trust(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let requests trust the authority, in the way in which an operator would."""
        monkeypatch.setenv("SSL_CERT_FILE", str(self.folder / "ca.pem"))
        wire.tls_context.cache_clear()

    def _key(self, name: str) -> list[str]:
        return [
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            f"{name}.key",
        ]

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)
