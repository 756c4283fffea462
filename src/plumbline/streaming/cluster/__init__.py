"""Several gateways as one: channels, presence and a cache kept by NATS JetStream, in one region or in two."""
