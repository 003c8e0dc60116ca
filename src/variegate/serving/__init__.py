"""Serve a model over HTTP: the application, its page, and what AWS Lambda calls."""
