"""Scenarios: files of requests that are sent in order to both servers.

    ## scenario            begins a scenario with a namespace {ns} of its own (`## scenario !` for none)
    ### step               begins a step
    @save name             keeps {name.uid}, {name.rv}, {name.continue}, {name.name}, {name.token} of the answer
    @from name             the body is the object that was kept, merged with the body given here
    @until CODE            asks again until that code comes back, for 10 seconds
    @events N              reads N events of a watch, then leaves
    @skip                  sends the request without comparing the answers
    @bare                  shows no credentials but those of the step's own headers
    @base64                the body is written in base64
    METHOD /path?query
    Header: value          ("-" takes a standard header away)
    <empty line>
    body                   %REPEAT(text,n)% stands for n times the text
"""

import base64
import copy
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import wire

VARIABLE = re.compile(r"\{(ns|run|[a-z0-9]+\.(?:uid|rv|continue|name|token|etag))\}")
REPEAT = re.compile(r"%REPEAT\((.*?),(\d+)\)%", re.S)


@dataclass
class Step:
    """One request."""
    name: str
    method: str = "GET"
    path: str = "/"
    headers: dict = field(default_factory=dict)
    body: str = ""
    save: str = ""
    source: str = ""
    until: int = 0
    events: int = 0
    compare: bool = True
    bare: bool = False
    base64: bool = False


@dataclass
class Scenario:
    """Requests that follow each other."""
    name: str
    namespace: bool = True
    steps: list = field(default_factory=list)


def parse(area, text):
    """Reads a file of scenarios."""
    scenarios = []
    for chunk in re.split(r"^## ", text, flags=re.M)[1:]:
        head, _, rest = chunk.partition("\n")
        name, _, flag = head.strip().partition(" ")
        scenario = Scenario(f"{area}/{name}", flag != "!")
        for part in re.split(r"^### ", rest, flags=re.M)[1:]:
            scenario.steps.append(_step(part))
        scenarios.append(scenario)
    return scenarios


def _step(part):
    head, _, body = part.partition("\n\n")
    lines = head.split("\n")
    step = Step(lines[0].strip())
    for line in lines[1:]:
        word, _, rest = line.partition(" ")
        if word == "@save":
            step.save = rest.strip()
        elif word == "@from":
            step.source = rest.strip()
        elif word == "@until":
            step.until = int(rest)
        elif word == "@events":
            step.events = int(rest)
        elif word == "@skip":
            step.compare = False
        elif word == "@bare":
            step.bare = True
        elif word == "@base64":
            step.base64 = True
        elif word.isupper() and rest.startswith("/"):
            step.method, step.path = word, rest.strip()
        elif ":" in line:
            key, _, value = line.partition(":")
            step.headers[key.strip()] = value.strip()
        elif line.strip():
            raise SystemExit(f"{step.name}: cannot read {line!r}")
    step.body = body.rstrip("\n")
    return step


class Side:
    """One server in one scenario: its connection and what was kept of its answers."""

    def __init__(self, connection, variables):
        self.connection, self.variables, self.objects = connection, dict(variables), {}
        self.stranger = wire.Connection(connection.server.bare())

    def ask(self, step):
        answer = self._ask(step)
        end = time.monotonic() + 10
        while step.until and answer.status != step.until and time.monotonic() < end:
            time.sleep(0.2)
            answer = self._ask(step)
        if step.save and isinstance(answer.document, dict):
            self._keep(step.save, answer.document)
        if step.save:
            self.variables[f"{step.save}.etag"] = "".join(answer.header("etag"))
        return answer

    def _ask(self, step):
        body = REPEAT.sub(lambda m: m.group(1) * int(m.group(2)), self._fill(step.body))
        if step.source:
            body = json.dumps(merge(copy.deepcopy(self.objects.get(step.source, {})), json.loads(body or "{}")), separators=(",", ":"))
        headers = {key: self._fill(value) for key, value in step.headers.items()}
        if body and "Content-Type" not in headers:
            headers["Content-Type"] = "application/json"
        path = REPEAT.sub(lambda m: m.group(1) * int(m.group(2)), self._fill(step.path))
        if step.base64:
            body = base64.b64decode(body)
        connection = self.stranger if step.bare else self.connection
        return connection.ask(step.method, path, headers, body or None, step.events)

    def _fill(self, text):
        return VARIABLE.sub(lambda m: str(self.variables.get(m.group(1), m.group(0))), text)

    def _keep(self, name, document):
        meta = document.get("metadata") or {}
        self.objects[name] = document
        for key, source in (("uid", "uid"), ("rv", "resourceVersion"), ("continue", "continue"), ("name", "name")):
            self.variables[f"{name}.{key}"] = meta.get(source, "")
        self.variables[f"{name}.token"] = (document.get("status") or {}).get("token", "") if isinstance(
            document.get("status"), dict) else ""


def merge(target, change):
    """RFC 7386."""
    if not isinstance(change, dict):
        return change
    if not isinstance(target, dict):
        target = {}
    for key, value in change.items():
        if value is None:
            target.pop(key, None)
        else:
            target[key] = merge(target.get(key), value)
    return target


def run(scenario, connections, run_id, report):
    """Runs a scenario on both servers; calls `report(case, step, answers)` for each step."""
    namespace = "d-" + run_id + "-" + re.sub("[^a-z0-9]+", "-", scenario.name.split("/", 1)[1].lower())[:40].strip("-")
    namespace += "-" + scenario.name.split("/", 1)[0][:4].lower()
    sides = [Side(connection, {"ns": namespace, "run": run_id}) for connection in connections]
    with ThreadPoolExecutor(2) as pool:
        both = lambda step: list(pool.map(lambda side: side.ask(step), sides))
        if scenario.namespace:
            both(Step("", "POST", "/api/v1/namespaces", body=json.dumps(
                {"metadata": {"name": namespace, "labels": {"diff": run_id}}})))
            both(Step("", path=f"/api/v1/namespaces/{namespace}/serviceaccounts/default", until=200))
            both(Step("", path=f"/api/v1/namespaces/{namespace}/configmaps/kube-root-ca.crt", until=200))
        for step in scenario.steps:
            answers = both(step)
            if step.compare:
                report(f"{scenario.name}/{step.name}", step, answers)
        if scenario.namespace:
            both(Step("", "DELETE", f"/api/v1/namespaces/{namespace}"))
    for side in sides:
        side.stranger.close()
