"""A local S3 service for tests: moto's, one request at a time, with faults on demand and a list of what was asked.

moto looks, then puts, without a lock; real services decide conditional puts atomically, and so does the lock here.
"""

import contextlib
import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Fault:
    """What happens to one of the next requests.

    Parameters
    ----------
    method, part : the first request of this method whose path and query contain `part` is hit.
    when : "before" the service acts (it never does, then) or "after".
    status : of the answer; 0 = the connection is cut without one.
    action : called at that moment.
    """

    method: str
    part: str
    when: str = "before"
    status: int = 0
    action: Callable[[], None] | None = None


@dataclass
class Server:
    """The service: where it is, what was asked of it, what goes wrong."""

    app: Any
    url: str = ""
    asked: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def options(self) -> dict[str, Any]:
        """Options of s3fs for this service; short waits, since it is near."""
        return {
            "key": "test",
            "secret": "test",
            "client_kwargs": {"endpoint_url": self.url, "region_name": "us-east-1"},
            "config_kwargs": {"retries": {"max_attempts": 1}, "connect_timeout": 20, "read_timeout": 20},
        }

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        path, query = environ["PATH_INFO"], environ.get("QUERY_STRING", "")
        what = f"{path}?{query}" if query else path
        with self.lock:
            self.asked.append(f"{environ['REQUEST_METHOD']} {what}")
            hit = next((f for f in self.faults if f.method == environ["REQUEST_METHOD"] and f.part in what), None)
            if hit is not None:
                self.faults.remove(hit)
        if hit is not None and hit.when == "before":
            return self._spoil(hit, environ, start_response)
        # read here, so that a cut connection does not hang the others
        with self.lock:
            answer = [b"".join(self.app(environ, start_response if hit is None else lambda *_: None))]
        return answer if hit is None else self._spoil(hit, environ, start_response)

    def _spoil(self, hit: Fault, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        if hit.action is not None:
            hit.action()
        if hit.status:
            start_response(f"{hit.status} Fault", [("Content-Type", "application/xml")])
            return [f"<Error><Code>{CODES[hit.status]}</Code><Message>a fault</Message></Error>".encode()]
        with contextlib.suppress(OSError):
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
        start_response("200 OK", [])
        return [b""]


CODES = {403: "AccessDenied", 409: "ConditionalRequestConflict", 500: "InternalError", 503: "ServiceUnavailable"}


@contextlib.contextmanager
def serving(bucket: str = "bucket") -> Iterator[Server]:
    """Run a service with an empty bucket on a free port of this machine."""
    import boto3
    from werkzeug.serving import make_server

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of moto's own imports
        from moto.server import DomainDispatcherApplication, create_backend_app
    server = Server(DomainDispatcherApplication(create_backend_app))
    running = make_server("127.0.0.1", 0, server, threaded=True)
    server.url = f"http://127.0.0.1:{running.server_port}"
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        client = boto3.client(
            "s3", endpoint_url=server.url, region_name="us-east-1", aws_access_key_id="t", aws_secret_access_key="t"
        )
        client.create_bucket(Bucket=bucket)
        client.close()
        server.asked.clear()
        yield server
    finally:
        running.shutdown()
        running.server_close()
        thread.join()
