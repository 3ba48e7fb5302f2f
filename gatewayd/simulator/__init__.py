"""The simulated provider: OpenAI Chat Completions over real HTTP, deterministic, strict, and in need of no key."""
