"""What a platform would refuse of the image's files: their structure, and references.

The schemas are those parts of Kubernetes' and of the Compose Specification that they
use: a key that is in neither fails here as it would there.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
MANIFESTS = [*yaml.safe_load_all(
    (ROOT / "scripts/kubernetes/seat-ledger.yaml").read_text()
)]  # fmt: skip
Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
PORT: Schema = {"type": ["integer", "string"]}
TEXTS: Schema = {"type": "array", "items": TEXT}
LABELS: Schema = {"type": "object", "additionalProperties": TEXT}
NAME: Schema = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}


def closed(required: str = "", **properties: Schema) -> Schema:
    """An object that has these keys, and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


def some(items: Schema) -> Schema:
    return {"type": "array", "items": items, "minItems": 1}


# -- Kubernetes ------------------------------------------------------------------------

METADATA = closed(name=NAME, labels=LABELS)
QUANTITY: Schema = {"type": ["string", "integer"], "pattern": "^[0-9]+(m|Mi|Gi)?$"}
AMOUNTS = closed(cpu=QUANTITY, memory=QUANTITY)
PROBE = closed(
    "httpGet",
    httpGet=closed("path port", path=TEXT, port=PORT),
    **dict.fromkeys(("periodSeconds", "failureThreshold", "timeoutSeconds"), COUNT),
)
CONTAINER = closed(
    "name image",
    name=NAME,
    image=TEXT,
    args=TEXTS,
    workingDir=TEXT,
    env=some(
        closed(
            "name",
            name=TEXT,
            value=TEXT,
            valueFrom=closed(secretKeyRef=closed("name key", name=NAME, key=TEXT)),
        )
    ),
    securityContext=closed(
        allowPrivilegeEscalation=FLAG,
        readOnlyRootFilesystem=FLAG,
        capabilities=closed(drop=TEXTS),
    ),
    volumeMounts=some(closed("name mountPath", name=NAME, mountPath=TEXT)),
    ports=some(closed("containerPort", name=NAME, containerPort=COUNT)),
    startupProbe=PROBE,
    livenessProbe=PROBE,
    readinessProbe=PROBE,
    resources=closed(requests=AMOUNTS, limits=AMOUNTS),
)
POD = closed(
    "containers",
    automountServiceAccountToken=FLAG,
    restartPolicy={"enum": ["Always", "OnFailure", "Never"]},
    securityContext=closed(
        runAsNonRoot=FLAG,
        runAsUser=COUNT,
        fsGroup=COUNT,
        seccompProfile=closed("type", type={"enum": ["RuntimeDefault", "Unconfined"]}),
    ),
    initContainers=some(CONTAINER),
    containers=some(CONTAINER),
    volumes=some(closed("name emptyDir", name=NAME, emptyDir=closed())),
)
TEMPLATE = closed("spec", metadata=closed(labels=LABELS), spec=POD)
SPECS = {
    ("v1", "Service"): closed(
        "selector ports",
        selector=LABELS,
        ports=some(closed("port", name=NAME, port=COUNT, targetPort=PORT)),
    ),
    ("apps/v1", "Deployment"): closed(
        "selector template",
        replicas=COUNT,
        strategy=closed("type", type={"enum": ["Recreate", "RollingUpdate"]}),
        selector=closed("matchLabels", matchLabels=LABELS),
        template=TEMPLATE,
    ),
    ("batch/v1", "CronJob"): closed(
        "schedule jobTemplate",
        schedule={"type": "string", "pattern": r"^([0-9*/,-]+ ){4}[0-9*/,-]+$"},
        concurrencyPolicy={"enum": ["Allow", "Forbid", "Replace"]},
        jobTemplate=closed(
            "spec", spec=closed("template", backoffLimit=COUNT, template=TEMPLATE)
        ),
    ),
}


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda m: m["metadata"]["name"])
def test_a_manifest_is_one_of_its_kind(manifest: dict[str, Any]) -> None:
    """And refers to what it has: volumes, ports, labels."""
    spec = SPECS[manifest["apiVersion"], manifest["kind"]]
    schema = closed(
        "apiVersion kind metadata spec",
        apiVersion=TEXT, kind=TEXT, metadata=METADATA, spec=spec,
    )  # fmt: skip
    jsonschema_rs.validate(schema, manifest)
    if manifest["kind"] == "Service":
        return
    spec = manifest["spec"]
    template = spec.get("jobTemplate", {}).get("spec", spec)["template"]
    if manifest["kind"] == "Deployment":
        assert spec["selector"]["matchLabels"].items() <= (
            template["metadata"]["labels"].items()
        )
    else:
        assert template["spec"]["restartPolicy"] in {"OnFailure", "Never"}
    pod = template["spec"]
    volumes = {volume["name"] for volume in pod["volumes"]}
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
        ports = {port["name"] for port in container.get("ports", ())}
        probes = [container[key] for key in container if key.endswith("Probe")]
        assert {probe["httpGet"]["port"] for probe in probes} <= ports


def test_the_service_leads_to_a_port_of_its_pods() -> None:
    (service,) = (one for one in MANIFESTS if one["kind"] == "Service")
    pods = [
        one["spec"]["template"] for one in MANIFESTS
        if one["kind"] == "Deployment" and service["spec"]["selector"].items()
        <= one["spec"]["template"]["metadata"]["labels"].items()
    ]  # fmt: skip
    (pod,) = pods
    named = {port["name"] for one in pod["spec"]["containers"] for port in one["ports"]}
    assert {port["targetPort"] for port in service["spec"]["ports"]} <= named


# -- Compose ---------------------------------------------------------------------------

HEALTH = closed(
    test={"type": ["array", "string"]},
    interval={"type": "string", "pattern": "^[0-9]+(ms|s|m|h)$"},
    retries=COUNT,
    disable=FLAG,
)
CONDITIONS = ["service_started", "service_healthy", "service_completed_successfully"]
SERVICE = closed(
    "image",
    image=TEXT,
    build=TEXT,
    read_only=FLAG,
    tmpfs=TEXTS,
    cap_drop=TEXTS,
    security_opt=TEXTS,
    volumes=TEXTS,
    environment=LABELS,
    command=some(TEXT),
    restart={"enum": ["no", "always", "on-failure", "unless-stopped"]},
    depends_on={
        "type": "object",
        "additionalProperties": closed("condition", condition={"enum": CONDITIONS}),
    },
    healthcheck=HEALTH,
    ports=TEXTS,
    profiles=TEXTS,
    working_dir=TEXT,
)
FILE: Schema = {
    "type": "object",
    "required": ["services"],
    "properties": {
        "name": NAME,
        "services": {"type": "object", "additionalProperties": SERVICE},
        "volumes": {"type": "object", "additionalProperties": {"type": "null"}},
    },
    "patternProperties": {"^x-": {}},
    "additionalProperties": False,
}
VARIABLE = re.compile(r"\$(?!\{[A-Z_]+(:?[-?][^}]*)?\})")


def test_the_compose_file_is_one() -> None:
    """And refers to what it has: services, volumes; each variable can be read."""
    jsonschema_rs.validate(FILE, COMPOSE)
    services, volumes = COMPOSE["services"], COMPOSE["volumes"]
    for service in services.values():
        for other, wait in service.get("depends_on", {}).items():
            assert other in services
            if wait["condition"] == "service_healthy":
                assert "test" in services[other]["healthcheck"]
        mounted = {volume.partition(":")[0] for volume in service["volumes"]}
        assert mounted <= {*volumes}
    assert VARIABLE.search(json.dumps(COMPOSE)) is None


# -- the Dockerfile --------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and line[0] != "#"]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


def test_the_dockerfile_keeps_the_rules_of_its_linter() -> None:
    """Those of hadolint that have a case here, by their numbers."""
    words = {word for word, _ in instructions()}  # no ADD (DL3020), MAINTAINER (DL4000)
    assert words <= {"FROM", "WORKDIR", "RUN", "COPY", "ENV", "VOLUME", "EXPOSE",
                     "USER", "HEALTHCHECK", "ENTRYPOINT", "CMD"}  # fmt: skip
    last = max(n for n, (word, _) in enumerate(instructions()) if word == "FROM")
    final = [word for word, _ in instructions()[last:]]
    for once in ("CMD", "ENTRYPOINT", "HEALTHCHECK", "USER"):  # DL4003, 4004, 3012
        assert final.count(once) == 1
    stages = {rest.split()[-1] for word, rest in instructions() if " AS " in rest}
    for word, rest in instructions():
        if word in {"CMD", "ENTRYPOINT"}:  # DL3025
            assert isinstance(json.loads(rest), list)
        elif word == "HEALTHCHECK":
            assert isinstance(json.loads(rest[rest.index("CMD ") + 4 :]), list)
        elif word == "WORKDIR":  # DL3000
            assert rest.startswith("/")
        elif word == "FROM":  # DL3006, DL3007
            assert re.fullmatch(r"[a-z]+:[0-9][0-9.]*(-[a-z]+)?( AS [a-z]+)?", rest)
        elif word == "EXPOSE":  # DL3011
            assert 0 < int(rest) < 65536
        elif word == "ENV":
            assert not re.search("PASSWORD|SECRET|TOKEN", rest)
        elif word == "COPY" and rest.startswith("--from="):  # DL3022
            assert rest.partition("=")[2].split()[0] in stages
        elif word == "RUN":
            command = shlex.split(rest)
            assert not {"sudo", "cd", "apt", "curl", "wget"} & {*command}  # DL3002-4
            if "pip" in rest:  # DL3042, DL3013
                assert "--no-cache-dir" in command
                assert "--require-hashes" in command or "--no-deps" in command
