"""HTTP/1.1 for the channels that speak it: a listener and a client on `asyncio.Protocol` over httptools."""
