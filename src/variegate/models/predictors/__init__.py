"""What can be asked about images: ONNX files, functions, servers, other programs."""
