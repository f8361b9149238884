"""Several processes that serve one port: a supervisor that accepts connections, and workers that answer them."""
