"""The database behind one door: the only package that knows `databases`, SQLAlchemy and Alembic.

`Store` gives sessions; one module per table takes a session and gives frozen dataclasses.
"""

from gatewayd.store.database import Session, Store

__all__ = ["Session", "Store"]
