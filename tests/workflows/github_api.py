"""GitHub's API on loopback, as far as the workflows call it; what they write is kept."""

import io
import json
import os
import re
import subprocess
import threading
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

REPOSITORY = "octo/kernels"
TOKEN = "the-token-of-the-run"
BOT = "github-actions[bot]"
IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", BOT), ("EMAIL", "bot@example.org"))
}
PAGE = 2
POLL_SECONDS = 0.02
RAW = "application/vnd.github.raw+json"


class Api:
    """What GitHub knows of one repository; a test changes it beforehand and reads it afterwards."""

    def __init__(self, origin, artifacts):
        self.origin, self.artifacts = origin, artifacts
        self.pull_requests = {}  # number -> the SHA of its head
        self.head_of = REPOSITORY  # where every head lies
        self.permissions = {}  # login -> what GitHub says that one may
        self.reviewers = [{"type": "required_reviewers"}]  # of the environment gpu-fork
        self.artifacts_expire = False
        self.comments = []
        self.checks = []
        self.opened = []  # pull requests, as they were asked for
        self.issues = []
        self.started = []  # workflows, with what they were given
        self.calls = []  # (method, path) of everything that was asked

    def answer(self, method, url, body):
        """What is to be sent; raises LookupError for what nothing here is expected to ask."""
        split = urlsplit(url)
        query = {key: values[0] for key, values in parse_qs(split.query).items()}
        path = split.path.removeprefix(f"/repos/{REPOSITORY}/")
        self.calls.append((method, path))
        for known_method, pattern, answer in ROUTES:
            found = re.fullmatch(pattern, path)
            if found and method == known_method:
                return answer(self, *found.groups(), **query, **body)
        raise LookupError(path)

    def written(self):
        return [(method, path) for method, path in self.calls if method != "GET"]

    # -------------------------------------------------------------------------- what is read

    def codeowners(self):
        return {"errors": []}

    def environment(self, name):
        return {"protection_rules": self.reviewers if name == "gpu-fork" else []}

    def pull_request(self, number):
        head = {"sha": self.pull_requests[int(number)], "ref": "change"}
        return {"number": int(number), "head": head | {"repo": {"full_name": self.head_of}}}

    def permission(self, login):
        return {"permission": self.permissions.get(login, "read"), "user": {"login": login}}

    def run_artifacts(self, run, name):
        return {
            "artifacts": [
                {"id": number, "name": name, "size_in_bytes": size_of(folder)}
                for number, folder in self.uploaded()
                if folder == self.artifacts / run / name and not self.artifacts_expire
            ]
        }

    def artifact(self, number):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in dict(self.uploaded())[int(number)].iterdir():
                archive.write(file, file.name)
        return stream.getvalue()

    def uploaded(self):
        """Each artifact's number and folder."""
        return enumerate(sorted(self.artifacts.glob("*/*")), 1)

    def tree(self, sha, recursive):
        assert recursive == "1"
        listed = self.git("ls-tree", "-r", "-t", "-l", "-z", sha).decode()
        return {"truncated": False, "tree": [entry(line) for line in listed.split("\0") if line]}

    def blob(self, sha):
        return self.git("cat-file", "blob", sha)

    def branch(self, name):
        return {"object": {"sha": self.said("rev-parse", f"refs/heads/{name}")}}

    def commit(self, sha):
        return {"tree": {"sha": self.said("rev-parse", f"{sha}^{{tree}}")}}

    def git(self, *arguments, given=None):
        command = ["git", "--git-dir", str(self.origin), *arguments]
        env = os.environ | IDENTITY | {"GIT_INDEX_FILE": str(self.artifacts / "index")}
        return subprocess.run(command, env=env, check=True, capture_output=True, input=given).stdout

    def said(self, *arguments, given=None):
        return self.git(*arguments, given=given).decode().strip()

    def list_comments(self, number, page="1"):
        start = (int(page) - 1) * PAGE
        following = int(page) + 1 if len(self.comments) > start + PAGE else None
        return Page(self.comments[start : start + PAGE], f"issues/{number}/comments", following)

    # ----------------------------------------------------------------------- what is written

    def check(self, **body):
        self.checks.append(body)
        return {"id": len(self.checks)}

    def new_blob(self, content, encoding):
        assert encoding == "utf-8"
        return {"sha": self.said("hash-object", "-w", "--stdin", given=content.encode())}

    def new_tree(self, base_tree, tree):
        self.git("read-tree", base_tree)
        for one in tree:
            assert one["type"] == "blob"
            about = f"{one['mode']},{one['sha']},{one['path']}"
            self.git("update-index", "--add", "--cacheinfo", about)
        return {"sha": self.said("write-tree")}

    def new_commit(self, message, tree, parents):
        before = [word for parent in parents for word in ("-p", parent)]
        return {"sha": self.said("commit-tree", tree, *before, given=message.encode())}

    def new_ref(self, ref, sha):
        self.git("update-ref", ref, sha, "")
        return {"ref": ref}

    def open_pull_request(self, **body):
        self.opened.append(body)
        return {"number": 30 + len(self.opened)}

    def start(self, workflow, **body):
        self.started.append((workflow, body))
        return {}

    def list_issues(self, state, creator):
        assert creator == BOT
        return [issue for issue in self.issues if issue["state"] == state]

    def open_issue(self, **body):
        known = {"number": len(self.issues) + 1, "state": "open", **body}
        self.issues.append(known)
        return known

    def edit_issue(self, number, **body):
        self.issues[int(number) - 1].update(body)
        return {}

    def comment(self, number, body, login=BOT):
        known = {"id": len(self.comments) + 1, "issue": int(number), "body": body}
        self.comments.append(known | {"user": {"login": login}})
        return known

    def edit_comment(self, number, body):
        (known,) = (one for one in self.comments if one["id"] == int(number))
        known["body"] = body
        return known


class Page(list):
    def __init__(self, items, path, following):
        super().__init__(items)
        self.link = f"/repos/{REPOSITORY}/{path}?page={following}" if following else ""


def size_of(folder):
    return sum(file.stat().st_size for file in folder.iterdir())


def entry(line):
    """Of `git ls-tree -l`."""
    about, path = line.split("\t")
    mode, kind, sha, size = about.split()
    size = {} if size == "-" else {"size": int(size)}
    return {"path": path, "mode": mode, "type": kind, "sha": sha, **size}


ROUTES = [
    ("GET", "codeowners/errors", Api.codeowners),
    ("GET", "environments/([^/]+)", Api.environment),
    ("GET", r"pulls/(\d+)", Api.pull_request),
    ("GET", "collaborators/([^/]+)/permission", Api.permission),
    ("GET", "git/ref/heads/(.+)", Api.branch),
    ("GET", "git/commits/([0-9a-f]{40})", Api.commit),
    ("GET", "issues", Api.list_issues),
    ("GET", r"actions/runs/(\d+)/artifacts", Api.run_artifacts),
    ("GET", r"actions/artifacts/(\d+)/zip", Api.artifact),
    ("GET", "git/trees/([0-9a-f]{40})", Api.tree),
    ("GET", "git/blobs/([0-9a-f]{40})", Api.blob),
    ("GET", r"issues/(\d+)/comments", Api.list_comments),
    ("POST", "check-runs", Api.check),
    ("POST", "actions/workflows/([^/]+)/dispatches", Api.start),
    ("POST", "git/blobs", Api.new_blob),
    ("POST", "git/trees", Api.new_tree),
    ("POST", "git/commits", Api.new_commit),
    ("POST", "git/refs", Api.new_ref),
    ("POST", "pulls", Api.open_pull_request),
    ("POST", "issues", Api.open_issue),
    ("PATCH", r"issues/(\d+)", Api.edit_issue),
    ("POST", r"issues/(\d+)/comments", Api.comment),
    ("PATCH", r"issues/comments/(\d+)", Api.edit_comment),
]


class Handler(BaseHTTPRequestHandler):
    def handle_any(self):
        if self.headers["Authorization"] != f"Bearer {TOKEN}":
            self.send_error(401)
            return
        if "/git/blobs/" in self.path and self.headers["Accept"] != RAW:
            self.send_error(415)  # GitHub would answer with something else
            return
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or "{}")
        try:
            answer = self.server.api.answer(self.command, self.path, body)
        except LookupError:
            self.send_error(404)
            return
        self.send_response(200)
        if getattr(answer, "link", ""):
            host, port = self.server.server_address
            self.send_header("Link", f'<http://{host}:{port}{answer.link}>; rel="next"')
        self.end_headers()
        self.wfile.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

    do_GET = do_POST = do_PATCH = handle_any  # noqa: N815 - http.server's names

    def log_message(self, *_):
        """The tests read `Api.calls`."""


@contextmanager
def serving(api):
    """Gives the host and port where `api` answers."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.api = api
        thread = threading.Thread(target=server.serve_forever, args=[POLL_SECONDS])
        thread.start()
        try:
            yield "{}:{}".format(*server.server_address)
        finally:
            server.shutdown()
            thread.join()
