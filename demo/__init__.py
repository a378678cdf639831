"""The simulated world around EVConduit. It knows nothing of the relay or the integration: it is an oracle for both."""
