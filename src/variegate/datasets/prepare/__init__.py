"""From a raw heap of files to a dataset: audit, duplicates, statistics, splits."""
