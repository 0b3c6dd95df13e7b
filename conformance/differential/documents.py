"""Scenarios for the documents about the built-in API: discovery and OpenAPI, one case per group and version."""

from scenario import Scenario, Step

FORMS = (("", "application/json"), (" protobuf", "application/vnd.kubernetes.protobuf"), (" yaml", "application/yaml"),
         (" html", "text/html"))


def scenarios(oracle):
    groups = oracle.ask("GET", "/apis").document["groups"]
    paths = ["/api/v1"]
    for group in groups:
        if "." not in group["name"] or group["name"].endswith(".k8s.io"):
            paths.append("/apis/" + group["name"])
            paths += ["/apis/" + version["groupVersion"] for version in group["versions"]]
    oracle.close()
    discovery = Scenario("documents/discovery", False)
    for path in paths:
        for form, accept in FORMS[:1] if path != "/api/v1" else FORMS:
            discovery.steps.append(Step(path.lstrip("/") + form, path=path, headers={"Accept": accept}))
    openapi = Scenario("documents/openapi", False)
    for path in paths:
        openapi.steps.append(Step(path.lstrip("/"), path="/openapi/v3" + path))
    openapi.steps.append(Step("v2", path="/openapi/v2"))
    return [discovery, openapi]
