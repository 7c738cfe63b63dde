"""Alerts: conditions become rows that open once and clear once, each told to a human by a message on a route."""
