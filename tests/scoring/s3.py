"""As much of S3 as reading and writing objects needs, over a folder: a list, whole objects, ranges, and puts."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase, BytesIO
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    root: Path

    def do_GET(self) -> None:
        place, asked = urlsplit(self.path), parse_qs(urlsplit(self.path).query, keep_blank_values=True)
        file = self.root / unquote(place.path).lstrip("/")
        if "list-type" in asked:
            self._list(file, asked.get("prefix", [""])[0], asked.get("delimiter", [""])[0])
        elif not file.is_file():
            self._answer(404, b"")
        else:
            content = file.read_bytes()
            if part := re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", "")):
                start, stop = int(part[1]), min(int(part[2]) + 1, len(content))
                ranged = {"Content-Range": f"bytes {start}-{stop - 1}/{len(content)}"}
                self._answer(206, content[start:stop], ranged)
            else:
                self._answer(200, content)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_PUT(self) -> None:
        content = self._body()
        file = self.root / unquote(urlsplit(self.path).path).lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        self._answer(200, b"", {"ETag": '"1"'})

    def do_POST(self) -> None:
        """Begin an upload in parts, or end one; the first part is the object."""
        self._body()
        inner = "<UploadId>1</UploadId>" if "uploads" in self.path else '<ETag>"1"</ETag>'
        name = "InitiateMultipartUploadResult" if "uploads" in self.path else "CompleteMultipartUploadResult"
        self._answer(200, f"<{name}>{inner}</{name}>".encode())

    def _body(self) -> bytes:
        content = self._in_chunks(self.rfile) if self.headers.get("Transfer-Encoding") == "chunked" else b""
        content = content or self.rfile.read(int(self.headers.get("Content-Length") or 0))
        signed = "aws-chunked" in self.headers.get("Content-Encoding", "")
        return self._in_chunks(BytesIO(content)) if signed else content

    @staticmethod
    def _in_chunks(stream: BufferedIOBase) -> bytes:
        """Chunks as HTTP sends them, and AWS inside of these: the size in a line, then the bytes; then lines to an
        empty one."""
        content = b""
        while size := int(stream.readline().split(b";")[0], 16):
            content += stream.read(size)
            stream.readline()
        while stream.readline().strip():
            pass
        return content

    def _list(self, bucket: Path, prefix: str, delimiter: str) -> None:
        keys = sorted(str(file.relative_to(bucket)) for file in bucket.rglob("*") if file.is_file())
        keys = [key for key in keys if key.startswith(prefix)]
        folders = sorted({prefix + key[len(prefix) :].split("/")[0] + "/" for key in keys if "/" in key[len(prefix) :]})
        if not delimiter:
            folders = []
        own = [key for key in keys if not folders or "/" not in key[len(prefix) :]]
        listed = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{(bucket / key).stat().st_size}</Size>"
            "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
            for key in own
        )
        below = "".join(f"<CommonPrefixes><Prefix>{escape(folder)}</Prefix></CommonPrefixes>" for folder in folders)
        found = f"<KeyCount>{len(own) + len(folders)}</KeyCount><IsTruncated>false</IsTruncated>{listed}{below}"
        self._answer(200, f"<ListBucketResult>{found}</ListBucketResult>".encode())

    def _answer(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def store(root: Path) -> Iterator[str]:
    """Serve the folders in `root` as buckets; what stands behind the `?` of an address."""
    handler = type("Handler", (_Handler,), {"root": root})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"scheme=http&endpoint_override=127.0.0.1:{server.server_address[1]}&region=us-east-1"
    finally:
        server.shutdown()
        server.server_close()
