"""From a raw heap of files to a dataset: audit, duplicates, splits, statistics, leaks."""
