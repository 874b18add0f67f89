#!/usr/bin/env python3
"""Checks rendered manifests.

  kubernetes_test.py RENDERED BIN WORK [SCHEMAS]

RENDERED: output of `kubectl kustomize`; BIN: the programs; WORK: a folder with pki/{server,agent}.*;
SCHEMAS: strict API schemas, files `<kind>[-<first part of the API group>]-<version>.json`, possibly
in one sub-folder per API version.
"""
import copy
import glob
import json
import os
import re
import subprocess
import sys

import yaml

problems = []


def check(condition, message):
    if not condition:
        problems.append(message)


def name_of(manifest):
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def pod_of(manifest):
    return manifest["spec"]["template"]["spec"]


def claims_of(manifest):
    return manifest["spec"].get("volumeClaimTemplates", [])


def check_state(manifest, config):
    """What the server keeps must lie on a volume that outlives its pod, and be writable there."""
    name = name_of(manifest)
    state_dir = config.get("state_dir")
    check(state_dir, f"{name}: no state_dir: changes of classes are lost with the pod")
    claims = {c["metadata"]["name"] for c in claims_of(manifest)}
    mounts = [m for m in pod_of(manifest)["containers"][0]["volumeMounts"]
              if m["mountPath"] == state_dir and m["name"] in claims and not m.get("readOnly")]
    check(len(mounts) == 1, f"{name}: state_dir {state_dir} is not the mount of a volume claim")


def check_surge(manifest, config):
    """A new pod must be able to take the guests over from the old one, and keep them."""
    name, pod = name_of(manifest), pod_of(manifest)
    rolling = manifest["spec"]["updateStrategy"].get("rollingUpdate", {})
    check(rolling.get("maxSurge") == 1 and rolling.get("maxUnavailable") == 0,
          f"{name}: without maxSurge: 1, maxUnavailable: 0 the old pod goes before the new one comes")
    container = pod["containers"][0]
    for flag, without in (("--take-over", "the new pod cannot start beside the old one"),
                          ("--linger", "the old pod's container is restarted and takes the guests back")):
        check(flag in container["args"], f"{name}: no {flag}: {without}")
    # Two pods on one node: nothing of the host's may belong to one of them alone.
    check(not pod.get("hostNetwork"), f"{name}: hostNetwork: both pods would want the same port")
    for port in container["ports"]:
        check("hostPort" not in port, f"{name}: hostPort {port['name']}: both pods would want it")
    shared = {v["name"]: v["hostPath"]["path"] for v in pod["volumes"] if "hostPath" in v}
    for what, path in (("control", os.path.dirname(config["control"])), ("state_dir", config["state_dir"])):
        mounts = [m for m in container["volumeMounts"]
                  if m["name"] in shared and m["mountPath"] == path and not m.get("readOnly")]
        check(len(mounts) == 1, f"{name}: {what} in {path} is not shared by the pods of a node")
    # Peers' pids, and the user that both sides of a handover check.
    check(pod.get("hostPID") is True, f"{name}: no hostPID: peers are nobody")
    check(container["securityContext"].get("runAsUser") == 0, f"{name}: the pods' user is not fixed")
    # While it lingers the old pod is healthy and not ready; a probe that mixes them up restarts it.
    for probe, path in (("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")):
        check(container[probe]["httpGet"]["path"] == path, f"{name}: {probe} is not {path}")


def check_workload(manifest, by_name):
    name, pod = name_of(manifest), pod_of(manifest)
    labels = manifest["spec"]["template"]["metadata"]["labels"]
    selector = manifest["spec"]["selector"]["matchLabels"]
    check(selector.items() <= labels.items(), f"{name}: the selector does not select its own pods")
    check(f"ServiceAccount/{pod['serviceAccountName']}" in by_name, f"{name}: no such service account")
    if manifest["kind"] == "StatefulSet":
        check(f"Service/{manifest['spec']['serviceName']}" in by_name, f"{name}: serviceName leads nowhere")
    volumes = {v["name"]: v for v in pod.get("volumes", [])}
    for volume in volumes.values():
        if "configMap" in volume:
            check(f"ConfigMap/{volume['configMap']['name']}" in by_name,
                  f"{name}: volume {volume['name']}: no ConfigMap {volume['configMap']['name']}")
    for claim in claims_of(manifest):
        volumes[claim["metadata"]["name"]] = claim
    used = set()
    for container in pod["containers"]:
        ports = {p["name"] for p in container["ports"]}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            check(container[probe]["httpGet"]["port"] in ports, f"{name}: {probe}: no such port")
        for mount in container["volumeMounts"]:
            used.add(mount["name"])
            check(mount["name"] in volumes, f"{name}: mount {mount['name']}: no such volume")
    check(used == set(volumes), f"{name}: volumes nobody mounts: {set(volumes) - used}")


def check_service(manifest, workloads):
    wanted = manifest["spec"]["selector"].items()
    chosen = [w for w in workloads if wanted <= w["spec"]["template"]["metadata"]["labels"].items()]
    check(len(chosen) == 1, f"{name_of(manifest)}: selects {len(chosen)} workloads")
    for workload in chosen:
        ports = {p["name"] for c in pod_of(workload)["containers"] for p in c["ports"]}
        for port in manifest["spec"]["ports"]:
            check(port["targetPort"] in ports, f"{name_of(manifest)}: port {port['name']} leads nowhere")


def check_program(manifest, by_name, binaries, work):
    """Runs the container's real command with its real flags, and --check-config, on its ConfigMap."""
    container = pod_of(manifest)["containers"][0]
    program = os.path.basename(container["command"][0])
    config_map = next(v["configMap"]["name"] for v in pod_of(manifest)["volumes"] if "configMap" in v)
    files = by_name[f"ConfigMap/{config_map}"]["data"]
    arguments, config = [], None
    for argument in container["args"]:
        if os.path.basename(argument) in files:
            mounts = {m["mountPath"]: m.get("subPath") for m in container["volumeMounts"]}
            check(mounts.get(argument) in files, f"{program}: {argument} is not mounted")
            text = files[os.path.basename(argument)]
            identity = "server" if program == "entropyd" else "agent"
            text = text.replace("/etc/entropyd/tls/tls", f"{work}/pki/{identity}")
            text = text.replace("/etc/entropyd/tls/ca", f"{work}/pki/ca")
            config = argument = os.path.join(work, f"{program}.yaml")
            with open(config, "w", encoding="utf-8") as f:
                f.write(text)
        arguments.append(argument)
    check(config, f"{program}: no argument names its configuration")
    run = subprocess.run([os.path.join(binaries, program), *arguments, "--check-config"],
                         capture_output=True, text=True, timeout=30)
    check(run.returncode == 0, f"{program} {' '.join(arguments)} --check-config: {run.stdout}{run.stderr}")
    parsed = yaml.safe_load(open(config, encoding="utf-8"))
    ports = {p["name"]: p["containerPort"] for p in container["ports"]}
    check(parsed["metrics"] == f"0.0.0.0:{ports['http']}", f"{program}: metrics address and port differ")
    if program == "entropyd":
        check_state(manifest, parsed)
    else:
        check_surge(manifest, parsed)
    if "grpc" in ports:
        check(parsed["listen"] == f"0.0.0.0:{ports['grpc']}", f"{program}: listen address and port differ")


def schema_of(manifest, schemas):
    group, _, version = manifest["apiVersion"].rpartition("/")
    parts = [manifest["kind"].lower()] + ([group.split(".")[0]] if group else []) + [version]
    found = glob.glob(os.path.join(schemas, "**", "-".join(parts) + ".json"), recursive=True)
    check(found, f"{name_of(manifest)}: no schema {'-'.join(parts)}.json in {schemas}")
    return json.load(open(found[0], encoding="utf-8")) if found else None


def check_schemas(manifests, schemas):
    import jsonschema
    for manifest in manifests:
        schema = schema_of(manifest, schemas)
        if schema is None:
            continue
        for error in jsonschema.Draft4Validator(schema).iter_errors(manifest):
            check(False, f"{name_of(manifest)}: {'/'.join(map(str, error.path))}: {error.message}")
        # The schemas are strict: a field that the API does not know must not pass.
        wrong = copy.deepcopy(manifest)
        wrong["metadata"]["labelz"] = {}
        check(not jsonschema.Draft4Validator(schema).is_valid(wrong),
              f"{name_of(manifest)}: the schema accepts an unknown field")


def main():
    rendered, binaries, work = sys.argv[1:4]
    manifests = [m for m in yaml.safe_load_all(open(rendered, encoding="utf-8")) if m]
    by_name = {name_of(m): m for m in manifests}
    # A generated ConfigMap's name ends in a hash of its content: references must have followed.
    for name in by_name:
        if name.startswith("ConfigMap/"):
            check(re.search(r"-[a-z0-9]{10}$", name), f"{name}: no content hash in the name")
    workloads = [m for m in manifests if m["kind"] in ("StatefulSet", "DaemonSet")]
    check({m["kind"] for m in workloads} == {"StatefulSet", "DaemonSet"}, "a workload is missing")
    for manifest in manifests:
        if manifest["kind"] != "Namespace":
            check(manifest["metadata"].get("namespace") == "entropyd", f"{name_of(manifest)}: namespace")
        if manifest["kind"] == "Service":
            check_service(manifest, workloads)
    for workload in workloads:
        check_workload(workload, by_name)
        check_program(workload, by_name, binaries, work)
    if len(sys.argv) > 4:
        check_schemas(manifests, sys.argv[4])
        print(f"{len(manifests)} manifests validated against the schemas in {sys.argv[4]}")
    else:
        print("NOTE: K8S_SCHEMAS is not set: manifests checked structurally, not against API schemas")
    for problem in problems:
        print(problem)
    if problems:
        sys.exit(1)
    print(f"{len(manifests)} manifests hold together")


main()
