"""Events sent to webhooks, MQTT brokers and the stop command."""
