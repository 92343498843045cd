"""Autoencoders: trained to rebuild good parts, they rebuild badly what is new."""

AUTOENCODERS = (
    "cae_mvtec",
    "cae_baseline",
    "cae_inception",
    "cae_resnet",
    "cae_skip",
    "conv_autoencoder",
    "patch_autoencoder",
)
