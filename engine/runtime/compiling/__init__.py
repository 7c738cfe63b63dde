"""From a loaded configuration to compiled routes, policies and doors."""
