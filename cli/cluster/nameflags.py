"""The flags of `helmling up` and `helmling agent` about the names that pods can look up."""

from dataclasses import replace

from cli.cluster.layout import CLUSTER_DOMAIN, Wishes
from cli.errors import UsageError
from cli.flags import Flag, Parsed

FLAGS = (
    Flag("cluster-dns", "Where pods ask for names; every node has this address. Default: the services' tenth."),
    Flag("cluster-domain", f"What the cluster's names end in. Default {CLUSTER_DOMAIN}."),
)  # fmt: skip


def of(flags: Parsed, wishes: Wishes) -> Wishes:
    """The wishes with what the flags say. Raises UsageError."""
    if flags.given("cluster-dns"):
        wishes = replace(wishes, cluster_dns=_address(flags.text("cluster-dns")))
    if flags.given("cluster-domain"):
        wishes = replace(wishes, cluster_domain=_domain(flags.text("cluster-domain")))
    return wishes


def arguments(wishes: Wishes) -> list[str]:
    """As an agent is told."""
    address = [f"--cluster-dns={wishes.cluster_dns}"] if wishes.cluster_dns else []
    return [*address, f"--cluster-domain={wishes.cluster_domain}"]


def _address(text: str) -> str:
    import ipaddress

    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError as error:
        raise UsageError(f"--cluster-dns {text}: {error}") from None


def _domain(text: str) -> str:
    from api.names import dns_subdomain

    domain = text.removesuffix(".")
    problems = dns_subdomain(domain)
    if problems or any(len(label) > 63 for label in domain.split(".")):
        why = problems[0] if problems else "a part between two dots has more than 63 characters"
        raise UsageError(f"--cluster-domain {text}: {why}")
    return domain
