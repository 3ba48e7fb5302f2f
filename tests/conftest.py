"""Fixtures that every suite may use."""

pytest_plugins = ["tests.tools", "tests.databases", "tests.servers", "tests.redis_server"]
