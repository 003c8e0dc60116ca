"""What an inspection looks at, one part a file, and the figures that it gives."""
