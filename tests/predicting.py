"""Models for tests: a function, a server and a program that all say how bright an image is."""

import base64
import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np

CLASSES = ("dark", "bright")

# What the program does: `sys.argv[1]` says which fault it has.
PROGRAM = """
import base64, json, os, sys, time
import cv2
import numpy as np

fault, state = sys.argv[1], sys.argv[2]
for line in sys.stdin:
    data = json.loads(line)
    answers = []
    for one in data["images"]:
        raw = base64.b64decode(one["png"]) if "png" in one else open(one["path"], "rb").read()
        image = cv2.imdecode(np.frombuffer(raw, np.uint8), cv2.IMREAD_COLOR)
        p = float(image.mean()) / 255
        answers.append([1 - p, p])
    if fault == "dies once" and not os.path.exists(state):
        open(state, "w").close()
        sys.stderr.write("out of cards\\n")
        sys.exit(7)
    if fault == "dies of dark" and min(p for _, p in answers) < 0.1:
        os.kill(os.getpid(), 9)
    if fault == "talks":
        print("loading weights ...")
    if fault == "hangs":
        time.sleep(60)
    if fault == "short":
        answers.pop()
    if fault == "nan":
        answers[0][0] = float("nan")
    if fault == "refuses":
        print(json.dumps({"id": data["id"], "error": "no such layer"}), flush=True)
        continue
    print(json.dumps({"id": data["id"], "predictions": answers}), flush=True)
"""


def brightness(images):
    """Answer how bright images are: probabilities of CLASSES."""
    shares = [float(np.asarray(one)[..., :3].mean()) / 255 for one in images]
    return [[1 - share, share] for share in shares]


def brightness_of_file(path):
    """The same of one file."""
    return brightness([cv2.imread(path)])[0]


@contextlib.contextmanager
def server(script=(), predict=brightness):
    """Serve `predict` on loopback; give its URL and the list of what it was asked.

    Args:
        script: statuses to answer first, each with its headers: (503, {"Retry-After": "2"}).
        predict: what answers.
    """
    asked, waiting = [], list(script)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            data = json.loads(body)
            asked.append({"headers": dict(self.headers), "count": len(data["instances"])})
            status, headers = waiting.pop(0) if waiting else (200, {})
            raw = [base64.b64decode(one["b64"]) for one in data["instances"]]
            images = [cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_COLOR) for one in raw]
            reply = json.dumps({"predictions": predict(images)} if status == 200 else {}).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_):
            pass

    one = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=one.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{one.server_port}/v1/models/bright:predict", asked
    finally:
        one.shutdown()
        one.server_close()
        thread.join()
