"""What is done with a dataset as a whole: inspect, convert, load, draw samples."""
