"""The ServiceAccount of a new pod: which it is, and how its token gets into the containers (S#32). Pure.

Each container finds a token, the certificate of the cluster's authority and its namespace under ROOT, in the files
where every client library looks for them. The node asks for the token and renews it. Whoever wants none says
automountServiceAccountToken: false, in the pod or in the account; the pod counts.
"""

import hashlib
from functools import lru_cache

from api.names import SUFFIX_LENGTH, SUFFIX_LETTERS
from proto.v1.authentication_pb2 import ServiceAccount
from proto.v1.pod_pb2 import (
    ConfigMapProjection,
    Container,
    DownwardAPIProjection,
    DownwardAPIVolumeFile,
    KeyToPath,
    ObjectFieldSelector,
    Pod,
    ProjectedVolumeSource,
    ServiceAccountTokenProjection,
    Volume,
    VolumeProjection,
)

DEFAULT = "default"
ROOT = "/var/run/secrets/kubernetes.io/serviceaccount"
PREFIX = "kube-api-access-"
SECONDS = (
    3607  # of a token's life, as Kubernetes: seven more than an hour mark what nobody has asked for
)
ROOT_CA, CA_FILE = "kube-root-ca.crt", "ca.crt"
MODE = 0o644


def name_account(pod: Pod) -> None:
    """Both fields that name it, old and new, say the same."""
    spec = pod.spec
    spec.serviceAccountName = spec.serviceAccountName or spec.serviceAccount or DEFAULT
    spec.serviceAccount = spec.serviceAccountName


def complete(pod: Pod, account: ServiceAccount) -> None:
    """What its account gives to a new pod: the token, and Secrets for registries. Twice changes nothing."""
    if not pod.spec.imagePullSecrets:
        pod.spec.imagePullSecrets.extend(account.imagePullSecrets)
    if _wants_token(pod, account):
        _mount(pod)


def _wants_token(pod: Pod, account: ServiceAccount) -> bool:
    if pod.spec.HasField("automountServiceAccountToken"):
        return pod.spec.automountServiceAccountToken
    if account.HasField("automountServiceAccountToken"):
        return account.automountServiceAccountToken
    return True


def _mount(pod: Pod) -> None:
    spec = pod.spec
    without = [each for each in (*spec.initContainers, *spec.containers) if not _has_token(each)]
    if not without:
        return
    known = next((each.name for each in spec.volumes if each.name.startswith(PREFIX)), "")
    name = known or PREFIX + _letters(spec.serviceAccountName)
    if not known:
        spec.volumes.append(access_volume(name))  # a copy
    for container in without:
        container.volumeMounts.add(name=name, mountPath=ROOT, readOnly=True)


@lru_cache(maxsize=256)
def _letters(account: str) -> str:
    """The end of the volume's name: like Kubernetes' random letters, but the same for every pod of the account.

    Replicas then differ in nothing but their names, so what was judged of one need not be judged again.
    """
    drawn = hashlib.sha256(account.encode()).digest()[:SUFFIX_LENGTH]
    return "".join(SUFFIX_LETTERS[byte % len(SUFFIX_LETTERS)] for byte in drawn)


def _has_token(container: Container) -> bool:
    """Something of its own is there already."""
    return any(mount.mountPath == ROOT for mount in container.volumeMounts)


@lru_cache(maxsize=256)
def access_volume(name: str) -> Volume:
    """All it takes to ask the API server, in one directory. Not to be changed."""
    token = ServiceAccountTokenProjection(expirationSeconds=SECONDS, path="token")
    ca = ConfigMapProjection(name=ROOT_CA, items=[KeyToPath(key=CA_FILE, path=CA_FILE)])
    own = DownwardAPIVolumeFile(
        path="namespace",
        fieldRef=ObjectFieldSelector(apiVersion="v1", fieldPath="metadata.namespace"),
    )
    sources = [
        VolumeProjection(serviceAccountToken=token),
        VolumeProjection(configMap=ca),
        VolumeProjection(downwardAPI=DownwardAPIProjection(items=[own])),
    ]
    return Volume(name=name, projected=ProjectedVolumeSource(sources=sources, defaultMode=MODE))
