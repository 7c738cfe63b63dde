"""What many processes of the tests would import is imported once; each is a fork of that."""
