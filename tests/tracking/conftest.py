"""A real SQLite tracking home for every test."""

import pytest

from rareevent.tracking.home import connect, find_home


@pytest.fixture
def home(tracked):
    """The working directory's own home, with nothing in it yet."""
    return find_home()


@pytest.fixture
def client(home):
    return connect(home)
