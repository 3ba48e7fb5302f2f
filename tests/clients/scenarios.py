"""What every official SDK is asked to do, and what must come of it: one table for Python and TypeScript."""

from __future__ import annotations

from typing import Any

WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}},
        "required": ["city", "unit"],
    },
}

# name -> (what differs from a plain request, the exception's class, what its text contains)
ERRORS: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown model": ({"model": "no-such-model"}, "NotFoundError", "no-such-model"),
    "no tokens allowed": ({"max_tokens": 0}, "BadRequestError", "max_tokens"),
    "no messages": ({"messages": []}, "BadRequestError", "messages"),
    "provider refuses the request": ({"model": "sim-error-400"}, "BadRequestError", "refused by the model"),
    "provider refuses the gateway's key": ({"model": "sim-error-401"}, "InternalServerError", "key"),
    "provider wants to be paid": ({"model": "sim-error-402"}, "PaymentRequiredError", "balance"),
    "provider limits the rate": ({"model": "sim-error-429"}, "RateLimitError", "Rate limit"),
    "provider fails": ({"model": "sim-error-500"}, "InternalServerError", ""),
    "provider is overloaded": ({"model": "sim-error-503"}, "OverloadedError", ""),
    "prompt is too long": ({"model": "sim-overflow-10"}, "BadRequestError", "prompt is too long: "),
    "answer is cut": ({"model": "sim-cut-stream"}, "InternalServerError", ""),
}
