"""The volumes of a pod in words."""

from typing import Any

from cli.describe.lines import UNSET, Field, fields


def volume_lines(volume: Any) -> list[str]:
    return [f"  {volume.name}:", *fields(_rows(volume), "    ")]


def _rows(volume: Any) -> list[Field]:
    if volume.HasField("hostPath"):
        path = volume.hostPath
        return [
            ("Type", "HostPath (bare host directory volume)"),
            ("Path", path.path),
            ("HostPathType", path.type),
        ]
    if volume.HasField("downwardAPI"):
        items = [
            f"{each.fieldRef.fieldPath or each.resourceFieldRef.resource} -> {each.path}"
            for each in volume.downwardAPI.items
        ]
        return [
            ("Type", "DownwardAPI (a volume populated by information about the pod)"),
            ("Items", items),
        ]
    if volume.HasField("configMap"):
        named = [("Name", volume.configMap.name), optional(volume.configMap)]
        return [("Type", "ConfigMap (a volume populated by a ConfigMap)"), *named]
    if volume.HasField("secret"):
        named = [("SecretName", volume.secret.secretName), optional(volume.secret)]
        return [("Type", "Secret (a volume populated by a Secret)"), *named]
    if volume.HasField("projected"):
        return _projected(volume.projected)
    empty = volume.emptyDir
    return [
        ("Type", "EmptyDir (a temporary directory that shares a pod's lifetime)"),
        ("Medium", empty.medium),
        ("SizeLimit", empty.sizeLimit or UNSET),
    ]


def _projected(source: Any) -> list[Field]:
    told = "Projected (a volume that contains injected data from multiple sources)"
    rows: list[Field] = [("Type", told)]
    for part in source.sources:
        if part.HasField("secret"):
            rows += [("SecretName", part.secret.name), optional(part.secret)]
        elif part.HasField("configMap"):
            rows += [("ConfigMapName", part.configMap.name), optional(part.configMap)]
        elif part.HasField("downwardAPI"):
            rows.append(("DownwardAPI", "true"))
        elif part.HasField("serviceAccountToken"):
            seconds = part.serviceAccountToken.expirationSeconds
            rows.append(("TokenExpirationSeconds", str(seconds)))
    return rows


def optional(source: Any) -> tuple[str, str]:
    return "Optional", "true" if source.optional else "false"
