"""What a machine runs Passerelle with: the systemd unit and the container."""
