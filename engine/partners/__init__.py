"""Who we exchange with: the indexed directory of partners and the identity of a peer."""
