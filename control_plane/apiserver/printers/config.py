"""The rows of ConfigMaps and Secrets, as kubectl prints them: how many keys, never what they hold."""

from collections.abc import Sequence
from datetime import datetime

from control_plane.apiserver.printers.cells import AGE, NAME, age
from control_plane.apiserver.strategy import Cell, Column
from proto.v1.config_pb2 import ConfigMap, Secret

_DATA = Column("Data", "integer", description="How many keys it has.")
CONFIG_MAP_COLUMNS = (NAME, _DATA, AGE)
SECRET_COLUMNS = (
    NAME,
    Column("Type", description="What it is for, and so which keys it must have."),
    _DATA,
    AGE,
)


def config_map_row(config: ConfigMap, now: datetime) -> Sequence[Cell]:
    keys = len(config.data) + len(config.binaryData)
    return config.metadata.name, keys, age(config.metadata.creationTimestamp, now)


def secret_row(secret: Secret, now: datetime) -> Sequence[Cell]:
    meta = secret.metadata
    return meta.name, secret.type, len(secret.data), age(meta.creationTimestamp, now)
