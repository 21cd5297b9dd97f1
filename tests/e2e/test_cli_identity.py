"""Certificates, tokens and kubeconfigs from the command line."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.kubeconfig import of_file
from tests.e2e.cli_runner import Cli, cluster


@pytest.fixture(scope="module")
def hollow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    with cluster(tmp_path_factory.mktemp("hollow"), "--hollow=1") as cli:
        yield cli


def test_a_user_by_hand(hollow: Cli, tmp_path: Path) -> None:
    """As an administrator does it: key, request, approval, kubeconfig."""
    key, request = tmp_path / "jane.key", tmp_path / "jane.csr"
    openssl = "openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /O=dev/CN=jane"
    subprocess.run(
        [*openssl.split(), "-keyout", key, "-out", request], check=True, capture_output=True
    )
    encoded = subprocess.check_output(["base64", "-w0", request], text=True)
    manifest = f"""
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {{name: jane}}
spec:
  signerName: kubernetes.io/kube-apiserver-client
  usages: [client auth]
  request: {encoded}
"""
    hollow.ok("apply", "-f", "-", stdin=manifest)
    assert hollow.ok("get", "csr", "jane").lines()[1].split()[-2:] == ["<none>", "Pending"]
    assert "kubernetes-admin" in hollow.ok("describe", "csr", "jane").out
    approved = hollow.ok("certificate", "approve", "jane").out
    assert approved == "certificatesigningrequest.certificates.k8s.io/jane approved\n"
    assert "is Approved already" in hollow.fails("certificate", "deny", "jane")
    hollow.ok("wait", "--for=jsonpath={.status.certificate}", "csr/jane", "--timeout=30s")
    assert "Approved,Issued" in hollow.ok("get", "csr", "jane").out
    certificate = hollow.ok("get", "csr", "jane", "-o", "jsonpath={.status.certificate}").out
    pem = subprocess.check_output(["base64", "-d"], input=certificate.encode())
    (tmp_path / "jane.crt").write_bytes(pem)
    mine = Cli(hollow.data_dir, {"KUBECONFIG": f"{tmp_path}/conf:{hollow.data_dir}/admin.conf"})
    mine.ok("config", "set-credentials", "jane", f"--client-certificate={tmp_path}/jane.crt",
            f"--client-key={key}", "--embed-certs")  # fmt: skip
    assert (
        "created"
        in mine.ok("config", "set-context", "jane", "--cluster=helmling", "--user=jane").out
    )
    assert 'User "jane" cannot list resource "nodes" in API group "" at the cluster scope' in (
        mine.fails("get", "nodes", "--context=jane")
    )
    hollow.ok("create", "clusterrole", "looks", "--verb=get,list", "--resource=nodes")
    hollow.ok("create", "clusterrolebinding", "dev", "--clusterrole=looks", "--group=dev")
    mine.ok("get", "nodes", "--context=jane")
    assert (tmp_path / "conf").stat().st_mode & 0o777 == 0o600
    shown = mine.ok("config", "view").out
    assert "client-key-data: DATA+OMITTED" in shown
    assert "DATA+OMITTED" not in mine.ok("config", "view", "--raw").out


def test_a_denied_request_stays_denied(hollow: Cli) -> None:
    assert "takes the names of signing requests" in hollow.fails("certificate", "approve")
    assert '"nobody" not found' in hollow.fails("certificate", "deny", "nobody")


def test_join_tokens(hollow: Cli) -> None:
    made = hollow.ok("token", "create", "--ttl=1h", "--description=under the desk")
    token = made.out.strip()
    assert token.startswith("HL1")
    assert f" --token={token}\n" in made.err, (
        "the line for the other machine, beside what a script reads"
    )
    listed = hollow.ok("token", "list").out
    name, _, secret = token.rpartition("::")[2].partition(".")
    assert name in listed
    assert "under the desk" in listed
    assert secret not in listed + hollow.ok("get", "bootstraptokens", "-o", "yaml").out
    printed = hollow.ok("token", "create", "--print-join-command")
    assert printed.out.startswith("helmling agent --join=127.0.0.1:")
    assert "for this machine only" in printed.err
    assert hollow.ok("token", "delete", token).out == f'bootstrap token "{name}" deleted\n'
    assert name not in hollow.ok("token", "list").out


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("insecure-skip-tls-verify: true", "insecure-skip-tls-verify is not supported"),
        ("server: http://127.0.0.1:1", "Helmling never speaks plain text"),
        ("certificate-authority: missing.crt", "cannot read"),
        ("certificate-authority-data: '***'", "certificate-authority-data is not base64"),
        ("certificate-authority-data: eA==", "cannot be read as PEM, or do not belong together"),
        ("", "has no certificate-authority-data"),
    ],
)
def test_kubeconfigs_that_cannot_be_trusted(
    hollow: Cli, tmp_path: Path, line: str, told: str
) -> None:
    address = of_file(str(hollow.data_dir / "admin.conf")).address
    cluster = line if line.startswith("server") else f"server: https://{address}\n    {line}"
    assert told in hollow.fails(
        "get", "nodes", f"--kubeconfig={written(tmp_path, cluster, 'token: t')}"
    )


@pytest.mark.parametrize(
    ("user", "told"),
    [
        ("{}", "neither a client certificate nor a token"),
        ("client-certificate-data: eA==", "the user has no client-key-data"),
        ("exec: {command: aws}", '"exec" is not supported'),
        ("username: jane", '"username" is not supported'),
        ("tokenFile: nowhere", "cannot read"),
    ],
)
def test_users_without_an_identity(hollow: Cli, tmp_path: Path, user: str, told: str) -> None:
    cluster = "server: https://127.0.0.1:1\n    certificate-authority-data: eA=="
    assert told in hollow.fails("get", "nodes", f"--kubeconfig={written(tmp_path, cluster, user)}")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xff\xfe", "is no text in UTF-8"),
        (b"clusters: here", "clusters must be a list of {name: …, cluster: …}"),
        (b"users: 5", "users must be a list"),
        (b"users: [jane]", "users[0] must be {name: …, user: …}"),
        (b"contexts: [{name: x, context: [c]}]", "contexts[0] must be"),
    ],
)
def test_kubeconfigs_of_another_form(
    hollow: Cli, tmp_path: Path, content: bytes, told: str
) -> None:
    path = tmp_path / "conf"
    path.write_bytes(content)
    for words in (("get", "nodes"), ("config", "view"), ("config", "set-context", "y", "--user=u")):
        assert told in hollow.fails(*words, f"--kubeconfig={path}")
    assert path.read_bytes() == content


def test_credentials_from_a_file_that_is_not_there(hollow: Cli) -> None:
    said = hollow.fails("config", "set-credentials", "jane", "--client-certificate=/no/where")
    assert said == "error: cannot read /no/where: No such file or directory\n"


def test_what_cannot_join_says_so_at_once(hollow: Cli, tmp_path: Path) -> None:
    """Nothing waits for what will never come."""
    assert "--ttl is how long" in hollow.fails("token", "create", "--ttl=-1h")
    token = hollow.ok("token", "create").out.strip()
    address = of_file(str(hollow.data_dir / "admin.conf")).address
    machine = Cli(tmp_path)
    join = ("agent", f"--join={address}", f"--token={token}", "--node-name=late")
    assert "hollow nodes do not join" in machine.fails(*join, "--hollow=2")
    assert "Is it the port for tokens (usually 6441)?" in machine.fails(*join)
    assert not list(tmp_path.iterdir())


def written(folder: Path, cluster: str, user: str) -> Path:
    path = folder / "conf"
    path.write_text(f"""
apiVersion: v1
kind: Config
clusters:
- name: c
  cluster:
    {cluster}
users:
- name: u
  user:
    {user}
contexts:
- name: x
  context: {{cluster: c, user: u}}
current-context: x
""")
    return path


def test_files_beside_the_kubeconfig_are_found(hollow: Cli, tmp_path: Path) -> None:
    """Relative to the file, not to where the command runs."""
    target = of_file(str(hollow.data_dir / "admin.conf"))
    (tmp_path / "ca.crt").write_bytes(target.identity.ca)
    (tmp_path / "me.pem").write_bytes(target.identity.certificate + target.identity.key)
    conf = written(
        tmp_path,
        f"server: https://{target.address}\n    certificate-authority: ca.crt",
        "client-certificate: me.pem\n    client-key: me.pem",
    )
    for words in (("get", "nodes"), ("version",)):
        hollow.ok(*words, f"--kubeconfig={conf}")


def test_a_token_at_the_command_line(hollow: Cli) -> None:
    bearer = hollow.ok("token", "create").out.strip().rpartition("::")[2]
    command = hollow.ok("token", "create", "--print-join-command").out.split()
    (where,) = (word.removeprefix("--join=") for word in command if word.startswith("--join="))
    said = hollow.ok("auth", "whoami", f"--server={where}", f"--token={bearer}").out
    assert "system:bootstrappers" in said
    said = hollow.fails("get", "nodes", f"--server={where}", "--token=abcdef.0123456789abcdef")
    assert said.startswith(
        "error: You must be logged in to the server (Unauthorized: the token is not known"
    )
