"""Everything asynchronous: caches, queue, workers, and the carrying out of plans."""
