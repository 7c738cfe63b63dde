"""One file or package per type of channel; its name is the `type` that a configuration writes."""

PASSERELLE_CHANNELS = True  # start-up checks it: Django Channels installs a package of the same name
