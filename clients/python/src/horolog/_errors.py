"""Errors: what a node refuses, and what a handler raises."""

from __future__ import annotations

from typing import Any


class Problem(Exception):
    """A refusal of a node (RFC 9457)."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        self.status = status
        self.code: str = body.get("code", "")
        self.detail: str = body.get("detail", "")
        self.field: str | None = body.get("field")
        super().__init__(f"{status} {self.code}: {self.detail}")

    @property
    def is_passing(self) -> bool:
        """Whether the same call may succeed later."""
        return self.status >= 500 or self.status in (408, 429)


class FinalError(Exception):
    """The execution fails for good: no retry."""


class RetryLater(Exception):
    """The attempt fails, and the next one comes no sooner than ``after`` seconds."""

    def __init__(self, message: str, after: float) -> None:
        self.after = after
        super().__init__(message)
