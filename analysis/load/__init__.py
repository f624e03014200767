"""What a load test comes down to: latency in its parts, throughput, what a machine holds."""
