"""Payloads are validated into the annotated type; a mismatch names the field."""

from __future__ import annotations

import unittest
from dataclasses import dataclass, field
from typing import Any

from horolog import FinalError
from horolog._payload import payload_type, read, takes_payload


@dataclass
class Line:
    item: str
    count: int = 1


@dataclass
class Order:
    customer: int
    lines: list[Line] = field(default_factory=list)
    rate: float | None = None


class PayloadTest(unittest.TestCase):
    def test_what_fits_becomes_the_type(self) -> None:
        value = {"customer": 7, "lines": [{"item": "a"}], "rate": 2, "more": True}
        self.assertEqual(read(Order, value), Order(7, [Line("a")], 2.0))
        for kind, plain in [(Any, {"a": 1}), (int, 3), (dict[str, int], {"a": 1}), (float, 1)]:
            self.assertEqual(read(kind, plain), plain)

    def test_what_does_not_fit_names_the_field(self) -> None:
        cases: list[tuple[Any, Any, str]] = [
            (Order, {}, "payload.customer: is missing"),
            (Order, {"customer": "7"}, "payload.customer: must be int, and is str"),
            (Order, {"customer": True}, "payload.customer: must be int, and is bool"),
            (Order, {"customer": 1, "lines": [{"item": 3}]}, "payload.lines.0.item: must be str"),
            (Order, {"customer": 1, "rate": "x"}, "payload.rate: must be float"),
            (Order, [1], "payload: must be an object"),
            (int, None, "payload: must be int"),
        ]
        for kind, value, message in cases:
            with self.assertRaisesRegex(FinalError, f"^{message}"):
                read(kind, value)

    def test_a_handler_takes_the_run_alone_or_a_payload(self) -> None:
        async def alone(run: Any) -> None: ...

        def typed(run: Any, payload: Order) -> None: ...

        self.assertFalse(takes_payload(alone))
        self.assertTrue(takes_payload(typed))
        self.assertIs(payload_type(typed), Order)


if __name__ == "__main__":
    unittest.main()
