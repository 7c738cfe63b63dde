"""Who the other end is and what it may read: TLS, identities, certificates, signatures and secrets."""
