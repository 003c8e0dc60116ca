"""Recipes that come with variegate, one YAML file each."""
