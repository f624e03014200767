"""A detector under load: requests in a queue, batches, workers that may end, and the traffic."""
