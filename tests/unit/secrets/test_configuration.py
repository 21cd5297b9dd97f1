"""The file of Kubernetes' format: what it may say, and what is said of one that is wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.secrets.configuration import (
    PLAIN,
    BadConfiguration,
    Configuration,
    Key,
    Rule,
    read,
    write,
)
from tests.encryption import base64

SECRET = base64(bytes(range(32)))
# From Kubernetes' documentation, with keys that are long enough to be some.
KUBERNETES = f"""
apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
  - resources:
      - secrets
      - configmaps
    providers:
      - identity: {{}}
      - aesgcm:
          keys:
            - name: key1
              secret: {SECRET}
            - name: key2
              secret: dGhpcyBpcyBwYXNzd29yZA==
      - aescbc:
          keys:
            - name: key3
              secret: {SECRET}
      - secretbox:
          keys:
            - name: key4
              secret: YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXoxMjM0NTY=
  - resources:
      - events
    providers:
      - identity: {{}} # do not encrypt Events even though *.* is specified below
  - resources: ['*.apps']
    providers:
      - aescbc:
          keys:
          - name: key3
            secret: {SECRET}
  - resources: ['*.*']
    providers:
      - identity:
"""


def test_kubernetes_own_example() -> None:
    rules = read(KUBERNETES.replace("dGhpcyBpcyBwYXNzd29yZA==", base64(b"16 bytes, really"))).rules
    assert [rule.resources for rule in rules] == [("secrets", "configmaps"), ("events",), ("*.apps",), ("*.*",)]  # fmt: skip
    assert [(key.provider, key.name) for key in rules[0].keys] == [
        ("identity", ""), ("aesgcm", "key1"), ("aesgcm", "key2"), ("aescbc", "key3"), ("secretbox", "key4"),
    ]  # fmt: skip
    assert rules[0].keys[4].secret == b"abcdefghijklmnopqrstuvwxyz123456"
    assert rules[3].keys == (PLAIN,)


def file(provider: str, resource: str = "secrets") -> str:
    return (
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n"
        f"resources: [{{resources: [{resource}], providers: [{provider}]}}]\n"
    )


def one(secret: object = SECRET, name: object = "key1", provider: str = "aesgcm") -> str:
    return f"{{{provider}: {{keys: [{{name: {name}, secret: {secret}}}]}}}}"


AT = "resources[0].providers[0]"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "must be a mapping of apiVersion, kind, resources"),
        ("a: [", "line 1: this is no YAML"),
        ("\t", "this is no YAML"),
        ("kind: EncryptionConfiguration", "apiVersion: must be apiserver.config.k8s.io/v1"),
        (file(one()).replace("EncryptionC", "C"), "kind: must be EncryptionConfiguration"),
        ("apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration", "resources: must be a list with at least one entry"),
        (file(one(), ""), "resources[0].resources: must be a list with at least one entry"),
        (file(""), "resources[0].providers: must be a list with at least one entry"),
        (file(one(), "secret"), "resources[0].resources[0]: there is no resource 'secret', did you mean secrets?"),
        (file(one(), "'*'"), "resources[0].resources[0]: use *.* for everything"),
        (file(one(), "'*.nope'"), "resources[0].resources[0]: there is no group 'nope'"),
        (file(one(), "7"), "resources[0].resources[0]: must be the name of a resource"),
        (file("{kms: {name: vault, endpoint: unix:///s}}"), f"{AT}.kms: key services (KMS) are not supported, use aesgcm"),
        (file("{}"), f"{AT}: must have exactly one of aesgcm, aescbc, secretbox, identity"),
        (file("{identity: {}, aesgcm: {keys: []}}"), f"{AT}: must have exactly one of"),
        (file("{identity: {a: 1}}"), f"{AT}.identity.a: there is no such field"),
        (file("{rot13: {}}"), f"{AT}.rot13: there is no such field, only aesgcm, aescbc, secretbox, identity"),
        (file("{aesgcm: {}}"), f"{AT}.aesgcm.keys: must be a list"),
        (file("{aesgcm: {keys: [7]}}"), f"{AT}.aesgcm.keys[0]: must be a mapping of name, secret"),
        (file(one(name="''")), f"{AT}.aesgcm.keys[0].name: must be 1 to 63 printable ASCII characters without a colon"),
        (file(one(name="'a:b'")), f"{AT}.aesgcm.keys[0].name: must be"),
        (file(one(name="k" * 64)), f"{AT}.aesgcm.keys[0].name: must be"),
        (file(one("'?'")), f"{AT}.aesgcm.keys[0].secret: must be 16 or 24 or 32 bytes in base64"),
        (file(one(base64(bytes(31)))), f"{AT}.aesgcm.keys[0].secret: must be 16 or 24 or 32 bytes"),
        (file(one(base64(bytes(16)), provider="secretbox")), f"{AT}.secretbox.keys[0].secret: must be 32 bytes"),
        (file(f"{one()}, {one(provider='aescbc')}"), "resources[0].providers[1].aescbc.keys[0].name: 'key1' is the name of another key"),
        (file(one()).replace("{name", "{id: 1, name"), f"{AT}.aesgcm.keys[0].id: there is no such field"),
    ],
)  # fmt: skip
def test_every_mistake_has_its_path(text: str, complaint: str) -> None:
    with pytest.raises(BadConfiguration) as caught:
        read(text)
    assert complaint in str(caught.value)


def test_all_mistakes_are_told_at_once_and_no_key_with_them() -> None:
    secret = base64(b"thirty-one bytes, one too few..")
    with pytest.raises(BadConfiguration) as caught:
        read(file(f"{one(secret)}, {{kms: {{}}}}", "secrets, nope"))
    assert [cause.field for cause in caught.value.causes] == [
        "resources[0].resources[1]", f"{AT}.aesgcm.keys[0].secret", "resources[0].providers[1].kms",
    ]  # fmt: skip
    assert secret not in str(caught.value)
    with pytest.raises(BadConfiguration) as broken:
        read(f"a: [\nsecret: {SECRET}\n b: ]")
    assert SECRET not in str(broken.value)


keys = st.builds(
    lambda provider, number: Key(provider, f"k{number}-{provider}", bytes([number]) * 32),
    st.sampled_from(["aesgcm", "aescbc", "secretbox"]),
    st.integers(0, 5),
)
rules = st.builds(
    lambda resources, keys: Rule(tuple(resources), tuple(keys)),
    st.lists(st.sampled_from(["secrets", "configmaps", "*.apps", "*.*", "*."]), min_size=1, max_size=3),
    st.lists(keys | st.just(PLAIN), min_size=1, max_size=5),
)  # fmt: skip


@given(st.lists(rules, min_size=1, max_size=3))
def test_what_is_written_is_read_again(some: list[Rule]) -> None:
    configuration = Configuration(tuple(some))
    assert read(write(configuration)) == configuration


def test_a_key_is_never_shown() -> None:
    assert "secret" not in repr(Key("aesgcm", "k", b"secret" * 4))
