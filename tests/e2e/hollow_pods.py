"""Pods for the tests of the command line on hollow nodes (see conftest.py)."""

from pathlib import Path

from tests.e2e.cli_runner import Cli

POD = """apiVersion: v1
kind: Pod
metadata:
  name: {name}
  labels:
    app: {app}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: helmling/hello:v1
    ports:
    - name: http
      containerPort: 80
"""


def manifest(name: str, app: str = "web") -> str:
    return POD.format(name=name, app=app)


def namespace_of(cli: Cli) -> str:
    return Path(cli.environment["KUBECONFIG"]).stem


def running(cli: Cli, name: str, *options: str) -> None:
    cli.ok("run", name, "--image=helmling/hello:v1", *options)
    cli.ok("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")
