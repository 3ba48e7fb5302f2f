"""The LLM surface: what clients of the Anthropic Messages API call. It never looks at cookies and never meets the UI."""
