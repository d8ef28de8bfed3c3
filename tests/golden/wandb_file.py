"""
Golden values of `.wandb` files: records serialised by W&B's own protobuf classes, a file of them as W&B's old datastore.py framed it, and
what W&B's own client uploads when it is given that file. The TypeScript tests must come to the same bytes.

    python -m venv venv && venv/bin/pip install wandb==0.31.0
    venv/bin/python tests/golden/wandb_file.py > tests/golden/wandb_file.json      # writes the golden values
    venv/bin/python tests/golden/wandb_file.py FOLDER                         # prints the records of a run's folder, by W&B's classes
    venv/bin/python tests/golden/wandb_file.py --sync FOLDER                  # prints what `wandb sync` sends of it, to a server of this script

Made with wandb 0.31.0 (protobuf 6), Python 3.11. The client runs against the server below, never against W&B's service.
"""

import glob
import hashlib
import http.server
import json
import os
import struct
import subprocess
import sys
import tempfile
import threading
import zlib

from wandb.proto import wandb_internal_pb2 as pb

BLOCK, HEAD = 32768, 7
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def piece(kind, data):
    return struct.pack("<IHB", zlib.crc32(data, zlib.crc32(bytes([kind]))), len(data), kind) + data


def framed(records):
    """LevelDB's log with zlib's CRC, behind W&B's seven bytes. https://github.com/google/leveldb/blob/main/doc/log_format.md"""
    out = bytearray(struct.pack("<4sHB", b":W&B", 0xBEE1, 0))
    for data in records:
        left = BLOCK - len(out) % BLOCK
        if left < HEAD:
            out += bytes(left)
            left = BLOCK
        if len(data) + HEAD <= left:
            out += piece(FULL, data)
            continue
        out += piece(FIRST, data[: left - HEAD])
        rest = data[left - HEAD :]
        while len(rest) > BLOCK - HEAD:
            out += piece(MIDDLE, rest[: BLOCK - HEAD])
            rest = rest[BLOCK - HEAD :]
        out += piece(LAST, rest)
    return bytes(out)


def scan(path):
    """As W&B's DataStore.scan_data reads it: whole records, or an assertion."""
    data = open(path, "rb").read()
    assert struct.unpack("<4sHB", data[:HEAD]) == (b":W&B", 0xBEE1, 0), "another header"
    at, whole = HEAD, b""
    while at < len(data):
        left = BLOCK - at % BLOCK
        if left < HEAD:
            assert data[at : at + left] == bytes(left), "padding that is not zero"
            at += left
            continue
        crc, length, kind = struct.unpack("<IHB", data[at : at + HEAD])
        body = data[at + HEAD : at + HEAD + length]
        assert len(body) == length and zlib.crc32(body, zlib.crc32(bytes([kind]))) == crc, f"damaged at {at}"
        at += HEAD + length
        whole = body if kind in (FULL, FIRST) else whole + body
        if kind in (FULL, LAST):
            record = pb.Record()
            record.ParseFromString(whole)
            yield record


def items(kind, values, nested):
    return [
        kind(nested_key=[key], value_json=value) if nested else kind(key=key, value_json=value)
        for key, value in values.items()
    ]


def cases():
    """The same records as JSON for the TypeScript side and as W&B's classes."""
    config = {"arcface": '{"lr":0.001,"note":"é"}', "phases": '["supcon","arcface"]'}
    row = {"arcface/step": "20", "arcface/epoch": "1", "arcface/loss": "2.5", "arcface/gradient_norm": "NaN", "_step": "0"}
    big = {"data": json.dumps("x" * 70000)}
    yield {"kind": "header", "producer": "trivium/0.1.0"}, dict(
        header=pb.HeaderRecord(version_info=pb.VersionInfo(producer="trivium/0.1.0"))
    )
    for resume, config_of_run in ((False, config), (True, big)):
        run = pb.RunRecord(
            run_id="abcd1234", entity="team", project="photos", display_name="cifar100-experiment", host="machine", resume=resume,
            config=pb.ConfigRecord(update=items(pb.ConfigItem, config_of_run, nested=False)),
        )
        run.start_time.seconds, run.start_time.nanos = 1795293824, 851000000
        yield {
            "kind": "run", "id": "abcd1234", "entity": "team", "project": "photos", "displayName": "cifar100-experiment",
            "host": "machine", "startTime": 1795293824851, "config": config_of_run, "resume": resume,
        }, dict(run=run)
    yield {"kind": "metric", "glob": "arcface/*", "stepMetric": "arcface/step"}, dict(
        metric=pb.MetricRecord(glob_name="arcface/*", step_metric="arcface/step", options=pb.MetricOptions(step_sync=True, defined=True))
    )
    for step in range(3):
        values = {**row, "arcface/step": str(20 * (step + 1)), "_step": str(step)}
        yield {"kind": "history", "step": step, "items": values}, dict(
            history=pb.HistoryRecord(item=items(pb.HistoryItem, values, nested=True), step=pb.HistoryStep(num=step))
        )
    summary = {"evaluate/top1": "0.75", "arcface/loss": "-Infinity"}
    yield {"kind": "summary", "items": summary}, dict(summary=pb.SummaryRecord(update=items(pb.SummaryItem, summary, nested=True)))
    for length in (33000, 65536):
        yield filler(length)
    yield {"kind": "exit", "exitCode": 75, "runtime": 12}, dict(exit=pb.RunExitRecord(exit_code=75, runtime=12))


def filler(length):
    values = {"filler": json.dumps("y" * length)}
    return {"kind": "summary", "items": values}, dict(summary=pb.SummaryRecord(update=items(pb.SummaryItem, values, nested=True)))


def up_to_the_end(records, left):
    """A record after which `left` bytes of a block are free: 7 hold the head of an empty piece, fewer are filled with zeros."""
    length = 20000
    while True:
        plain, fields = filler(length)
        data = pb.Record(num=len(records) + 1, **fields).SerializeToString()
        missing = (-left - len(framed(records + [data]))) % BLOCK
        if missing == 0:
            return plain, data
        length += missing if missing < BLOCK // 2 else missing - BLOCK


class Server(http.server.BaseHTTPRequestHandler):
    """Answers as much of W&B's interface as `wandb sync` asks for, and keeps what it is told."""

    protocol_version = "HTTP/1.1"
    told: list = []

    def log_message(self, *_):
        pass

    def answer(self, body):
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_PUT(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer({})

    def do_POST(self):
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            body = json.loads(data)
        except ValueError:
            return self.answer({})
        query, variables = body.get("query", ""), body.get("variables") or {}
        if self.path.endswith("/file_stream"):
            self.told.append({"stream": {key: body[key] for key in ("files", "complete", "exitcode") if key in body}})
            return self.answer({})
        if "upsertBucket" in query:
            self.told.append({"upsert": {key: value for key, value in variables.items() if value is not None}})
            project = {"id": "P", "name": variables["project"], "entity": {"id": "E", "name": variables.get("entity") or "me"}}
            bucket = {"id": "R", "name": variables["name"], "displayName": variables.get("displayName"), "config": "{}", "project": project, "historyLineCount": 0}
            return self.answer({"data": {"upsertBucket": {"bucket": bucket, "inserted": True}}})
        if "createRunFiles" in query:
            address = f"http://{self.headers['Host']}/upload"
            files = [{"name": name, "uploadUrl": address} for name in variables["files"]]
            return self.answer({"data": {"createRunFiles": {"runID": "R", "uploadHeaders": [], "files": files}}})
        if "viewer" in query:
            return self.answer({"data": {"viewer": {"id": "U", "entity": "me", "username": "me", "flags": "{}", "teams": {"edges": []}}}})
        return self.answer({"data": {"model": {"bucket": None}, "serverInfo": {"features": []}}})


def sync(folder):
    """What W&B's own client sends of a run's folder: its history lines by offset, its last summary, how it ended."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Server.told = []
    environment = {**os.environ, "WANDB_BASE_URL": f"http://127.0.0.1:{server.server_port}", "WANDB_API_KEY": "a" * 40}
    command = [os.path.join(os.path.dirname(sys.executable), "wandb"), "sync", folder]
    done = subprocess.run(command, env=environment, cwd=tempfile.mkdtemp(), capture_output=True, text=True, timeout=120)
    assert "Finished syncing" in done.stderr + done.stdout, done.stderr + done.stdout
    history, summary, end = {}, {}, {}
    for told in (each["stream"] for each in Server.told if "stream" in each):
        files = told.get("files", {})
        lines = files.get("wandb-history.jsonl", {"offset": 0, "content": []})
        history.update({lines["offset"] + index: json.loads(line) for index, line in enumerate(lines["content"])})
        if "wandb-summary.json" in files:
            summary = json.loads(files["wandb-summary.json"]["content"][0])
        if "complete" in told:
            end = {"complete": told["complete"], "exitcode": told["exitcode"]}
    first = next(each["upsert"] for each in Server.told if "upsert" in each)
    return {
        "run": {key: first.get(key) for key in ("name", "project", "entity", "displayName", "host")},
        "config": {key: value["value"] for key, value in json.loads(first["config"]).items() if key != "_wandb"},
        "history": [history[index] for index in sorted(history)],
        "summary": {key: value for key, value in summary.items() if key != "_wandb"},
        **end,
    }


def golden():
    records, given = [], []
    *before, (last, ending) = cases()
    for plain, fields in before:
        records.append(pb.Record(num=len(records) + 1, **fields).SerializeToString())
        given.append(plain)
    for left in (7, 6, 1, 0):
        plain, data = up_to_the_end(records, left)
        records.append(data)
        given.append(plain)
    records.append(pb.Record(num=len(records) + 1, **ending).SerializeToString())
    given.append(last)
    file = framed(records)
    # The run that is uploaded has one beginning; the second RunRecord is there for its bytes.
    folder = os.path.join(tempfile.mkdtemp(), "offline-run-20261121_204343-abcd1234")
    os.makedirs(os.path.join(folder, "files"))
    uploaded = [data for data, plain in zip(records, given) if not (plain["kind"] == "run" and plain["resume"])]
    with open(os.path.join(folder, "run-abcd1234.wandb"), "wb") as out:
        out.write(framed(uploaded))
    sent = sync(folder)
    sent["summary"].pop("filler", None)
    sent["history"] = [{key: str(value) if value != value else value for key, value in row.items()} for row in sent["history"]]
    sent["summary"] = {key: str(value) if abs(value) == float("inf") else value for key, value in sent["summary"].items()}
    return {
        "made_by": "tests/golden/wandb_file.py, wandb 0.31.0",
        "records": [
            {"record": plain if len(data) < 4096 else {**plain, **shortened(plain)}, "sha256": hashlib.sha256(data).hexdigest()}
            for plain, data in zip(given, records)
        ],
        "file": {"bytes": len(file), "sha256": hashlib.sha256(file).hexdigest()},
        "uploaded": {"bytes": len(framed(uploaded)), "sha256": hashlib.sha256(framed(uploaded)).hexdigest(), "sent": sent},
    }


def shortened(plain):
    """A long text of one letter as letter and length."""
    key = "config" if "config" in plain else "items"
    values = {name: {"letter": json.loads(value)[0], "times": len(json.loads(value))} for name, value in plain[key].items()}
    return {key: values}


if __name__ == "__main__":
    if len(sys.argv) == 1:
        print(json.dumps(golden(), indent=1, ensure_ascii=False))
    elif sys.argv[1] == "--sync":
        print(json.dumps(sync(os.path.abspath(sys.argv[2])), indent=1))
    else:
        for path in glob.glob(os.path.join(sys.argv[1], "*.wandb")):
            for record in scan(path):
                print(record)
