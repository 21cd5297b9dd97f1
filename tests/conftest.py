"""For all tests: none fails because it was slow, for the machine may be busy with others beside it."""

import gc
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is imported, and thousands of collected tests, are no garbage: nobody looks through them again and again.

    As in the server itself (control_plane/main.py). Otherwise that is an eighth of the time of the longest tests.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        gc.enable()


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes do not name a test: messages have numbers that are drawn, and all workers must collect the same names."""
    return argname if isinstance(val, bytes) else None
