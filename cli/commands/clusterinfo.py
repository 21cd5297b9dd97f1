"""`helmling cluster-info`: where the control plane is."""

from api.kinds import find
from cli.command import Command, Session


def run(session: Session) -> int | None:
    answer = session.server.version()
    kind = find("nodes")
    assert kind is not None
    nodes, _ = session.server.list(kind)
    ready = sum(
        any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)
        for node in nodes
    )
    session.say(f"Helmling control plane is running at {session.server.address}")
    session.say(
        f"Version {answer.helmling}, behaves like Kubernetes {answer.kubernetes}; cluster {answer.cluster}"
    )
    session.say(f"{len(nodes)} node(s), {ready} ready; found by {session.target.source}")
    session.say()
    session.say("To see what runs here: helmling status; helmling get nodes,pods -A")
    return 0


CLUSTER_INFO = Command(
    usage="cluster-info",
    about="Display addresses and state of the control plane.",
    examples="""  helmling cluster-info""",
    run=run,
)
