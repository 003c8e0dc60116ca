"""Amazon Web Services: the function behind a bucket, its deployment, and what it costs."""
