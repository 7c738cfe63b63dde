"""Other projects' messages, and a synthetic set like them, through a real engine over real MLLP sockets."""
