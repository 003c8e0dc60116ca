"""Blocks of Edge Impulse: programs that its pipelines run in a container.

`transformation` puts files or directories of an organization through a recipe, `synthetic`
multiplies the images of a project. Their containers are in the folder deploy/edge_impulse.
"""
