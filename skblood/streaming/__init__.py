"""Images from any number of files and shards, and predictions of them, in bounded memory."""
