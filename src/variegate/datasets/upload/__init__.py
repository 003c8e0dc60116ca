"""Uploads: a dataset, or an output of variegate, sent to a service that trains or shows it."""
