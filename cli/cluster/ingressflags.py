"""The flags of `helmling agent` and `helmling up` about the node's ingress."""

from dataclasses import replace

from cli.cluster.layout import Wishes
from cli.errors import UsageError
from cli.flags import Flag, Parsed

FLAGS = (
    Flag("ingress", "auto: the node serves Ingresses as soon as there is one; off: it does not. Default auto."),
    Flag("ingress-http-port", "Where it does, for HTTP. Default 80.", form="number"),
    Flag("ingress-https-port", "The same for HTTPS. Default 443.", form="number"),
)  # fmt: skip


def with_ingress(wishes: Wishes, flags: Parsed) -> Wishes:
    """The wishes, with what was given. Raises UsageError."""
    if flags.given("ingress"):
        if flags.text("ingress") not in ("auto", "off"):
            raise UsageError(f"--ingress is auto or off, not {flags.text('ingress')}")
        wishes = replace(wishes, ingress=flags.text("ingress"))
    http, https = wishes.ingress_http_port, wishes.ingress_https_port
    http, https = _port(flags, "ingress-http-port", http), _port(flags, "ingress-https-port", https)
    if http == https:
        raise UsageError(f"--ingress-http-port and --ingress-https-port are both {http}")
    return replace(wishes, ingress_http_port=http, ingress_https_port=https)


def arguments(wishes: Wishes) -> list[str]:
    """The same for the agent's command line, as far as it is not as usual."""
    usual = Wishes()
    names = ("ingress", "ingress_http_port", "ingress_https_port")
    return [
        f"--{name.replace('_', '-')}={getattr(wishes, name)}"
        for name in names
        if getattr(wishes, name) != getattr(usual, name)
    ]


def _port(flags: Parsed, name: str, before: int) -> int:
    if not flags.given(name):
        return before
    port = flags.number(name) or 0
    if not 1 <= port <= 65535:
        raise UsageError(f"--{name} must be between 1 and 65535, not {port}")
    return port
