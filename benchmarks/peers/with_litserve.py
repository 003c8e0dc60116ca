"""LitServe with the same model: python with_litserve.py MODEL CARD PORT WORKERS."""

import json
import sys
from pathlib import Path

import cv2
import litserve
import numpy as np
import onnxruntime
import simplejpeg
from fastapi import Request

MODEL, CARD, PORT, WORKERS = sys.argv[1:5]


class Classify(litserve.LitAPI):
    """Decodes a JPEG, brings it to the model's size, and answers with the likeliest class."""

    def setup(self, device: str) -> None:
        self.card = json.loads(Path(CARD).read_text())
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(MODEL, options)
        self.name = self.session.get_inputs()[0].name

    # The annotation tells LitServe to hand over the form.
    def decode_request(self, request: Request) -> np.ndarray:
        image = simplejpeg.decode_jpeg(request["image"].file.read(), "BGR")
        height, width = self.card["input"]["size"]
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        values = image.astype(np.float32) - np.asarray(self.card["input"]["mean"], np.float32)
        return values.astype(self.card["input"]["dtype"]).transpose(2, 0, 1)[None]

    def predict(self, batch: np.ndarray) -> np.ndarray:
        return self.session.run(None, {self.name: batch})[0].reshape(-1)

    def encode_response(self, output: np.ndarray) -> dict:
        number = int(output.argmax())
        return {"class": self.card["classes"][number], "probability": float(output[number])}


if __name__ == "__main__":
    server = litserve.LitServer(
        Classify(api_path="/classify"), accelerator="cpu", workers_per_device=int(WORKERS)
    )
    server.run(port=int(PORT), host="127.0.0.1", generate_client_file=False, log_level="error")
