"""One call from its words to its answer: planned, sent through the pool, read, streamed; and images on their way."""
