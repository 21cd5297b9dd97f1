"""Fields that Kubernetes has and Helmling has not, so that a refusal can say so instead of "unknown field"."""

# The server owns these there and nobody writes them by hand; a manifest taken from a cluster may carry them.
IGNORED: dict[str, frozenset[str]] = {"ObjectMeta": frozenset(("managedFields", "selfLink"))}

_VOLUMES = (
    "awsElasticBlockStore azureDisk azureFile cephfs cinder csi ephemeral fc flexVolume flocker "
    "gcePersistentDisk gitRepo glusterfs image iscsi nfs persistentVolumeClaim photonPersistentDisk portworxVolume "
    "quobyte rbd scaleIO storageos vsphereVolume"
)

FOREIGN: dict[str, frozenset[str]] = {
    message: frozenset(names.split())
    for message, names in {
        "PodSpec": "ephemeralContainers hostUsers hostnameOverride os "
        "preemptionPolicy priorityClassName resourceClaims resources runtimeClassName workloadRef",
        "PodStatus": "allocatedResources ephemeralContainerStatuses extendedResourceClaimStatus resize "
        "resourceClaimStatuses resources",
        "Container": "resizePolicy restartPolicyRules volumeDevices",
        "ContainerStatus": "allocatedResources allocatedResourcesStatus resources stopSignal user volumeMounts",
        "EnvVarSource": "fileKeyRef",
        "Lifecycle": "stopSignal",
        "PodSecurityContext": "appArmorProfile seLinuxChangePolicy seLinuxOptions supplementalGroupsPolicy "
        "windowsOptions",
        "SecurityContext": "appArmorProfile procMount seLinuxOptions windowsOptions",
        "SeccompProfile": "localhostProfile",
        "ResourceRequirements": "claims",
        "VolumeMount": "recursiveReadOnly",
        "VolumeProjection": "clusterTrustBundle podCertificate",
        "Volume": _VOLUMES,
        "NodeSpec": "configSource externalID",
        "NodeStatus": "config declaredFeatures features phase runtimeHandlers volumesAttached volumesInUse",
        "NodeSystemInfo": "swap",
        "JobSpec": "managedBy",
        "MetricSpec": "external object pods",
        "MetricStatus": "external object pods",
        "MetricTarget": "value",
        "LeaseSpec": "preferredHolder strategy",
        "StatefulSetSpec": "persistentVolumeClaimRetentionPolicy volumeClaimTemplates",
    }.items()
}

# What to do instead, where there is something. Without it a refusal would be a dead end.
ADVICE: dict[tuple[str, str], str] = {
    ("StatefulSetSpec", "volumeClaimTemplates"): "there are no persistent volumes yet; a pod can "
    "keep its data in a hostPath of the node that it is bound to, or lose it with an emptyDir",
}
