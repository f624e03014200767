"""A stand-in for the Hugging Face hub: what huggingface_hub asks of it to download a file."""

import hashlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT, NEXT_COMMIT = "a" * 40, "b" * 40


@dataclass
class Hub:
    """What a hub has, and how it answers.

    Attributes:
        files: content by repository and name, of each commit.
        head: the commit that main is at.
        problem: an HTTP status and a code of the hub's, instead of any answer.
        announced: a SHA-256 that it says instead of the content's.
        cut_after: bytes after which the next answer ends.
        asked: the method, path and range of all that was asked.
    """

    files: dict = field(default_factory=dict)
    head: str = COMMIT
    problem: tuple = ()
    announced: str | None = None
    cut_after: int | None = None
    asked: list = field(default_factory=list)
    url: str = ""

    def put(self, repository, name, content, commit=COMMIT):
        self.files.setdefault(commit, {})[f"{repository}/{name}"] = content
        self.head = commit


def handler(hub):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self):
            self.answer(is_head=True)

        def do_GET(self):
            self.answer(is_head=False)

        def answer(self, is_head):
            hub.asked.append((self.command, self.path, self.headers.get("Range")))
            repository, _, rest = self.path.strip("/").partition("/resolve/")
            revision, _, name = rest.partition("/")
            commit = hub.head if revision == "main" else revision
            if hub.problem:
                return self.refuse(*hub.problem)
            if commit not in hub.files:
                return self.refuse(404, "RevisionNotFound")
            content = hub.files[commit].get(f"{repository}/{name}")
            if content is None:
                return self.refuse(404, "EntryNotFound")
            start = int((self.headers.get("Range") or "bytes=0-").split("=")[1].split("-")[0])
            self.send_response(206 if start else 200)
            self.send_header("X-Repo-Commit", commit)
            sha256 = hub.announced or hashlib.sha256(content).hexdigest()
            self.send_header("ETag", f'"{sha256}"')
            self.send_header("Content-Length", str(len(content) - start))
            if start:
                self.send_header(
                    "Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}"
                )
            self.end_headers()
            if is_head:
                return None
            if hub.cut_after is not None:
                content, hub.cut_after = content[: hub.cut_after], None
                self.close_connection = True
            self.wfile.write(content[start:])
            return None

        def refuse(self, status, code):
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("X-Repo-Commit", hub.head)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            pass

    return Handler


class running:
    """The address of a hub, while it answers."""

    def __init__(self, hub):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler(hub))
        self.server.daemon_threads = True
        self.hub = hub

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.hub.url = f"http://127.0.0.1:{self.server.server_port}"
        return self.hub

    def __exit__(self, *error):
        self.server.shutdown()
        self.server.server_close()
