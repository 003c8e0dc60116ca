"""The Pod Security Standard "restricted", rule by rule, and pods as KubeRay makes them.

The rules and their names are those of
https://kubernetes.io/docs/concepts/security/pod-security-standards/ (Kubernetes 1.34).
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import kube

Pod = dict[str, Any]

VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral"),
    *("persistentVolumeClaim", "projected", "secret"),
}
SYSCTLS = {
    *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_local_reserved_ports"),
    *("net.ipv4.ip_unprivileged_port_start", "net.ipv4.ping_group_range", "net.ipv4.tcp_rmem"),
    *("net.ipv4.syncookies", "net.ipv4.tcp_syncookies", "net.ipv4.tcp_wmem"),
    *("net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_keepalive_intvl"),
    *("net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_fin_timeout"),
}
SELINUX = {None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}


def as_made(resource: dict[str, Any]) -> list[Pod]:
    """Return a RayJob's or RayCluster's pods with what KubeRay adds to them.

    That is the autoscaler beside the head, from `autoscalerOptions`, and before a worker a
    container that waits for the head, which has the worker's security context and volumes.
    """
    resource = copy.deepcopy(resource)
    for cluster in kube.clusters([resource]):
        head = cluster["headGroupSpec"]["template"]["spec"]
        options = cluster.get("autoscalerOptions", {})
        if cluster.get("enableInTreeAutoscaling"):
            taken = ("securityContext", "volumeMounts", "env", "resources", "imagePullPolicy")
            sidecar = {key: options[key] for key in taken if key in options}
            image = options.get("image", head["containers"][0]["image"])
            head["containers"].append({"name": "autoscaler", "image": image, **sidecar})
        for group in cluster["workerGroupSpecs"]:
            pod = group["template"]["spec"]
            first = pod["containers"][0]
            taken = ("securityContext", "volumeMounts", "env", "image")
            wait = {key: copy.deepcopy(first[key]) for key in taken if key in first}
            limits = {"cpu": "200m", "memory": "256Mi"}
            wait["resources"] = {"requests": limits, "limits": dict(limits)}
            pod["initContainers"] = [{"name": "wait-gcs-ready", **wait}]
    return list(kube.pods(resource))


def containers(pod: Pod) -> Iterator[dict[str, Any]]:
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        yield from pod.get(kind, ())


def _contexts(pod: Pod) -> Iterator[dict[str, Any]]:
    yield pod.get("securityContext", {})
    for one in containers(pod):
        yield one.get("securityContext", {})


def _of_container(key: str, allowed: Callable[[Any], bool]) -> Callable[[Pod], bool]:
    return lambda pod: all(
        allowed(one.get("securityContext", {}).get(key)) for one in containers(pod)
    )


def _of_all(*keys: str, allowed: Callable[[Any], bool]) -> Callable[[Pod], bool]:
    def obeyed(pod: Pod) -> bool:
        for context in _contexts(pod):
            value: Any = context
            for key in keys:
                value = (value or {}).get(key)
            if not allowed(value):
                return False
        return True

    return obeyed


def _set_everywhere(key: str, allowed: Callable[[Any], bool]) -> Callable[[Pod], bool]:
    """A rule that the pod may obey for containers that say nothing; none may break it."""

    def obeyed(pod: Pod) -> bool:
        whole = pod.get("securityContext", {}).get(key)
        own = [one.get("securityContext", {}).get(key) for one in containers(pod)]
        return all(allowed(whole if one is None else one) for one in own)

    return obeyed


def _no_host_ports(pod: Pod) -> bool:
    ports = [port for one in containers(pod) for port in one.get("ports", ())]
    return not any(port.get("hostPort") for port in ports)


def _no_host_in_probes(pod: Pod) -> bool:
    hooks = [
        hook
        for one in containers(pod)
        for name in ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle")
        for hook in (one.get(name, {}), *one.get(name, {}).values())
        if isinstance(hook, dict)
    ]
    kinds = ("httpGet", "tcpSocket")
    return not any(hook.get(kind, {}).get("host") for hook in hooks for kind in kinds)


RULES: dict[str, Callable[[Pod], bool]] = {
    "HostProcess": _of_all("windowsOptions", "hostProcess", allowed=lambda one: not one),
    "Host Namespaces": lambda pod: (
        not any(pod.get(one) for one in ("hostNetwork", "hostPID", "hostIPC"))
    ),
    "Privileged Containers": _of_container("privileged", lambda one: not one),
    "Capabilities": _of_container(
        "capabilities",
        lambda one: (
            "ALL" in (one or {}).get("drop", ())
            and set((one or {}).get("add", ())) <= {"NET_BIND_SERVICE"}
        ),
    ),
    "Host Ports": _no_host_ports,
    "Host Probes / Lifecycle Hooks": _no_host_in_probes,
    "AppArmor": _of_all(
        "appArmorProfile",
        "type",
        allowed=lambda one: one in (None, "RuntimeDefault", "Localhost"),
    ),
    "SELinux type": _of_all("seLinuxOptions", "type", allowed=lambda one: one in SELINUX),
    "SELinux user": _of_all("seLinuxOptions", "user", allowed=lambda one: not one),
    "SELinux role": _of_all("seLinuxOptions", "role", allowed=lambda one: not one),
    "/proc Mount Type": _of_container("procMount", lambda one: one in (None, "Default")),
    "Sysctls": lambda pod: all(
        one["name"] in SYSCTLS for one in pod.get("securityContext", {}).get("sysctls", ())
    ),
    "Volume Types": lambda pod: all(
        set(one) - {"name"} <= VOLUMES and len(one) > 1 for one in pod.get("volumes", ())
    ),
    "Privilege Escalation": _of_container("allowPrivilegeEscalation", lambda one: one is False),
    "Running as Non-root": _set_everywhere("runAsNonRoot", lambda one: one is True),
    "Running as Non-root user": _of_all("runAsUser", allowed=lambda one: one != 0),
    "Seccomp": _set_everywhere(
        "seccompProfile", lambda one: (one or {}).get("type") in ("RuntimeDefault", "Localhost")
    ),
}


def broken_rules(pod: Pod) -> list[str]:
    """Return the names of the rules that a pod breaks."""
    return [name for name, obeyed in RULES.items() if not obeyed(pod)]
