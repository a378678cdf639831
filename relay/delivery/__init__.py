"""Webhook endpoints: their table, which is also the delivery queue, and the bodies, signatures and retry schedule."""
