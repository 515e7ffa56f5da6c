"""The tests of the engine stand on the same ground as those of the APIs."""

from __future__ import annotations

from tests.api.conftest import home_of_the_user

__all__ = ["home_of_the_user"]
