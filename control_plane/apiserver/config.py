"""The strategies of ConfigMaps and Secrets."""

from control_plane.apiserver.defaults import default_type
from control_plane.apiserver.hooks import metadata_fields, strategy
from control_plane.apiserver.printers import config as printer
from control_plane.apiserver.validation import config as rules
from proto.v1.config_pb2 import ConfigMap, Secret


def default_secret(secret: Secret) -> None:
    """What was written as text is data from now on, and nothing that anybody reads back (S#93)."""
    default_type(secret)
    secret.type = secret.type or "Opaque"
    for key, text in secret.stringData.items():
        secret.data[key] = text.encode()
    secret.ClearField("stringData")


def secret_fields(secret: Secret) -> dict[str, str]:
    return {**metadata_fields(secret), "type": secret.type}


STRATEGIES = (
    strategy(
        ConfigMap,
        rules.validate_config_map,
        rules.validate_config_map_update,
        columns=printer.CONFIG_MAP_COLUMNS,
        row=printer.config_map_row,
    ),
    strategy(
        Secret,
        rules.validate_secret,
        rules.validate_secret_update,
        default=default_secret,
        selectable=secret_fields,
        columns=printer.SECRET_COLUMNS,
        row=printer.secret_row,
    ),
)
