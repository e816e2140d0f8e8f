"""The cold tier: finished segments as wide Parquet files that other programs read, listed in a manifest."""
