"""For all tests: none fails because it was slow, for the machine may be busy with others beside it."""

import gc

from hypothesis import HealthCheck, settings

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
# Five thousand tests are collected, and none of them is garbage: looking for it after every 700 new objects costs up
# to a quarter of a test's time.
gc.set_threshold(10_000)
