"""The storage that tests of releases share with those of the store."""

from tests.store.conftest import root, s3, s3_server

__all__ = ["root", "s3", "s3_server"]
