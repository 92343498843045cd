"""From a finished run to inspection without Keras: export, bundle, runtime."""
