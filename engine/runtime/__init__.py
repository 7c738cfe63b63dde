"""The running engine: intake and router before the reply, dispatcher and lanes after the commit."""
