"""One scenario per stored built-in resource: every verb, form and encoding, and the usual mistakes."""

import json

from scenario import Scenario, Step

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
PROTOBUF = "application/vnd.kubernetes.protobuf"
MERGE = {"Content-Type": "application/merge-patch+json"}
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
STRATEGIC = {"Content-Type": "application/strategic-merge-patch+json"}
APPLY = {"Content-Type": "application/apply-patch+yaml"}


def scenarios(oracle, fixtures):
    """Returns a scenario for each resource that the oracle serves and that has a fixture; all of them must have one."""
    objects = json.loads(fixtures.read_text(encoding="utf-8"))
    found = []
    for prefix in ("/api", "/apis"):
        groups = oracle.ask("GET", prefix, {"Accept": AGGREGATED}).document["items"]
        for group in groups:
            name = group["metadata"].get("name", "")
            for version in group["versions"]:
                api = f"{name}/{version['version']}".lstrip("/")
                for resource in version["resources"]:
                    key = f"{api}/{resource['resource']}"
                    if "list" in resource["verbs"] and key in objects:
                        found.append(_scenario(key, api, resource, objects.pop(key)))
                    elif "list" in resource["verbs"] and _builtin(name) and resource["resource"] != "componentstatuses":
                        raise SystemExit(f"fixtures.json has no {key}")
    if objects:
        raise SystemExit(f"fixtures.json: the oracle does not serve {sorted(objects)}")
    oracle.close()
    return found


def _builtin(group):
    return "." not in group or group.endswith(".k8s.io")


class _Builder:
    """Collects the steps of one resource."""

    def __init__(self, api, resource, fixture):
        self.api, self.resource, self.steps = api, resource, []
        self.fixture = {k: v for k, v in fixture.items() if k != "@name"}
        self.pattern = fixture.get("@name", "{run}-x%N%")
        root = "/apis/" + api if "/" in api else "/api/" + api
        plural = resource["resource"]
        self.namespaced = resource["scope"] == "Namespaced"
        self.all = f"{root}/{plural}"
        self.base = f"{root}/namespaces/{{ns}}/{plural}" if self.namespaced else self.all
        self.watch_base = self.base.replace(root, root + "/watch", 1)
        # Kinds that are served in two groups or versions must not find each other.
        group, _, version = api.rpartition("/")
        self.mark = f"diff={{run}}-{plural}-{group[:5]}{version}"

    def name(self, number=1):
        return self.pattern.replace("%N%", str(number))

    def path(self, number=1):
        return f"{self.base}/{self.name(number)}"

    def object(self, number=1, **extra):
        text = json.dumps(self.fixture).replace("%N%", str(number))
        metadata = {"name": self.name(number), "labels": dict([self.mark.split("=")])}
        return {"apiVersion": self.api, "kind": self.resource["responseKind"]["kind"], "metadata": metadata,
                **json.loads(text), **extra}

    def add(self, name, method, path, body=None, headers=None, **more):
        # Compact, as Go clients write: upstream compares raw data by its bytes.
        text = body if isinstance(body, str) else json.dumps(body, separators=(",", ":")) if body is not None else ""
        self.steps.append(Step(name, method, path, headers or {}, text, **more))


def _scenario(key, api, resource, fixture):
    builder = _Builder(api, resource, fixture)
    for part in (_creation, _reading, _lists, _watches, _changes, _status, _mistakes, _deletion):
        part(builder)
    return Scenario("generic/" + key, builder.namespaced, builder.steps)


def _creation(b):
    b.add("create dry-run", "POST", b.base + "?dryRun=All", b.object())
    b.add("create", "POST", b.base, b.object())
    b.add("create again", "POST", b.base, b.object())
    b.add("create second", "POST", b.base + "?fieldManager=second", b.object(2))
    b.add("create bare", "POST", b.base + "?dryRun=All", {"metadata": {"name": b.name(3)}})
    b.add("create unnamed", "POST", b.base + "?dryRun=All", {})


def _reading(b):
    for name, accept in (("", "application/json"), (" pretty", "application/json;q=0.9,*/*;q=0.8"),
                         (" yaml", "application/yaml"), (" protobuf", PROTOBUF), (" table", TABLE),
                         (" metadata", METADATA), (" metadata protobuf", METADATA.replace("/json", "/vnd.kubernetes.protobuf"))):
        b.add("get" + name, "GET", b.path(), headers={"Accept": accept}, save="kept" if not name else "")
    b.add("get absent", "GET", b.path(9))
    b.add("get table with object", "GET", b.path() + "?includeObject=Object", headers={"Accept": TABLE})


def _lists(b):
    selected = f"{b.base}?labelSelector={b.mark}"
    for name, accept in (("", "application/json"), (" protobuf", PROTOBUF), (" table", TABLE),
                         (" metadata", METADATA_LIST), (" yaml", "application/yaml")):
        b.add("list" + name, "GET", selected, headers={"Accept": accept})
    b.add("list everywhere", "GET", f"{b.all}?labelSelector={b.mark}&fieldSelector=metadata.name={b.name()}")
    b.add("list limit", "GET", selected + "&limit=1", save="page")
    b.add("list continue", "GET", selected + "&limit=1&continue={page.continue}")
    b.add("list limit table", "GET", selected + "&limit=1", headers={"Accept": TABLE})
    if b.namespaced:
        b.add("list limit unselected", "GET", b.base + "?limit=1")
    b.add("list bad field", "GET", b.base + "?fieldSelector=spec.nothing=x")


def _watches(b):
    one = f"?fieldSelector=metadata.name={b.name()}&timeoutSeconds=3&watch=1"
    for name, accept in (("", "application/json"), (" table", TABLE), (" metadata", METADATA),
                         (" protobuf", PROTOBUF + ";stream=watch")):
        b.add("watch" + name, "GET", b.base + one, headers={"Accept": accept}, events=1)
    b.add("watch deprecated path", "GET", f"{b.watch_base}/{b.name()}?timeoutSeconds=3", events=1)
    b.add("watch initial events", "GET",
          b.base + one + "&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan", events=2)


def _changes(b):
    path = b.path()
    label = lambda value: {"metadata": {"labels": {"step": value}}}
    b.add("update", "PUT", path, label("update"), source="kept")
    b.add("update stale", "PUT", path, label("stale"), source="kept")
    b.add("update unchanged", "PUT", path, {"metadata": {"resourceVersion": None, "labels": {"step": "update"}}}, source="kept")
    b.add("update dry-run", "PUT", path + "?dryRun=All", {"metadata": {"resourceVersion": None}}, source="kept")
    b.add("update other uid", "PUT", path, {"metadata": {"resourceVersion": None, "uid": "a"}}, source="kept")
    b.add("update absent", "PUT", b.path(9), {"metadata": {"name": b.name(9), "uid": None, "resourceVersion": None}}, source="kept")
    b.add("update other name", "PUT", b.path(9), {}, source="kept")
    b.add("merge patch", "PATCH", path + "?fieldManager=m", label("merge"), MERGE)
    b.add("merge patch unknown field", "PATCH", path + "?fieldValidation=Strict", {"zzz": 1, "metadata": {"zz": 1}}, MERGE)
    b.add("json patch", "PATCH", path, [{"op": "add", "path": "/metadata/annotations", "value": {"p": "1"}}], JSON_PATCH)
    b.add("json patch test fails", "PATCH", path, [{"op": "test", "path": "/metadata/name", "value": "other"}], JSON_PATCH)
    b.add("strategic patch", "PATCH", path, {"metadata": {"labels": {"step": "strategic", "x": None}, "finalizers": []}}, STRATEGIC)
    b.add("strategic patch dry-run", "PATCH", path + "?dryRun=All", label("no"), STRATEGIC)
    b.add("apply without manager", "PATCH", path, b.object(), APPLY)
    b.add("apply", "PATCH", path + "?fieldManager=one", b.object(), APPLY)
    b.add("apply conflict", "PATCH", path + "?fieldManager=two", {**b.object(), "metadata": {"name": b.name(), "labels": {"step": "apply"}}}, APPLY)
    b.add("apply force", "PATCH", path + "?fieldManager=two&force=true", {**b.object(), "metadata": {"name": b.name(), "labels": {"step": "apply"}}}, APPLY)
    b.add("apply creates", "PATCH", b.path(4) + "?fieldManager=one", b.object(4), APPLY)
    b.add("apply unknown field", "PATCH", b.path(4) + "?fieldManager=one", {**b.object(4), "zzz": 1}, APPLY)
    b.add("patch absent", "PATCH", b.path(9), label("x"), MERGE)
    b.add("get after changes", "GET", path, save="kept")


def _status(b):
    path = b.path() + "/status"
    b.add("status get", "GET", path)
    b.add("status update", "PUT", path, {"metadata": {"annotations": {"s": "1"}}}, source="kept")
    b.add("status patch", "PATCH", path + "?fieldManager=s", {"metadata": {"annotations": {"s": "2"}, "labels": {"s": "s"}}}, MERGE)
    b.add("status strategic patch", "PATCH", path, {"status": {"conditions": [{"type": "Odd", "status": "True", "reason": "R", "message": "m", "lastTransitionTime": "2020-01-01T00:00:00Z"}]}}, STRATEGIC)
    b.add("status post", "POST", path, b.object())
    b.add("subresource unknown", "GET", b.path() + "/nothing")


def _mistakes(b):
    dry = b.base + "?dryRun=All"
    strict = dry + "&fieldValidation="
    unknown = json.dumps({**b.object(3), "unknownRoot": 1})
    unknown = unknown.replace('"metadata": {', '"metadata": {"unknownMeta": true, "name": "twice", ', 1)
    for mode in ("Strict", "Warn", "Ignore", "Other"):
        b.add("unknown fields " + mode, "POST", strict + mode, unknown)
    b.add("wrong kind", "POST", dry, {**b.object(3), "kind": "Other"})
    b.add("wrong version", "POST", dry, {**b.object(3), "apiVersion": "other/v1"})
    b.add("bad name", "POST", dry, {**b.object(3), "metadata": {"name": "Bad_Name!"}})
    b.add("bad metadata", "POST", dry, {**b.object(3), "metadata": {"name": b.name(3), "labels": {"a b": "c d"}, "annotations": {"/": ""}, "finalizers": ["x y"], "ownerReferences": [{"name": "", "kind": ""}]}})
    b.add("metadata of wrong type", "POST", dry, {**b.object(3), "metadata": {"name": 3}})
    b.add("spec of wrong type", "POST", dry, {**b.object(3), "spec": "text"})
    b.add("other namespace", "POST", dry, {**b.object(3), "metadata": {"name": b.name(3), "namespace": "other"}})
    b.add("generate name", "POST", dry, {**b.object(3), "metadata": {"generateName": "gen-"}})
    b.add("resource version set", "POST", dry, {**b.object(3), "metadata": {"name": b.name(3), "resourceVersion": "1"}})
    b.add("malformed", "POST", dry, "{\"metadata\": {")
    b.add("array", "POST", dry, "[]")
    b.add("empty body", "POST", dry, " ")
    b.add("not protobuf", "POST", dry, "text", {"Content-Type": PROTOBUF})
    b.add("media type", "POST", dry, "text", {"Content-Type": "text/plain"})
    b.add("accept", "GET", b.base + "?limit=1", headers={"Accept": "text/html"})
    b.add("post to object", "POST", b.path(), b.object())
    b.add("put to collection", "PUT", b.base, b.object())


def _deletion(b):
    path = b.path()
    b.add("delete dry-run", "DELETE", path + "?dryRun=All")
    b.add("delete other uid", "DELETE", path, {"preconditions": {"uid": "other"}})
    b.add("delete other version", "DELETE", path, {"preconditions": {"resourceVersion": "1"}})
    b.add("delete bad policy", "DELETE", path, {"propagationPolicy": "Bad"})
    b.add("delete both policies", "DELETE", path, {"propagationPolicy": "Orphan", "orphanDependents": True})
    b.add("delete unknown option", "DELETE", path, {"gracePeriodSeconds": "x"})
    b.add("finalizer", "PATCH", path, {"metadata": {"finalizers": ["example.com/f"]}}, MERGE)
    b.add("delete with finalizer", "DELETE", path + "?gracePeriodSeconds=0")
    b.add("get terminating", "GET", path)
    b.add("create terminating", "POST", b.base, b.object())
    b.add("add finalizer", "PATCH", path, {"metadata": {"finalizers": ["example.com/f", "example.com/g"]}}, MERGE)
    b.add("remove finalizer", "PATCH", path, {"metadata": {"finalizers": None}}, MERGE)
    b.add("delete", "DELETE", b.path(2) + "?gracePeriodSeconds=0")
    b.add("delete absent", "DELETE", b.path(9))
    b.add("delete collection dry-run", "DELETE", f"{b.base}?labelSelector={b.mark}&dryRun=All")
    b.add("delete collection", "DELETE", f"{b.base}?labelSelector={b.mark}&gracePeriodSeconds=0")
    b.add("list empty", "GET", f"{b.base}?labelSelector={b.mark}")
    b.add("list empty table", "GET", f"{b.base}?labelSelector={b.mark}", headers={"Accept": TABLE})
