"""Certificates of a test, signed by an authority of its own."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trustme

from ivrbench.config import Listen, Settings

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Certificates"]


@dataclass
class Certificates:
    """An authority and what it signed, as files.

    Args:
        folder: where the files go.
    """

    folder: Path
    authority: trustme.CA = field(default_factory=trustme.CA)

    def __post_init__(self) -> None:
        self.authority.cert_pem.write_to_path(self.ca)

    @property
    def ca(self) -> Path:
        """The authority's certificate."""
        return self.folder / "ca.pem"

    def file(self, *names: str) -> Path:
        """A certificate for these names and addresses, with its key in the same file."""
        path = self.folder / f"{names[0].replace(':', '_')}.pem"
        path.unlink(missing_ok=True)
        leaf = self.authority.issue_cert(*names)
        for blob in (leaf.private_key_pem, *leaf.cert_chain_pems):
            blob.write_to_path(path, append=True)
        return path

    def settings(
        self, *names: str, verify_client: bool = False, verify_server: bool = True
    ) -> Settings:
        """Settings of an engine that shows such a certificate."""
        return Settings(
            listen=(Listen("tls", "127.0.0.1", 0),),
            tls_cert=self.file(*names),
            tls_ca=self.ca,
            tls_verify_client=verify_client,
            tls_verify_server=verify_server,
        )

    def client(self, *names: str) -> ssl.SSLContext:
        """What a peer connects with; with names, it shows a certificate for them."""
        context = ssl.create_default_context(cafile=str(self.ca))
        if names:
            context.load_cert_chain(self.file(*names))
        return context
