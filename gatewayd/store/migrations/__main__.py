"""The process that `upgrade(store, apart=True)` starts: DATABASE_URL on stdin, one line of trouble on stdout."""

from __future__ import annotations

import asyncio
import sys

from gatewayd.errors import ConfigurationError
from gatewayd.store.migrations.run import run_migrations
from gatewayd.store.urls import parse_database_url


def main() -> int:
    try:
        asyncio.run(run_migrations(parse_database_url(sys.stdin.read())))
    except ConfigurationError as error:
        sys.stdout.write(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
