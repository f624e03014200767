"""What a load test comes down to: latency and its parts, throughput, and how much a machine holds."""
