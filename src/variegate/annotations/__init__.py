"""What is known about an image: its annotation, and what moves with its pixels."""
