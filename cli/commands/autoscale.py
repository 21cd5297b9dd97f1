"""`helmling autoscale`: an autoscaler for something that has replicas, from a line of flags."""

from typing import Any

from api import jsonform, kinds, quantity
from api.errors import Invalid
from api.kinds import Kind
from cli.command import Command, Session
from cli.errors import CommandError, UsageError
from cli.flags import Flag
from cli.objects import WHICH, each, named
from cli.output.chosen import OUTPUT
from cli.writing import DRY_RUN, dry_run, tell

UNSET = -1
# What a bare number means: thousandths of a core, mebibytes.
UNITS = {"cpu": "m", "memory": "Mi"}


def run(session: Session) -> int:
    flags = session.flags
    fewest, most = flags.number("min"), flags.number("max")
    if most is None or most < 1:
        raise UsageError(f"--max=MAXPODS is required and must be at least 1, max: {most or 0}")
    if fewest is None or fewest > most:
        told = f"max: {most}, min: {fewest}"
        raise UsageError(f"--max=MAXPODS must be larger or equal to --min=MINPODS, {told}")
    found = named(session, session.args)
    if len(found) > 1 and flags.text("name"):
        raise UsageError("--name is for one object only")
    wanted = metrics(session)

    def act(kind: Kind, obj: Any) -> None:
        _create(session, kind, obj, wanted)

    return each(session, found, act)


def metrics(session: Session) -> list[dict[str, Any]]:
    """What --cpu, --memory and --cpu-percent ask for, in that order. Raises UsageError."""
    flags = session.flags
    percent = flags.number("cpu-percent")
    given = {name: flags.text(name) for name in UNITS}
    if percent not in (None, UNSET):
        if given["cpu"]:
            raise UsageError("--cpu-percent is the old way to say --cpu: give one of them")
        given["cpu"] = f"{percent}%"
    return [metric(name, text) for name, text in given.items() if text]


def metric(resource: str, text: str) -> dict[str, Any]:
    """`70%` of what is requested; `500m`, or a bare number, per pod. Raises UsageError."""
    target: dict[str, Any]
    number = text.removesuffix("%")
    if text.endswith("%"):
        if not number.isdigit() or int(number) < 1:
            raise UsageError(f"--{resource}={text}: a percentage is a whole number of at least 1")
        target = {"type": "Utilization", "averageUtilization": int(number)}
    else:
        amount = text + UNITS[resource] if text.isdigit() else text
        if not quantity.valid(amount):
            raise UsageError(f"--{resource}={text}: give a percentage (70%), or {quantity.SYNTAX}")
        target = {"type": "AverageValue", "averageValue": amount}
    return {"type": "Resource", "resource": {"name": resource, "target": target}}


def _create(session: Session, kind: Kind, obj: Any, wanted: list[dict[str, Any]]) -> None:
    if not kind.scale:
        raise CommandError(f"cannot autoscale a {kind.singular}: it has no replicas")
    made, mode = kinds.find("hpa"), dry_run(session)
    assert made is not None
    hpa, causes = jsonform.from_json(made.message, manifest(session, kind, obj, wanted))
    if causes:
        raise Invalid.because(made.name, obj.metadata.name, causes)
    if mode != "client":
        namespace = obj.metadata.namespace
        hpa = session.server.create(made, hpa, namespace, dry_run=mode == "server")
    tell(session, made, hpa, "autoscaled")


def manifest(
    session: Session, kind: Kind, obj: Any, wanted: list[dict[str, Any]]
) -> dict[str, Any]:
    fewest = session.flags.number("min")
    spec: dict[str, Any] = {
        "scaleTargetRef": {
            "apiVersion": kind.api_version,
            "kind": kind.name,
            "name": obj.metadata.name,
        },
        "maxReplicas": session.flags.number("max"),
        "metrics": wanted,
    }
    if fewest is not None and fewest > 0:
        spec["minReplicas"] = fewest
    name = session.flags.text("name") or obj.metadata.name
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "namespace": obj.metadata.namespace},
        "spec": spec,
    }


AUTOSCALE = Command(
    usage="autoscale (-f FILENAME | TYPE NAME | TYPE/NAME) [--min=MINPODS] --max=MAXPODS [--cpu=CPU] "
    "[--memory=MEMORY] [flags]",
    about="Create an autoscaler: it sets the number of pods by what they use.\n\nA target is a percentage of what "
    "the pods request (70%), or an amount per pod (500m, 200Mi). Without one it is 80% of the requested cpu.",
    examples="""  # Two to ten pods, by a target that the autoscaler chooses
  helmling autoscale deployment web --min=2 --max=10

  # At most five pods that use 80% of the cpu they request
  helmling autoscale deployment/web --max=5 --cpu=80%

  # By cpu and memory per pod: whichever needs more pods
  helmling autoscale deployment web --max=5 --cpu=500m --memory=200Mi

  # Show the manifest
  helmling autoscale deployment web --max=5 --dry-run=client -o yaml""",
    run=run,
    flags=(
        *WHICH,
        DRY_RUN,
        OUTPUT,
        Flag("min", "The fewest pods there may be; default 1.", form="number", default=str(UNSET)),
        Flag("max", "The most pods there may be. Required.", form="number", default=str(UNSET)),
        Flag("cpu", "The use of cpu to aim at: 70% of the requested, or per pod 500m (or 500)."),
        Flag("memory", "The use of memory to aim at: 60% of the requested, or per pod 200Mi (or 200)."),
        Flag("cpu-percent", "Older kubectls' way to say --cpu=70%.", form="number", default=str(UNSET)),
        Flag("name", "The autoscaler's name; default: that of what it scales."),
    ),
    complete="resources",
)  # fmt: skip
