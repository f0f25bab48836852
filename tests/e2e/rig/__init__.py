"""What the end-to-end tests stand on: real daemons, the binary under test, and waiting."""
