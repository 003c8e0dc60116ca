"""Where shards are run. Each back end is one file with ``run(job, shards, ...) -> reports``."""
