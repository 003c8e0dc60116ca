"""What is to be made of every image: transforms, policies, the plan of variants, YAML."""
