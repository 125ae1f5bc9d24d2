"""What `make` and continuous integration run besides the tools themselves. Nothing here is deployed."""
