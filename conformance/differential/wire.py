"""Requests to one API server over TLS, on a kept connection; the answers as comparable documents."""

import base64
import copy
import gzip
import http.client
import json
import re
import ssl
import tempfile
import urllib.parse

TIMEOUT = 30


def _context():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Server:
    """Address and credentials of one API server."""

    def __init__(self, url, token=None, kubeconfig=None):
        self.context = _context()
        self.headers = {"User-Agent": "differential/1"}
        if kubeconfig:
            url = self._load(kubeconfig)
        if token:
            self.headers["Authorization"] = "Bearer " + token
        # The same user on both sides, so that texts with user names compare.
        self.headers["Impersonate-User"] = "differential"
        self.headers["Impersonate-Group"] = "system:masters"
        parts = urllib.parse.urlsplit(url)
        self.host, self.prefix = parts.netloc, parts.path.rstrip("/")

    def bare(self):
        """The same server without credentials."""
        other = copy.copy(self)
        other.context = _context()
        other.headers = {"User-Agent": self.headers["User-Agent"]}
        return other

    def _load(self, path):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        field = lambda name: re.search(r"[\"']?" + name + r"[\"']?:\s*[\"']?([^\s\"',}]+)", text)
        token = field("token")
        if token:
            self.headers["Authorization"] = "Bearer " + token.group(1)
        else:
            with tempfile.NamedTemporaryFile(suffix=".pem") as pem:
                for name in ("client-certificate-data", "client-key-data"):
                    pem.write(base64.b64decode(field(name).group(1)) + b"\n")
                pem.flush()
                self.context.load_cert_chain(pem.name)
        return field("server").group(1)


class Answer:
    """What a server has answered."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.raw = status, headers, body
        if self.header("content-encoding") == ["gzip"]:
            self.raw = gzip.decompress(body)
        self.document = self._decode()

    def header(self, name):
        return [value for key, value in self.headers if key.lower() == name]

    def layout(self):
        """How JSON is laid out: indented or not, with a line feed at its end or not; for failures the order of fields."""
        if not isinstance(self.document, dict) or not self.raw.startswith(b"{"):
            return None
        order = list(self.document) if self.document.get("status") == "Failure" else []
        return ("indented" if self.raw.startswith(b"{\n") else "compact", self.raw.endswith(b"\n"), order)

    def _decode(self):
        kind = (self.header("content-type") or [""])[0]
        if self.raw.startswith(b"k8s\0"):
            return {"protobuf": protobuf(self.raw[4:])}
        if "json" in kind or self.raw[:1] in (b"{", b"["):
            try:
                lines = self.raw.split(b"\n")
                return json.loads(self.raw) if len(lines) < 3 or not lines[1].startswith(b"{\"type\"") else [
                    json.loads(line) for line in lines if line]
            except ValueError:
                pass
        if "protobuf" in kind:
            return {"protobuf": protobuf(self.raw)}
        return self.raw.decode("utf-8", "replace")


class Connection:
    """A kept connection to a server."""

    def __init__(self, server):
        self.server, self.link = server, None

    def ask(self, method, path, headers=None, body=None, events=0):
        """Sends a request; with `events`, reads that many events of a stream and leaves."""
        for attempt in (1, 2):
            try:
                return self._ask(method, path, headers or {}, body, events)
            except (http.client.HTTPException, OSError) as error:
                self.close()
                if attempt == 2:
                    return Answer(0, [], f"connection: {type(error).__name__}".encode())

    def close(self):
        if self.link:
            self.link.close()
        self.link = None

    def _ask(self, method, path, headers, body, events):
        if self.link is None:
            self.link = http.client.HTTPSConnection(self.server.host, context=self.server.context, timeout=TIMEOUT)
        sent = {**self.server.headers, **headers}
        sent = {key: value for key, value in sent.items() if value != "-"}
        if isinstance(body, str):
            body = body.encode()
        self.link.request(method, self.server.prefix + path, body=body, headers=sent)
        response = self.link.getresponse()
        if events and response.status == 200:
            raw = self._events(response, events)
            self.close()
        else:
            raw = response.read()
        return Answer(response.status, response.getheaders(), raw)

    @staticmethod
    def _events(response, count):
        raw = b""
        stream = response.getheader("content-type", "")
        for _ in range(count):
            if "protobuf" in stream:
                size = response.read(4)
                raw += response.read(int.from_bytes(size, "big")) if size else b""
            else:
                raw += response.readline()
        return raw


def protobuf(raw):
    """Reads protobuf without its schema: what parses as a message is one."""
    if raw.startswith(b"k8s\0"):
        return {"protobuf": protobuf(raw[4:])}
    text = _text(raw)
    if text is not None and not raw[:1] == b"\n":
        return text
    fields = _message(raw)
    if fields:
        return fields
    return text if text is not None else base64.b64encode(raw).decode()


def _text(raw):
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return None
    return text if all(char.isprintable() or char in "\n\t" for char in text) else None


def _message(raw):
    fields, at = [], 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        if tag is None or tag >> 3 == 0 or tag >> 3 > 4000:
            return None
        if tag & 7 == 0:
            value, at = _varint(raw, at)
        elif tag & 7 == 2:
            size, at = _varint(raw, at)
            if size is None or at + size > len(raw):
                return None
            value, at = protobuf(raw[at:at + size]), at + size
        elif tag & 7 in (1, 5):
            size = 8 if tag & 7 == 1 else 4
            if at + size > len(raw):
                return None
            value, at = raw[at:at + size].hex(), at + size
        else:
            return None
        if value is None:
            return None
        fields.append({str(tag >> 3): value})
    return fields


def _varint(raw, at):
    value = shift = 0
    while at < len(raw) and shift < 64:
        byte = raw[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    return None, at
