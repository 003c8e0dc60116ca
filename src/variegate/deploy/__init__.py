"""Other people's machines: AWS and Kubernetes."""
