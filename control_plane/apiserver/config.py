"""The strategies of ConfigMaps and Secrets."""

from api import kinds
from control_plane.apiserver.defaults import default_type
from control_plane.apiserver.hooks import changed_object, metadata_fields, new_object
from control_plane.apiserver.printers import config as printer
from control_plane.apiserver.strategy import Strategy
from control_plane.apiserver.validation import config as rules
from proto.v1.config_pb2 import ConfigMap, Secret

_CONFIG_MAP, _SECRET = kinds.of(ConfigMap), kinds.of(Secret)


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
    Strategy(
        _CONFIG_MAP,
        default=default_type,
        validate=new_object(_CONFIG_MAP, rules.validate_config_map),
        validate_update=changed_object(
            _CONFIG_MAP, rules.validate_config_map, rules.validate_config_map_update
        ),
        selectable=metadata_fields,
        columns=printer.CONFIG_MAP_COLUMNS,
        row=printer.config_map_row,
    ),
    Strategy(
        _SECRET,
        default=default_secret,
        validate=new_object(_SECRET, rules.validate_secret),
        validate_update=changed_object(
            _SECRET, rules.validate_secret, rules.validate_secret_update
        ),
        selectable=secret_fields,
        columns=printer.SECRET_COLUMNS,
        row=printer.secret_row,
    ),
)
