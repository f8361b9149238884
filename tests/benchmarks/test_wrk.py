"""What is sent to wrk, and what is read of its output."""

import pytest

from benchmarks.report import table
from benchmarks.wrk import form, parse, upload

OUTPUT = """Running 1s test @ http://127.0.0.1:5000/analyze/skin
  1 threads and 4 connections
Requests/sec:     51.00

{"requests": 102, "seconds": 2.000000, "refused": 2, "broken": 1, "p50": 41.500, "p95": 60.250, "p99": 75.000}
"""


def test_the_scripts_line_becomes_a_load_whose_throughput_leaves_refusals_out() -> None:
    load = parse(OUTPUT, 0.5)
    assert (load.throughput, load.errors, load.generator) == (50.0, 3, 0.25)
    assert (load.p50, load.p95, load.p99) == (41.5, 60.25, 75.0)


def test_output_without_a_result_is_an_error() -> None:
    with pytest.raises(ValueError, match="unable to connect"):
        parse("unable to connect to 127.0.0.1:1", 0.0)


def test_a_form_is_multipart_with_each_file() -> None:
    request = form({"header": b"made up", "signal": b"\x00\r\n\xff"}, "/analyze/heart/record")
    boundary = request.content_type.split("boundary=")[1].encode()
    parts = request.body.split(b"--" + boundary)
    assert (parts[0], parts[-1]) == (b"", b"--\r\n")
    contents = [part.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n") for part in parts[1:-1]]
    assert contents == [b"made up", b"\x00\r\n\xff"]
    assert upload(b"x", "/analyze/skin").body.count(b'; name="image"') == 1


def test_a_tables_columns_stand_under_one_another() -> None:
    lines = table(["server", "p50"], [["ours", "9.5"], ["another", "120.0"]]).splitlines()
    assert lines == ["server     p50", "ours       9.5", "another  120.0"]
