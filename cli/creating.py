"""What `helmling create TYPE NAME` can make without a file: flags in, a manifest out.

Each maker has its own flags, and refuses those of the others. The words and the manifests are kubectl's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cli import creating_config, creating_network, generate, rights, sources, tokens
from cli.command import Session
from cli.errors import CommandError, UsageError, did_you_mean
from cli.flags import Flag
from cli.generate import Plain
from cli.resources import one_named

IMAGE = Flag("image", "The image to run; with deployment, several make several containers.", form="many")  # fmt: skip
POLICIES = ("OnFailure", "Never")


@dataclass(frozen=True, slots=True)
class Maker:
    words: tuple[str, ...]  # what the kind is called on the command line
    make: Callable[[Session, str], Plain]  # may ask the server; does not write
    flags: Sequence[Flag] = ()
    kind: str = ""  # what it makes, where that is not the first of the words
    # Instead of making an object: asks the server for something, and prints it.
    run: Callable[[Session, str], int] | None = None

    @property
    def makes(self) -> str:
        return self.kind or self.words[0]


def maker(word: str) -> Maker:
    """Raises UsageError for a kind that only files make."""
    for each in MAKERS:
        if word in each.words:
            return each
    raise UsageError(
        f"helmling create makes these by name: {', '.join(WORDS)}; everything else comes from a file: "
        f"helmling create -f FILE{did_you_mean(word, list(WORDS))}"
    )


def _namespace(_session: Session, name: str) -> Plain:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _deployment(session: Session, name: str) -> Plain:
    flags, command = session.flags, session.flags.after_dash or []
    images = [image for text in flags.many("image") for image in text.split(",") if image]
    _require(session, "image")
    if len(images) > 1 and command:
        raise UsageError("cannot specify multiple --image options and command")
    replicas, port = flags.number("replicas"), flags.number("port")
    if replicas is None or replicas < 0:
        raise UsageError("--replicas must be a number that is not negative")
    return generate.deployment(name, images, replicas=replicas, port=port, command=command)


def _job(session: Session, name: str) -> Plain:
    image, origin = session.flags.text("image"), session.flags.text("from")
    command = session.flags.after_dash or []
    if bool(image) == bool(origin):
        raise UsageError("either --image or --from must be specified")
    if not origin:
        return generate.job(name, image, command)
    if command:
        raise UsageError("cannot specify --from and command")
    kind, wanted = one_named(origin)
    if kind.name != "CronJob":
        raise CommandError(f"from must be an existing cronjob, like cronjob/tidy, not {origin}")
    return generate.job_of(session.server.get(kind, wanted, session.namespace), name)


def _cronjob(session: Session, name: str) -> Plain:
    flags = session.flags
    _require(session, "image", "schedule")
    if flags.text("restart") not in POLICIES:
        raise UsageError(
            f"invalid restart policy: {flags.text('restart')}: supported values: {', '.join(POLICIES)}"
        )
    schedule, restart, command = flags.text("schedule"), flags.text("restart"), flags.after_dash
    return generate.cronjob(
        name, flags.text("image"), command or [], schedule=schedule, restart=restart
    )


def _disruption_budget(session: Session, name: str) -> Plain:
    flags = session.flags
    least, most = flags.text("min-available"), flags.text("max-unavailable")
    if not flags.text("selector"):
        raise UsageError("a selector must be specified")
    if not (least or most):
        raise UsageError("one of min-available or max-unavailable must be specified")
    if least and most:
        raise UsageError("min-available and max-unavailable cannot be both specified")
    bound = {"minAvailable": least} if least else {"maxUnavailable": most}
    return generate.disruption_budget(
        name, _equalities(flags.text("selector")),
        {field: generate.count_or_share(value) for field, value in bound.items()},
    )  # fmt: skip


def _quota(session: Session, name: str) -> Plain:
    flags = session.flags
    hard = {}
    for part in filter(None, flags.text("hard").split(",")):
        resource, equals, amount = part.partition("=")
        if not equals:
            raise UsageError(f"--hard is a list of RESOURCE=AMOUNT, like pods=4,cpu=2, not {part}")
        hard[resource.strip()] = amount.strip()
    scopes = [scope.strip() for scope in flags.text("scopes").split(",") if scope.strip()]
    spec = {"hard": hard, **({"scopes": scopes} if scopes else {})}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": name}, "spec": spec}


def _equalities(selector: str) -> dict[str, str]:
    """`app=web,tier==front`. Raises UsageError for what is not an equality."""
    found = {}
    for part in selector.split(","):
        key, equals, value = part.partition("=")
        if not (key.strip() and equals) or key.endswith("!"):
            raise UsageError(
                f'only equality-based selectors are possible here: KEY=VALUE, not "{part}"'
            )
        found[key.strip()] = value.removeprefix("=").strip()
    return found


def _require(session: Session, *names: str) -> None:
    missing = ", ".join(f'"{name}"' for name in names if not session.flags.text(name))
    if missing:
        raise UsageError(f"required flag(s) {missing} not set")


MAKERS: tuple[Maker, ...] = (
    Maker(("configmap", "cm"), creating_config.config_map, sources.FLAGS),
    Maker(("secret generic",), creating_config.generic, creating_config.GENERIC_FLAGS, "secret"),
    Maker(
        ("secret docker-registry",),
        creating_config.docker_registry,
        creating_config.REGISTRY_FLAGS,
        "secret",
    ),
    Maker(("secret tls",), creating_config.tls, creating_config.TLS_FLAGS, "secret"),
    *(
        Maker((f"service {word}",), make, flags, "service")
        for word, make, flags in creating_network.SERVICES
    ),
    Maker(("ingress", "ing"), creating_network.ingress, creating_network.INGRESS_FLAGS),
    Maker(("namespace", "ns"), _namespace),
    Maker(
        ("deployment", "deploy"),
        _deployment,
        (
            IMAGE,
            Flag("replicas", "With deployment: how many pods.", "r", form="number", default="1"),
            Flag("port", "With deployment: the port that the containers expose.", form="number"),
        ),
    ),
    Maker(
        ("job",),
        _job,
        (IMAGE, Flag("from", "With job: the cron job to start one of now, like cronjob/tidy.")),
    ),
    Maker(
        ("cronjob", "cj"),
        _cronjob,
        (
            IMAGE,
            Flag("schedule", "With cronjob: when to run: minute, hour, day of month, month, day of week."),
            Flag("restart", "With cronjob: restart what fails: OnFailure or Never.", default="OnFailure"),
        ),
    ),
    Maker(
        ("poddisruptionbudget", "pdb"),
        _disruption_budget,
        (
            Flag("selector", "With poddisruptionbudget: the pods it is about: app=web."),
            Flag("min-available", "With poddisruptionbudget: how many must stay: 2 or 50%."),
            Flag("max-unavailable", "With poddisruptionbudget: how many may be missing: 1 or 25%."),
        ),
    ),
    Maker(
        ("resourcequota", "quota"),
        _quota,
        (
            Flag("hard", "With quota: what is limited: pods=4,requests.cpu=2,count/jobs.batch=10."),
            Flag("scopes", "With quota: which pods count: BestEffort, NotTerminating, …"),
        ),
    ),
)  # fmt: skip
MAKERS += (
    Maker(("serviceaccount", "sa"), rights.service_account),
    Maker(("role",), rights.role, rights.ROLE_FLAGS),
    Maker(("clusterrole",), rights.cluster_role, rights.CLUSTER_ROLE_FLAGS),
    Maker(
        ("rolebinding",),
        rights.role_binding,
        (rights.ROLE, rights.CLUSTER_ROLE, *rights.SUBJECT_FLAGS),
    ),
    Maker(
        ("clusterrolebinding",),
        rights.cluster_role_binding,
        (rights.CLUSTER_ROLE, *rights.SUBJECT_FLAGS),
    ),
    Maker(("token",), rights.service_account, tokens.FLAGS, run=tokens.print_token),
)
WORDS = tuple(each.words[0] for each in MAKERS)
ALL_FLAGS = tuple({flag.name: flag for each in MAKERS for flag in each.flags}.values())
