"""The database that tests of the ledger share with those of the store."""

from tests.store.conftest import database, postgres

__all__ = ["database", "postgres"]
