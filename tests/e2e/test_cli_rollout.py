"""A Deployment's life on the command line, on hollow nodes."""

from pathlib import Path

from tests.e2e.cli_runner import cluster


def test_a_rollout_from_the_first_revision_and_back(tmp_path: Path) -> None:
    with cluster(tmp_path / "c", "--hollow=1") as cli:
        cli.ok("create", "deployment", "web", "--image=helmling/hello:v1")
        assert (
            "successfully rolled out"
            in cli.ok("rollout", "status", "deploy/web", "--timeout=50s").out
        )
        assert cli.ok("scale", "deploy/web", "--replicas=2").out == "deployment.apps/web scaled\n"
        said = cli.fails("scale", "deploy/web", "--replicas=3", "--current-replicas=9")
        assert said == "error: Expected replicas to be 9, was 2\n"
        cli.ok("set", "image", "deploy/web", "hello=helmling/hello:v2")
        cli.ok("rollout", "status", "deploy/web", "--timeout=50s")
        cli.ok("rollout", "pause", "deploy/web")
        assert "cannot rollback a paused" in cli.fails("rollout", "undo", "deploy/web")
        cli.ok("rollout", "resume", "deploy/web")
        assert cli.ok("rollout", "undo", "deploy/web").out == "deployment.apps/web rolled back\n"
        assert "unknown flag" in cli.fails("rollout", "status", "deploy/web", "--to-revision=1")
