"""Ingresses and IngressClasses: hosts, paths, and exactly one thing behind each of them (S#90)."""

import ipaddress
import re

from api import names
from api.errors import Cause
from api.ingresses import OLD_CLASS
from control_plane.apiserver.validation import causes, formats, schema
from proto.v1.network_pb2 import (
    HTTPIngressPath,
    Ingress,
    IngressBackend,
    IngressClass,
    IngressClassParametersReference,
    IngressServiceBackend,
)

LONGEST_CONTROLLER = 250  # characters
# What a path must not contain, and not end with: a proxy and what stands behind it could read it differently.
_SEQUENCES, _ENDS = ("//", "/./", "/../", "%2f", "%2F"), ("/..", "/.")
_WILDCARD = rf"\*\.{names.SUBDOMAIN}"
_WILDCARD_SHAPE = names.shape(
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of "
    "lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
    _WILDCARD,
    ("*.example.com",),
)
_PATH_SHAPE = 'must be a domain-prefixed path (such as "acme.io/foo")'


def validate_new_ingress(ingress: Ingress) -> list[Cause]:
    found = validate_ingress(ingress)
    if ingress.spec.HasField("ingressClassName") and OLD_CLASS in ingress.metadata.annotations:
        given = ingress.metadata.annotations[OLD_CLASS]
        told = "can not be set when the class field is also set"
        found.append(causes.invalid(f"metadata.annotations[{OLD_CLASS}]", given, told))
    return found


def validate_ingress(ingress: Ingress) -> list[Cause]:
    spec, found = ingress.spec, []
    if not spec.rules and not spec.HasField("defaultBackend"):
        told = "either `defaultBackend` or `rules` must be specified"
        found.append(causes.invalid("spec", spec, told))
    if spec.HasField("defaultBackend"):
        found += _backend(spec.defaultBackend, "spec.defaultBackend")
    for index, rule in enumerate(spec.rules):
        place = f"spec.rules[{index}]"
        found += _host(rule.host, f"{place}.host") if rule.host else []
        for at, path in enumerate(rule.http.paths):
            found += _path(path, f"{place}.http.paths[{at}]")
    for index, tls in enumerate(spec.tls):
        place = f"spec.tls[{index}]"
        for at, host in enumerate(tls.hosts):
            found += _host(host, f"{place}.hosts[{at}]")
        problems = names.dns_subdomain(tls.secretName) if tls.secretName else ()
        found += [causes.invalid(f"{place}.secretName", tls.secretName, each) for each in problems]
    return found + _class_name(ingress)


def _class_name(ingress: Ingress) -> list[Cause]:
    if not ingress.spec.HasField("ingressClassName"):
        return []
    name = ingress.spec.ingressClassName
    problems = names.dns_subdomain(name)
    return [causes.invalid("spec.ingressClassName", name, problem) for problem in problems]


def _host(host: str, path: str) -> list[Cause]:
    if _is_address(host):
        return [causes.invalid(path, host, "must be a DNS name, not an IP address")]
    if "*" in host:
        fine = re.fullmatch(_WILDCARD, host) and len(host) <= 253
        return [] if fine else [causes.invalid(path, host, _WILDCARD_SHAPE)]
    return [causes.invalid(path, host, problem) for problem in names.dns_subdomain(host)]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _path(path: HTTPIngressPath, place: str) -> list[Cause]:
    found, given = [], path.path
    free = path.pathType == "ImplementationSpecific"
    if not given.startswith("/") and not (free and not given):
        found.append(causes.invalid(f"{place}.path", given, "must be an absolute path"))
    elif not free:
        found += [
            causes.invalid(f"{place}.path", given, f"must not contain '{each}'")
            for each in _SEQUENCES
            if each in given
        ]
        found += [
            causes.invalid(f"{place}.path", given, f"cannot end with '{each}'")
            for each in _ENDS
            if given.endswith(each)
        ]
    return found + (_backend(path.backend, f"{place}.backend") if path.HasField("backend") else [])


def _backend(backend: IngressBackend, path: str) -> list[Cause]:
    has_service, has_resource = backend.HasField("service"), backend.HasField("resource")
    if has_service and has_resource:
        told = "cannot set both resource and service backends"
        return [causes.invalid(path, "", told)]
    if has_service:
        return _service(backend.service, path)
    return (
        []
        if has_resource
        else [causes.invalid(path, "", "resource or service backend is required")]
    )


def _service(service: IngressServiceBackend, path: str) -> list[Cause]:
    found = []
    if service.name:
        found += [
            causes.invalid(f"{path}.service.name", service.name, problem)
            for problem in names.dns_label_1035(service.name)
        ]
    port, place = service.port, f"{path}.service.port"
    if port.name and port.number:
        told = "cannot set both port name & port number"
        return [*found, causes.invalid(path, "", told)]
    if port.name:
        problems = formats.port_name(port.name)
        return found + [causes.invalid(f"{place}.name", port.name, each) for each in problems]
    return (
        found if port.number else [*found, causes.required(path, "port name or number is required")]
    )


def validate_class(ingress_class: IngressClass) -> list[Cause]:
    spec, found, place = ingress_class.spec, [], "spec.controller"
    if not spec.controller:
        found.append(causes.required(place))
    elif len(spec.controller) > LONGEST_CONTROLLER:
        found.append(causes.too_long(place, LONGEST_CONTROLLER))
    elif not _is_domain_prefixed(spec.controller):
        found.append(causes.invalid(place, spec.controller, _PATH_SHAPE))
    if spec.HasField("parameters"):
        found += _parameters(spec.parameters, "spec.parameters")
    return found


def _is_domain_prefixed(text: str) -> bool:
    domain, slash, path = text.partition("/")
    shaped = re.fullmatch(r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+", path) is not None
    return bool(slash) and "." in domain and not names.dns_subdomain(domain) and shaped


def _parameters(given: IngressClassParametersReference, path: str) -> list[Cause]:
    place = f"{path}.namespace"
    if given.scope == "Namespace" and not given.namespace:
        return [causes.required(place, "`parameters.scope` is set to 'Namespace'")]
    if given.scope == "Cluster" and given.HasField("namespace"):
        return [causes.forbidden(place, "`parameters.scope` is set to 'Cluster'")]
    return []


def validate_class_update(new: IngressClass, old: IngressClass) -> list[Cause]:
    return schema.check_immutable(new.spec, old.spec, "spec", deep=False)
