"""Where a run reads from and writes to: hub, S3, folders."""
