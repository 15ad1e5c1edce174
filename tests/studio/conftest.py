"""The database that tests of reviews share with those of the store."""

from tests.store.conftest import database, postgres

__all__ = ["database", "postgres"]
