"""What ``deploy/kubernetes`` starts fits together, and fits the images and the settings."""

import re
from pathlib import Path

import pytest
import yaml

from runlane.settings import Settings, read_settings
from testbed import ROOT
from tools import manifests
from tools.manifests import FOLDER, Manifest, problems

EXAMPLE = FOLDER / "example"
SPARE_S = 10
# what a worker of one's own gets beside its settings, from its image
OF_THE_IMAGE = {"RUNLANE_JOBS"}


@pytest.fixture
def example():
    """The resources of the example, as kustomize would hand them to a cluster."""
    return manifests.read(EXAMPLE)


def of(example, kind):
    return [each for each in example if each.kind == kind]


def pods(example):
    """The template of each thing that makes pods, by its name."""
    return {
        each.name: each.resource["spec"]["template"] for kind in ("Deployment", "Job") for each in of(example, kind)
    }


def container(template):
    [only] = template["spec"]["containers"]
    return only


def environment(template):
    """What is set for a container: that of all, and its own."""
    literals = manifests.kustomization(EXAMPLE)["configMapGenerator"][0]["literals"]
    own = {each["name"]: each["value"] for each in container(template).get("env", ())}
    return dict(literal.split("=", 1) for literal in literals) | own


class TestTheCheck:
    def test_all_of_it_is_what_the_schemas_want(self):
        assert [line for each in manifests.manifests() for line in problems(each)] == []

    def test_a_field_that_does_not_exist_is_named_with_its_place(self):
        wrong = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "app"}, "spec": {"prots": []}}

        [line] = problems(Manifest("app.yaml", wrong))

        assert line.startswith("app.yaml: Service app: spec: ")
        assert "'prots'" in line

    def test_a_patch_is_checked_as_what_it_makes_of_its_target(self, tmp_path):
        (tmp_path / "job.yaml").write_text((FOLDER / "app" / "migrate.yaml").read_text())
        patch = "spec: {template: {spec: {containers: [{name: migrate, imagePullPolicy: Sometimes, comand: [x]}]}}}"
        asked = {"resources": ["job.yaml"], "patches": [{"target": {"kind": "Job"}, "patch": patch}]}
        asked |= {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
        (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(asked))

        [patched] = manifests.read(tmp_path)
        [line] = problems(patched)

        assert container(patched.resource["spec"]["template"])["command"] == ["python", "-m", "runlane", "migrate"]
        assert "'comand' was unexpected" in line

    def test_a_patch_of_nothing_is_refused(self, tmp_path):
        (tmp_path / "job.yaml").write_text((FOLDER / "app" / "migrate.yaml").read_text())
        asked = {"resources": ["job.yaml"], "patches": [{"target": {"kind": "Job", "name": "migrated"}, "patch": ""}]}
        (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(asked))

        with pytest.raises(
            SystemExit, match=r"a patch is for {'kind': 'Job', 'name': 'migrated'}, and there is none\."
        ):
            manifests.read(tmp_path)

    def test_what_has_no_schema_is_named(self):
        [line] = problems(Manifest("x.yaml", {"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {}}))

        assert line == "x.yaml: Thing of example.com/v1 has no schema; write one in tools/schemas, or remove it."

    def test_a_scaler_and_a_kustomization_have_schemas_of_ours_that_refuse_what_they_do_not_know(self):
        scaler = yaml.safe_load((EXAMPLE / "autoscaling.yaml").read_text().split("---")[0])
        scaler["spec"]["minReplicas"] = 2
        asked = manifests.kustomization(EXAMPLE) | {"bases": ["../app"]}

        found = [line for each in (scaler, asked) for line in problems(Manifest("x.yaml", each))]

        assert ["'minReplicas' was unexpected" in found[0], "'bases' was unexpected" in found[1]] == [True, True]


class TestWhatNamesOtherThings:
    def test_the_ingress_leads_to_a_port_of_a_service_that_leads_to_the_app(self, example):
        [ingress], [service] = of(example, "Ingress"), of(example, "Service")
        [rule] = ingress.resource["spec"]["rules"]
        backend = rule["http"]["paths"][0]["backend"]["service"]
        [port] = service.resource["spec"]["ports"]
        app = pods(example)["runlane-app"]

        assert (backend["name"], backend["port"]["name"]) == (service.name, port["name"])
        assert port["targetPort"] in {each["name"] for each in container(app)["ports"]}
        assert service.resource["spec"]["selector"].items() <= app["metadata"]["labels"].items()

    def test_every_scaler_names_a_deployment_and_each_group_of_workers_has_one(self, example):
        scaled = {each.resource["spec"]["scaleTargetRef"]["name"] for each in of(example, "ScaledObject")}

        assert scaled == {each.name for each in of(example, "Deployment")} - {"runlane-app"}

    def test_every_deployment_may_lose_one_pod_at_a_time(self, example):
        assert {each.name for each in of(example, "PodDisruptionBudget")} == {
            each.name for each in of(example, "Deployment")
        }

    def test_groups_of_workers_are_told_apart_by_a_label_and_by_tags(self, example):
        groups = [path.parent for path in EXAMPLE.glob("*/kustomization.yaml")]
        labels = [manifests.kustomization(group)["labels"][0] for group in groups]
        tags = [environment(template)["RUNLANE_WORKER_TAGS"] for name, template in workers(example).items()]

        assert all(label["includeSelectors"] for label in labels)
        assert len({str(label["pairs"]) for label in labels}) == len(set(tags)) == len(groups) == 2

    def test_addresses_come_from_one_secret_that_stands_in_no_file(self, example):
        for name, template in pods(example).items():
            assert {"secretRef": {"name": "runlane-addresses"}} in container(template)["envFrom"], name
        assert of(example, "Secret") == []
        assert "create secret generic runlane-addresses" in (ROOT / "docs" / "deploy.md").read_text()

    def test_every_image_that_is_renamed_is_one_that_something_runs(self, example):
        groups = [path.parent for path in EXAMPLE.glob("*/kustomization.yaml")]
        images = {container(template)["image"] for template in pods(example).values()}
        images |= {each["newName"] for group in groups for each in manifests.kustomization(group).get("images", ())}

        assert {each["name"] for each in manifests.kustomization(EXAMPLE)["images"]} <= images


def workers(example):
    return {name: template for name, template in pods(example).items() if name.endswith("workers")}


class TestWhatRuns:
    @pytest.mark.parametrize("name", ["runlane-app", "runlane-migrate", "runlane-workers", "runlane-browser-workers"])
    def test_every_container_may_do_no_more_than_in_compose(self, example, name):
        template = pods(example)[name]
        spec, only = template["spec"], container(template)

        assert spec["securityContext"]["runAsUser"] == int(re.findall(r"^USER (\d+)$", recipe(name), re.MULTILINE)[0])
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["automountServiceAccountToken"] is False
        assert only["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert only["resources"]["limits"]["memory"]
        assert {"name": "tmp", "mountPath": "/tmp"} in only["volumeMounts"]
        assert {each["name"] for each in only["volumeMounts"]} == {each["name"] for each in spec["volumes"]}

    def test_each_runs_what_its_image_runs(self, example):
        for name, template in pods(example).items():
            if name != "runlane-migrate":
                command = yaml.safe_load(re.findall(r"CMD (\[.*\])$", recipe(name), re.MULTILINE)[-1])
                assert container(template)["command"] == command, name
        compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
        assert container(pods(example)["runlane-migrate"])["command"] == compose["migrate"]["command"]

    def test_the_app_is_asked_what_answers_without_redis_and_workers_what_their_image_asks(self, example):
        health = yaml.safe_load(re.findall(r"HEALTHCHECK .*CMD (\[.*\])$", recipe("workers"), re.MULTILINE)[0])
        for name, template in pods(example).items():
            probes = [container(template).get(f"{each}Probe") for each in ("startup", "readiness", "liveness")]
            if name == "runlane-app":
                assert [probe["httpGet"]["path"] for probe in probes] == ["/healthz"] * 3
            elif name != "runlane-migrate":
                assert [probe["exec"]["command"] for probe in probes] == [health] * 3

    def test_workers_are_given_longer_to_stop_than_their_jobs(self, example):
        for name, template in workers(example).items():
            grace_s = float(environment(template)["RUNLANE_STOP_GRACE_S"])

            assert template["spec"]["terminationGracePeriodSeconds"] == grace_s + SPARE_S, name

    @pytest.mark.parametrize("name", ["runlane-app", "runlane-migrate", "runlane-workers", "runlane-browser-workers"])
    def test_its_settings_are_settings_and_are_accepted(self, example, monkeypatch, name):
        known = {field.alias for field in Settings.model_fields.values()}
        given = environment(pods(example)[name])
        for variable in known:
            monkeypatch.delenv(variable, raising=False)
        for variable, value in given.items():
            monkeypatch.setenv(variable, value)

        assert given.keys() - OF_THE_IMAGE <= known
        read_settings(_env_file=None)

    def test_as_many_jobs_may_run_as_all_workers_together_have_slots(self, example):
        most = {each.name: each.resource["spec"]["maxReplicaCount"] for each in of(example, "ScaledObject")}
        slots = {
            name: int(environment(template)["RUNLANE_WORKER_SLOTS"]) for name, template in workers(example).items()
        }
        allowed = int(environment(pods(example)["runlane-app"])["RUNLANE_CONCURRENCY"])

        assert sum(most[name] * slots[name] for name in slots) == allowed


def recipe(name):
    """The recipe of the image that a pod runs."""
    path = Path("deploy", "worker.Dockerfile") if name.endswith("workers") else Path("Dockerfile")
    return (ROOT / path).read_text()
