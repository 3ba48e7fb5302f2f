"""JSON that a model got wrong, put right by a library that knows how models get it wrong."""

from __future__ import annotations

from typing import Any


def repair_json(text: str) -> Any:
    """What `text` was meant to be; None where that cannot be said."""
    import json_repair  # loaded when first needed: it costs memory, and most servers never see a broken call

    try:
        return json_repair.loads(text)
    except (ValueError, RecursionError):
        return None
