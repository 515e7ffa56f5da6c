"""Reading a command line may look for its translations, as in the tests of the command line."""

from __future__ import annotations

from tests.cli.conftest import nothing_blocks_the_loop

__all__ = ["nothing_blocks_the_loop"]
