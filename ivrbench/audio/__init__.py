"""Audio files, codecs, resampling and levels."""
