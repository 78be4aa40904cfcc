"""`http.request`, built in: see `request`."""
