"""From a raw collection to a dataset: what belongs together, splits, statistics, leaks."""
