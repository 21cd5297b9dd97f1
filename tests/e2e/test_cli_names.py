"""`helmling up` with a domain and addresses of its own: what the flags say arrives in the pods (S#88)."""

from pathlib import Path

import pytest

from tests.addresses import pod_range, service_range
from tests.e2e.cli_runner import ROOT, Cli
from tests.waiting import eventually

pytestmark = [pytest.mark.docker, pytest.mark.root]


def test_a_cluster_with_a_domain_of_its_own(tmp_path: Path) -> None:
    """Pods of a StatefulSet behind a headless service find each other by name; the cluster's own services have theirs."""
    cli, services = Cli(tmp_path / "data"), service_range()
    try:
        told = (
            f"--pod-cidr={pod_range()}",
            f"--service-cidr={services}",
            "--cluster-domain=lab.test",
        )
        cli.ok("up", "--port=0", *told)
        cli.ok("apply", "-f", str(ROOT / "examples/20-names.yaml"))
        cli.ok("wait", "--for=condition=Ready", "pod/asker")
        cli.ok("rollout", "status", "sts/quorum")

        def found(*command: str) -> str:
            return cli.run("exec", "asker", "--", *command).out

        server = services.replace("0/24", "10")
        assert f"nameserver {server}\nsearch default.svc.lab.test svc.lab.test lab.test" in found(
            "cat", "/etc/resolv.conf"
        )
        assert services.replace("0/24", "1 ") in found("getent", "ahostsv4", "kubernetes")
        assert f"{server} " in found("getent", "ahostsv4", "kube-dns.kube-system")
        address = cli.ok("get", "pod", "quorum-1", "-o", "jsonpath={.status.podIP}").out.strip()
        eventually(lambda: f"{address} " in found("getent", "ahostsv4", "quorum-1.quorum"))
        assert f"{address} " in found("getent", "ahostsv4", "quorum")
        places = found("nslookup", "-type=srv", "_http._tcp.quorum.default.svc.lab.test.")
        assert "80 quorum-1.quorum.default.svc.lab.test" in places
    finally:
        cli.ok("down", "--wipe", "--yes")
