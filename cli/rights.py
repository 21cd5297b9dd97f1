"""Roles and bindings from flags: what `helmling create role` and its sisters make, as kubectl makes them."""

from collections.abc import Sequence

from api.kinds import RBAC, Kind, by_resource, find
from cli.command import Session
from cli.errors import CommandError, UsageError
from cli.flags import Flag
from cli.generate import Plain

# What the server has no kinds for, and authorization knows nevertheless.
SPECIAL = {"users": "", "groups": "", "signers": "certificates.k8s.io"}
VERBS_OF_RESOURCES = (
    "*", "get", "delete", "list", "create", "update", "patch", "watch", "proxy", "deletecollection", "use", "bind",
    "escalate", "impersonate", "approve", "sign", "attest",
)  # fmt: skip
VERBS = Flag("verb", "With role, clusterrole: what is allowed: get,list,watch.", form="many")
RESOURCES = Flag(
    "resource", "With role, clusterrole: with what: pods,deployments.apps,pods/log.", form="many"
)
NAMES = Flag("resource-name", "With role, clusterrole: only these objects.", form="many")
URLS = Flag("non-resource-url", "With clusterrole: addresses like /version.", form="many")
AGGREGATION = Flag("aggregation-rule", "With clusterrole: made of roles with these labels: KEY=VALUE.")  # fmt: skip
CLUSTER_ROLE = Flag("clusterrole", "With bindings: the ClusterRole to give.")
ROLE = Flag("role", "With rolebinding: the Role to give.")
USERS = Flag("user", "With bindings: users to give it to.", form="many")
GROUPS = Flag("group", "With bindings: groups to give it to.", form="many")
ACCOUNTS = Flag(
    "serviceaccount", "With bindings: ServiceAccounts to give it to: NAMESPACE:NAME.", form="many"
)
ROLE_FLAGS = (VERBS, RESOURCES, NAMES)
CLUSTER_ROLE_FLAGS = (*ROLE_FLAGS, URLS, AGGREGATION)
SUBJECT_FLAGS = (USERS, GROUPS, ACCOUNTS)


def role(session: Session, name: str) -> Plain:
    return _named("Role", name) | {"rules": _rules(session)}


def cluster_role(session: Session, name: str) -> Plain:
    flags = session.flags
    if flags.text("aggregation-rule"):
        if any(flags.given(flag.name) for flag in (*ROLE_FLAGS, URLS)):
            raise UsageError("aggregation rule must be specified without other rules")
        labels = dict(_pair(text) for text in flags.text("aggregation-rule").split(","))
        selectors = [{"matchLabels": labels}]
        return _named("ClusterRole", name) | {
            "aggregationRule": {"clusterRoleSelectors": selectors},
            "rules": [],
        }
    urls = _words(session, "non-resource-url")
    if not urls:
        return _named("ClusterRole", name) | {"rules": _rules(session)}
    wrong = [url for url in urls if not (url == "*" or url.startswith("/"))]
    if wrong:
        raise UsageError(f"non-resource-url should start with /: {', '.join(wrong)}")
    addresses = [{"verbs": _verbs(session), "nonResourceURLs": urls}]
    resources = _rules(session) if flags.given("resource") else []
    return _named("ClusterRole", name) | {"rules": [*resources, *addresses]}


def role_binding(session: Session, name: str) -> Plain:
    given, cluster_wide = session.flags.text("role"), session.flags.text("clusterrole")
    if bool(given) == bool(cluster_wide):
        raise UsageError("exactly one clusterrole or role must be specified")
    kind = "Role" if given else "ClusterRole"
    return _binding(session, "RoleBinding", name, kind, given or cluster_wide)


def cluster_role_binding(session: Session, name: str) -> Plain:
    given = session.flags.text("clusterrole")
    if not given:
        raise UsageError("clusterrole must be specified")
    return _binding(session, "ClusterRoleBinding", name, "ClusterRole", given)


def service_account(_session: Session, name: str) -> Plain:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}


def subjects(session: Session) -> list[dict[str, str]]:
    """Whom the flags name."""
    found = [
        {"kind": word, "apiGroup": RBAC, "name": each}
        for word, flag in (("User", "user"), ("Group", "group"))
        for each in _words(session, flag)
    ]
    return found + [_account(text) for text in _words(session, "serviceaccount")]


def _binding(session: Session, kind: str, name: str, role_kind: str, role_name: str) -> Plain:
    ref = {"apiGroup": RBAC, "kind": role_kind, "name": role_name}
    return _named(kind, name) | {"subjects": subjects(session), "roleRef": ref}


def _account(text: str) -> dict[str, str]:
    namespace, colon, name = text.partition(":")
    if not (namespace and colon and name):
        raise UsageError("serviceaccount must be <namespace>:<name>")
    return {"kind": "ServiceAccount", "namespace": namespace, "name": name}


def _named(kind: str, name: str) -> Plain:
    return {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": {"name": name}}


def _verbs(session: Session) -> list[str]:
    verbs = _words(session, "verb")
    if not verbs:
        raise UsageError("at least one verb must be specified")
    for verb in verbs:
        if verb not in VERBS_OF_RESOURCES:
            session.warn(f"Warning: '{verb}' is not a standard resource verb")
    return ["*"] if "*" in verbs else verbs


def _rules(session: Session) -> list[Plain]:
    """One rule for each group of the resources."""
    verbs, names = _verbs(session), _words(session, "resource-name")
    words = _words(session, "resource")
    if not words:
        raise UsageError("at least one resource must be specified")
    if names and len(words) > 1:
        raise UsageError(
            "resource-name can not be applied to multiple resources: create a role for each"
        )
    groups: dict[str, list[str]] = {}
    for word in words:
        group, resource = resource_of(word)
        groups.setdefault(group, []).append(resource)
    named: Plain = {"resourceNames": names} if names else {}
    return [
        {"verbs": verbs, "apiGroups": [group], "resources": resources, **named}
        for group, resources in groups.items()
    ]


def resource_of(word: str) -> tuple[str, str]:
    """`deploy/scale`, `deployments.apps`, `po`: the group, and the resource with its part. Raises CommandError."""
    base, slash, part = word.partition("/")
    if base == "*":
        return "*", word
    if base in SPECIAL:
        return SPECIAL[base], word
    kind = find(base) or _by_group(base)
    if kind is None:
        raise CommandError(f'the server doesn\'t have a resource type "{base}"')
    return kind.group, f"{kind.plural}{slash}{part}"


def _by_group(word: str) -> Kind | None:
    """`deployments.v1.apps` and the reviews, which no table of kinds shows."""
    plural, _, group = word.partition(".")
    version, _, rest = group.partition(".")
    return by_resource(group, plural) or (by_resource(rest, plural) if version == "v1" else None)


def _words(session: Session, flag: str) -> list[str]:
    """Repeated, or with commas between them; each once."""
    texts: Sequence[str] = session.flags.many(flag)
    words = [word.strip() for text in texts for word in text.split(",")]
    return list(dict.fromkeys(word for word in words if word))


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise UsageError(f"expected KEY=VALUE, not {text!r}")
    return key.strip(), value.strip()
