"""The prober: names, ports and pages asked from where this process stands in the network."""
