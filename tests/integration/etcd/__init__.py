"""What etcd does to a store that the conformance suite cannot: failovers, users, TLS, refusals."""
