"""What the tests with real peers are made of: a network, an engine, and the peers' drivers."""
