"""What Lambda calls. The model is loaded before the first call, so that a snapshot holds it."""

from variegate.serving.function import load

handler = load()
