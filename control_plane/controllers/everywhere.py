"""What there must be in every namespace: the ServiceAccount `default`, and the ConfigMap kube-root-ca.crt (S#32).

Pods count on both: they are `default` unless they say otherwise, and they check the API server against that
certificate. Whatever somebody deletes or changes of it is put back.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from api import controller
from api.client import Client, Selection
from api.errors import AlreadyExists
from api.informer import Informer, Informers
from api.workqueue import WorkQueue
from control_plane.apiserver.podaccount import CA_FILE, ROOT_CA
from control_plane.controllers import waking
from proto.v1.authentication_pb2 import ServiceAccount
from proto.v1.cluster_pb2 import Namespace
from proto.v1.config_pb2 import ConfigMap
from proto.v1.meta_pb2 import ObjectMeta

ABOUT = "Contains a CA bundle that can be used to verify the API server when it is reached by its name in the cluster."
# What should be in a namespace, made of what is there (None: nothing).
Complete = Callable[[str, Any | None], Any]


def default_account(namespace: str, found: ServiceAccount | None) -> ServiceAccount:
    """It need only be there."""
    meta = ObjectMeta(name="default", namespace=namespace)
    return found or ServiceAccount(metadata=meta)


def root_ca(namespace: str, found: ConfigMap | None, *, ca: str) -> ConfigMap:
    """With the certificate of the authority that is believed today."""
    new = ConfigMap(metadata=ObjectMeta(name=ROOT_CA, namespace=namespace))
    if found is not None:
        new.CopyFrom(found)
    new.metadata.annotations["kubernetes.io/description"] = ABOUT
    new.data.clear()
    new.data[CA_FILE] = ca
    return new


async def reconcile(
    key: str,
    *,
    client: Client,
    namespaces: Informer[Namespace],
    there: Informer[Any],
    complete: Complete,
) -> None:
    namespace = namespaces.objects.get(key)
    if namespace is None or namespace.metadata.HasField("deletionTimestamp"):
        return
    name = complete(key, None).metadata.name
    found = there.objects.get(f"{key}/{name}")
    if found is not None and found.metadata.HasField("deletionTimestamp"):
        return
    wanted = complete(key, found)
    if found is None:
        try:
            await client.create(wanted)
        except AlreadyExists:
            return  # the informer is about to tell
    elif wanted != found:
        await client.update(wanted)


async def run(client: Client, informers: Informers, kind: type[Any], complete: Complete) -> None:
    """Until cancelled."""
    queue, namespaces = WorkQueue(), informers.of(Namespace)
    name = complete("", None).metadata.name
    there = informers.of(kind, Selection(fields=f"metadata.name={name}"))

    def look(old: Any, new: Any) -> None:
        queue.add((new or old).metadata.namespace)

    namespaces.add_handler(waking.itself(queue))
    there.add_handler(look)
    await namespaces.wait_synced()
    await there.wait_synced()
    work = partial(reconcile, client=client, namespaces=namespaces, there=there, complete=complete)
    await controller.run(queue, work, workers=1, name=f"every-namespace-{name}")


async def accounts(client: Client, informers: Informers) -> None:
    """A `default` in every namespace."""
    await run(client, informers, ServiceAccount, default_account)


async def authorities(client: Client, informers: Informers, ca: str) -> None:
    """The certificate in every namespace; `ca`: PEM."""
    await run(client, informers, ConfigMap, partial(root_ca, ca=ca))
