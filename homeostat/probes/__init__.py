"""The prober: DNS names, TCP ports and health pages, asked from this process's own place in the network."""
