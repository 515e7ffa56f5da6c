"""Fit a Dockerfile of the examples to this machine."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

__all__ = ["fitted"]


def fitted(text: str, folder: Path) -> str:
    """Return a Dockerfile's text as this machine needs it; a file of certificates comes into its folder.

    Where pip is told which certificates to trust, pip in the image is told, too; and such a machine often has
    an image made from Debian's packages, in which pip must be told that it may install.
    """
    trusted = Path(os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE") or "")
    if not trusted.is_file():
        return text
    shutil.copy(trusted, folder / "certificates.pem")
    more = "COPY certificates.pem /etc/ssl/\nENV PIP_CERT=/etc/ssl/certificates.pem PIP_BREAK_SYSTEM_PACKAGES=1\n"
    return re.sub(r"^FROM .*\n", lambda found: found[0] + more, text, count=1, flags=re.MULTILINE)
