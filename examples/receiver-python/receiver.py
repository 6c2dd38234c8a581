#!/usr/bin/env python3
"""An idempotent webhook receiver in Python: each execution has its effect once. Standard library only.

    python3 examples/receiver-python/receiver.py ledger.sqlite 9000

The effect is a row of the table `effect`. The row, the key and the attempt are one transaction, so that a crash leaves all of them
or none.

With the variable WEBHOOK_SECRET (one or two `whsec_…`, with a space between them) it takes signed requests only.
"""
import base64
import hashlib
import hmac
import os
import re
import sqlite3
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Longest difference between the time of a signature and the clock of this machine, in seconds.
TOLERANCE = 5 * 60
# The limit of a payload, in bytes.
BODY_MAX = 256 * 1024
KEY = re.compile(r"[0-9A-Za-z-]{1,64}")
ATTEMPT = re.compile(r"[1-9][0-9]{0,8}")
SCHEMA = """
create table if not exists delivery (key text primary key, attempt integer not null);
create table if not exists effect (key text primary key references delivery, attempt integer not null, payload blob not null);
"""


def read_keys(text):
    """The keys of signing secrets: the old and the new one while one replaces the other."""
    return [base64.b64decode(secret.removeprefix("whsec_")) for secret in text.split()]


def is_signed(keys, headers, body):
    """Whether one of the signatures (Standard Webhooks) is that of one of the keys. `body` is what was sent, not parsed."""
    stamp = headers.get("webhook-timestamp", "")
    if not stamp.isascii() or not stamp.isdecimal() or abs(time.time() - int(stamp)) > TOLERANCE:
        return False
    signed = f"{headers.get('webhook-id', '')}.{stamp}.".encode() + body
    expected = [b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)) for key in keys]
    given = headers.get("webhook-signature", "").encode().split()
    return any(hmac.compare_digest(one, other) for one in given for other in expected)


def connect(path):
    # Statements begin no transaction by themselves: `accept` does.
    connection = sqlite3.connect(path, timeout=10, isolation_level=None)
    connection.execute("pragma synchronous = full")
    return connection


def accept(connection, key, attempt, payload):
    """One delivery: the status and the text of the answer."""
    # The write lock comes first: two deliveries of a key follow each other.
    connection.execute("begin immediate")
    try:
        found = connection.execute("select attempt from delivery where key = ?", [key]).fetchone()
        # A node that was frozen may deliver an old attempt after a newer one.
        if found and attempt < found[0]:
            connection.execute("rollback")
            return 409, "stale\n"
        upsert = "insert into delivery values (?, ?) on conflict (key) do update set attempt = excluded.attempt"
        connection.execute(upsert, [key, attempt])
        insert = "insert into effect values (?, ?, ?) on conflict (key) do nothing"
        is_new = connection.execute(insert, [key, attempt, payload]).rowcount == 1
        # On disk before the answer: an answer of 200 is never asked for again.
        connection.execute("commit")
        return 200, "done\n" if is_new else "already done\n"
    except BaseException:
        if connection.in_transaction:
            connection.execute("rollback")
        raise


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_POST(self):
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > BODY_MAX:
            self.close_connection = True
            return self.answer(413, "a body of at most 256 KB is required\n")
        payload = self.rfile.read(int(length))
        if self.server.keys and not is_signed(self.server.keys, self.headers, payload):
            return self.answer(401, "the signature is not valid\n")
        key = self.headers.get("Idempotency-Key", "")
        attempt = self.headers.get("Horolog-Attempt", "")
        if not KEY.fullmatch(key) or not ATTEMPT.fullmatch(attempt):
            return self.answer(400, "Idempotency-Key and Horolog-Attempt are required\n")
        connection = connect(self.server.ledger)
        try:
            self.answer(*accept(connection, key, int(attempt), payload))
        finally:
            connection.close()

    def do_GET(self):
        connection = connect(self.server.ledger)
        try:
            keys = connection.execute("select key from effect order by rowid").fetchall()
        finally:
            connection.close()
        self.answer(200, "".join(f"{key}\n" for (key,) in keys))

    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """No line for each request."""


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else "ledger.sqlite"
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    connection = connect(path)
    connection.executescript(SCHEMA)
    connection.close()
    server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
    server.ledger = path
    server.keys = read_keys(os.environ.get("WEBHOOK_SECRET", ""))
    print(f"listening on http://127.0.0.1:{server.server_address[1]}/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
