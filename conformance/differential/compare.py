"""Takes out of two answers what may differ by nature and tells where the rest differs."""

import json
import re

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
NUMBER_AFTER = re.compile(r"(\"resourceVersion\":\"|ResourceVersion in record \(|resource version: |resourceVersion: |object meta: |current: |old resource version: )\d+")
ADDRESS = re.compile(r"^(10|fd[0-9a-f]{2})[.:][0-9a-f.:]+$")
GENERATED = re.compile(r"([Gg]en[-_]x*)[bcdfghjklmnpqrstvwxz2456789]{5}\b")
ECHO = re.compile(r'(Invalid value: )"\{.*\}": ', re.S)
PEM = re.compile(r"(-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----\s*)+")
KUBE_API = re.compile(r"(kube-api-access-)[a-z0-9]{5}\b")
AGE = re.compile(r"^\d+(s|ms)$")
ENVELOPE_TIME = range(1_600_000_000, 2_500_000_000)
HEADERS = ("content-type", "cache-control", "warning", "retry-after", "vary", "allow", "location", "www-authenticate",
           "x-content-type-options", "content-encoding")
PRESENCE = ("audit-id", "etag", "x-kubernetes-pf-flowschema-uid", "x-kubernetes-pf-prioritylevel-uid", "last-modified")


class Differ:
    """Compares answers; `run` is the random name of this run."""

    def __init__(self, run):
        self.run, self.documents = run, False

    def compare(self, case, oracle, subject):
        """Returns differences as (place, oracle's, subject's)."""
        out = []
        if oracle.status != subject.status:
            out.append(("status", oracle.status, subject.status))
        for name in HEADERS:
            pair = [[self.text(v) for v in answer.header(name)] for answer in (oracle, subject)]
            if pair[0] != pair[1]:
                out.append(("header." + name, *pair))
        for name in PRESENCE:
            pair = [bool(answer.header(name)) for answer in (oracle, subject)]
            if pair[0] != pair[1]:
                out.append(("header." + name, *pair))
        if oracle.layout() != subject.layout() and oracle.status == subject.status:
            out.append(("layout", oracle.layout(), subject.layout()))
        self.documents = case.startswith("documents/openapi") or case.endswith("/openapi")
        self._walk("body", self.body(oracle), self.body(subject), out)
        return out

    def body(self, answer):
        kind = "".join(answer.header("content-type"))
        if "yaml" in kind and isinstance(answer.document, str):
            return self.yaml(answer.document)
        return self.normal(answer.document)

    @staticmethod
    def swagger(document):
        """Puts shared parameters, whose names hash their prose, where they are used. Definitions of resources that other
        scenarios make come and go."""
        shared = document.pop("parameters", {})

        def resolve(value):
            if isinstance(value, list):
                return [resolve(item) for item in value]
            if not isinstance(value, dict):
                return value
            name = str(value.get("$ref", ""))
            if name.startswith("#/parameters/"):
                return shared[name.rsplit("/", 1)[1]]
            found = {key: resolve(item) for key, item in value.items() if "example" not in key or key == "example"}
            if isinstance(found.get("parameters"), list):
                found["parameters"].sort(key=lambda parameter: (parameter["name"], parameter["in"]))
            return found

        return resolve(document)

    def text(self, value):
        # An object that is told back has its fields in another order.
        value = ECHO.sub(r"\1<object>: ", value)
        if " is invalid: [" in value:  # Go walks maps in no order
            head, _, rest = value.partition(" is invalid: [")
            value = head + " is invalid: " + " | ".join(sorted(rest.rstrip("]").split(", ")))
        value = PEM.sub("<certificates>", value.replace(self.run, "<run>"))
        value = TIME.sub("<time>", UUID.sub("<uid>", value))
        value = NUMBER_AFTER.sub(r"\1<n>", value)
        return KUBE_API.sub(r"\1<r>", GENERATED.sub(r"\1<r>", value))

    def yaml(self, text):
        """Quotes are a matter of taste; the order of keys and the values are not."""
        text = re.sub(r"\b(resourceVersion|continue): \S+", r"\1: <n>", text.translate(str.maketrans("", "", "\"'\\")))
        return self.text(text).rstrip("\n")

    def normal(self, value, key=""):
        if isinstance(value, dict):
            if "swagger" in value:
                value = self.swagger(value)
            # Descriptions of columns are prose: ours are our own.
            prose = "priority" in value or "components" in value or key in ("properties", "schemas", "definitions") or "properties" in value
            return {k: self.normal(v, k) for k, v in value.items()
                    if not (k == "description" and isinstance(v, str) and (self.documents or prose))}
        if isinstance(value, list):
            if key == "causes":
                value = sorted(value, key=lambda cause: (str(cause.get("field")), str(cause.get("message"))))
            if key == "managedFields" and all(isinstance(v, dict) for v in value):
                # Sorted by time upstream, and the seconds fall as they fall.
                name = lambda v: [str(v.get(k)) for k in ("manager", "operation", "subresource", "apiVersion")]
                value = sorted(value, key=name)
            if key == "nonResourceRules":
                value = sorted(value, key=str)
            if key == "required" and all(isinstance(v, str) for v in value):
                value = sorted(value)
            return [self.normal(v, key) for v in value]
        if isinstance(value, str):
            if key in ("resourceVersion", "continue", "hash", "storageVersionHash") and value:
                return f"<{key}>"
            if key == "caBundle" or (key == "token" and value.count(".") == 2):
                return f"<{key}>"
            if ADDRESS.match(value):
                return "<ip>"
            if key == "cells" and AGE.match(value):
                return "<age>"
            if value.isdigit() and key.isdigit():
                return "<digits>"
            if key.isdigit() and len(value) > 60 and value.startswith("eyJ2Ijoi"):
                return "<continue>"
            return self.text(value)
        if isinstance(value, int) and value in ENVELOPE_TIME:
            return "<time>"
        if key in ("nodePort", "healthCheckNodePort") and value:
            return "<port>"
        return value

    def _walk(self, place, left, right, out):
        if len(out) > 30:
            return
        if isinstance(left, dict) and isinstance(right, dict):
            for key in sorted({*left, *right}):
                if key not in left:
                    out.append((f"{place}.{key}", None, right[key]))
                elif key not in right:
                    out.append((f"{place}.{key}", left[key], None))
                else:
                    self._walk(f"{place}.{key}", left[key], right[key], out)
        elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
            for index, pair in enumerate(zip(left, right)):
                self._walk(f"{place}[{index}]", *pair, out)
        elif left != right:
            out.append((place, left, right))


class Allowed:
    """The differences that are known and wanted: `PATTERN | reason`, PATTERN matching `case place` with `*`."""

    def __init__(self, path):
        self.entries = []
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                line = line.strip()
                if not line or line.startswith("#"):
                    continue
                pattern, _, reason = line.partition(" | ")
                if not reason.strip():
                    raise SystemExit(f"{path}:{number}: an allowed difference needs a reason")
                # "~": depends on when controllers come by, so it may or may not be seen.
                sometimes = pattern.startswith("~")
                pattern = pattern.lstrip("~")
                regex = re.compile(".*".join(re.escape(part) for part in pattern.strip().split("*")) + "$")
                self.entries.append([pattern.strip(), regex, int(sometimes)])

    def covers(self, case, place):
        found = False
        for entry in self.entries:
            if entry[1].match(f"{case} {place}"):
                entry[2] += 1
                found = True
        return found

    def stale(self):
        return [entry[0] for entry in self.entries if not entry[2]]


def short(value):
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text if len(text) < 600 else text[:600] + "…"
