"""Running on Kubernetes: what is applied to a cluster, for a user's buckets and recipe."""
