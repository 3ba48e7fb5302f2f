"""gatewayd: serves the Anthropic Messages API on any OpenAI-compatible provider."""

__version__ = "0.1.0"
