"""A gateway's record -> the environment variables that fit Claude Code to it. Pure.

The client believes a context window given by variable only for model names that do not start with `claude-`, so names
of the provider are preferred wherever the model map leads them to the same row.
"""

from __future__ import annotations

from gatewayd.gateways import Gateway, ModelRoute

#: What stands where a client token belongs.
PLACEHOLDER = "YOUR_TOKEN"

_HAIKU = "claude-haiku-4-5"
_MINIMUM_COMPACT_WINDOW = 100_000


def build_client_settings(base_url: str, gateway: Gateway, token: str) -> dict[str, str]:
    """Names and values, in the order to show them. ANTHROPIC_MODEL is left out where the model map names no model."""
    variables = {"ANTHROPIC_BASE_URL": base_url, "ANTHROPIC_AUTH_TOKEN": token}
    main, small = _main_row(gateway), gateway.route(_HAIKU)
    name = _client_name(gateway, main) if main else None
    if main is None or name is None:
        return variables
    variables["ANTHROPIC_MODEL"] = name
    variables["ANTHROPIC_DEFAULT_HAIKU_MODEL"] = (_client_name(gateway, small) if small else None) or name
    if main.context_window:
        variables["CLAUDE_CODE_MAX_CONTEXT_TOKENS"] = str(main.context_window)
        if main.context_window >= _MINIMUM_COMPACT_WINDOW:
            variables["CLAUDE_CODE_AUTO_COMPACT_WINDOW"] = str(main.context_window)
    if main.max_output_tokens:
        variables["CLAUDE_CODE_MAX_OUTPUT_TOKENS"] = str(main.max_output_tokens)
    return variables


def _main_row(gateway: Gateway) -> ModelRoute | None:
    """The first row with a name of the provider, else the first with any; the one for small calls comes last."""
    small = gateway.route(_HAIKU)
    rows = sorted(gateway.models, key=lambda row: row.name != "*" and row is small)
    named = [(row, name) for row in rows if (name := _client_name(gateway, row))]
    return next((row for row, name in named if not name.startswith("claude-")), named[0][0] if named else None)


def _client_name(gateway: Gateway, row: ModelRoute) -> str | None:
    """A name that leads a client to this row, or None."""
    candidates = [row.name] if "*" not in row.name else [row.upstream_model, row.name.replace("*", "")]
    usable = [name for name in candidates if name and gateway.route(name) is row]
    return usable[0] if usable else None
