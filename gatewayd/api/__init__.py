"""The LLM surface: what clients of the Anthropic Messages API call. Never looks at cookies, never meets the UI."""
