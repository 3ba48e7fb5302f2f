"""Backups: where the password goes. The copies themselves: tests/cli/test_logs.py."""

from __future__ import annotations

import pytest

from gatewayd.store.backup import _without_password


@pytest.mark.parametrize(
    ("dsn", "shown", "password"),
    [
        ("postgresql://u:p%40ss@h:5432/d?sslmode=require", "postgresql://u@h:5432/d?sslmode=require", "p@ss"),
        ("postgresql://u@h/d", "postgresql://u@h/d", ""),
        ("postgresql://h/d?user=u&password=a%26b", "postgresql://h/d?user=u", "a&b"),
        ("postgresql:///d?host=%2Ftmp", "postgresql:///d?host=%2Ftmp", ""),
    ],
)
def test_the_password_is_no_argument(dsn: str, shown: str, password: str) -> None:
    assert _without_password(dsn) == (shown, password)
