"""Check deploy/kubernetes without a cluster or a network: ``python -m tools.manifests``, a part of ``make check``.

Every resource is held against Kubernetes' own schemas, of the oldest and of the newest version that we name; unknown
fields are wrong. A patch is a part of a resource, so it is applied, as kustomize would, to what it names, and the whole
is held against the same. Kustomize and KEDA bring no schema that could be had here: ``tools/schemas`` has what we use
of theirs.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "deploy" / "kubernetes"
VERSIONS = ("1.30", "1.37")
OF_OURS = {"Kustomization": "kustomization.json", "ScaledObject": "scaledobject.json"}
# what tells the elements of a list apart when a patch is merged into it
KEYS = {"containers": "name", "env": "name", "volumes": "name", "volumeMounts": "mountPath", "ports": "containerPort"}

Resource = dict[str, Any]


@dataclass(frozen=True)
class Manifest:
    """A resource, and where it stands."""

    place: str
    resource: Resource

    @property
    def kind(self) -> str:
        return str(self.resource["kind"])

    @property
    def name(self) -> str:
        return str(self.resource.get("metadata", {}).get("name", ""))


def read(path: Path) -> list[Manifest]:
    """The resources of a file, or those that the kustomization of a folder names, with its patches and its suffix.

    What else a kustomization changes (labels, images, settings) is not done: it makes no resource wrong.
    """
    if path.is_dir():
        return list(_resolved(path.resolve()))
    documents = [document for document in yaml.safe_load_all(path.read_text()) if document]
    return [Manifest(_shown(path), document) for document in documents]


def kustomization(folder: Path) -> Resource:
    [only] = read(folder / "kustomization.yaml")
    return only.resource


def _resolved(folder: Path) -> Iterator[Manifest]:
    asked = kustomization(folder)
    found = [each for name in asked["resources"] for each in read(folder / name)]
    for patch in asked.get("patches", ()):
        target = patch["target"]
        aimed = [each for each in found if each.kind == target["kind"] and target.get("name", each.name) == each.name]
        if not aimed:
            raise SystemExit(f"{_shown(folder)}: a patch is for {target}, and there is none.")
        for each in aimed:
            merge(each.resource, yaml.safe_load(patch["patch"]))
    for each in found:
        each.resource.setdefault("metadata", {})["name"] = each.name + asked.get("nameSuffix", "")
        yield each


def merge(resource: Any, patch: Any, field: str = "") -> Any:
    """The resource with a strategic merge patch in it: maps by key, lists by what tells their elements apart."""
    if isinstance(resource, dict) and isinstance(patch, dict):
        for key, value in patch.items():
            resource[key] = merge(resource[key], value, key) if key in resource else value
        return resource
    if isinstance(resource, list) and isinstance(patch, list) and field in KEYS:
        by_key = {each[KEYS[field]]: each for each in resource}
        for each in patch:
            by_key[each[KEYS[field]]] = merge(by_key.get(each[KEYS[field]], {}), each)
        return list(by_key.values())
    return patch


def problems(manifest: Manifest) -> Iterator[str]:
    """What is wrong with a resource by itself, one line each."""
    try:
        if manifest.kind in OF_OURS:
            schema = json.loads((ROOT / "tools" / "schemas" / OF_OURS[manifest.kind]).read_text())
            jsonschema.validate(manifest.resource, schema, jsonschema.Draft202012Validator)
        else:
            for version in VERSIONS:
                kubernetes_validate.validate(manifest.resource, version, strict=True)
    except jsonschema.ValidationError as exc:  # the one of kubernetes_validate too
        where = ".".join(str(part) for part in exc.absolute_path) or "the whole"
        yield f"{manifest.place}: {manifest.kind} {manifest.name}: {where}: {exc.message[:300]}"
    except kubernetes_validate.SchemaNotFoundError:
        api = manifest.resource["apiVersion"]
        yield f"{manifest.place}: {manifest.kind} of {api} has no schema; write one in tools/schemas, or remove it."


def _shown(path: Path) -> str:
    return str(path.resolve().relative_to(ROOT)) if path.resolve().is_relative_to(ROOT) else str(path)


def manifests() -> list[Manifest]:
    """Every resource of every file as it stands there, and all of the example with its patches."""
    files = [each for path in sorted(FOLDER.rglob("*.yaml")) for each in read(path)]
    return files + [
        Manifest(f"{each.place}, patched", each.resource)
        for each in read(FOLDER / "example")
        if each.kind not in OF_OURS
    ]


def main() -> int:
    found = [line for each in manifests() for line in problems(each)]
    print("\n".join(found) or f"deploy/kubernetes is what Kubernetes {' to '.join(VERSIONS)} wants.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
