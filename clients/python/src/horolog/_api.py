"""The calls of a worker. One request each; the caller decides about another try."""

from __future__ import annotations

from typing import Any

import httpx

from ._errors import Problem


def _answer(response: httpx.Response) -> dict[str, Any]:
    if response.is_success:
        body: dict[str, Any] = response.json()
        return body
    try:
        body = response.json()
    except ValueError:
        body = {"detail": response.text[:200]}
    raise Problem(response.status_code, body)


class Settings:
    """Where the cluster is, and who asks."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url.rstrip("/")
        self.headers = {"authorization": f"Bearer {token}"} if token else {}


class AsyncApi:
    """The calls on an event loop."""

    def __init__(self, settings: Settings) -> None:
        self._client = httpx.AsyncClient(base_url=settings.url, headers=settings.headers)

    async def post(self, path: str, body: dict[str, Any], timeout: float) -> dict[str, Any]:
        """Posts a body."""
        return _answer(await self._client.post(path, json=body, timeout=timeout))

    async def delete(self, path: str, timeout: float) -> dict[str, Any]:
        """Deletes."""
        return _answer(await self._client.delete(path, timeout=timeout))

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()


class BlockingApi:
    """The calls of a thread."""

    def __init__(self, settings: Settings) -> None:
        self._client = httpx.Client(base_url=settings.url, headers=settings.headers)

    def post(self, path: str, body: dict[str, Any], timeout: float) -> dict[str, Any]:
        """Posts a body."""
        return _answer(self._client.post(path, json=body, timeout=timeout))

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()
