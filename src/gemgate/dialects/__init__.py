"""One file per dialect: pure codecs between its wire format and the words. No dialect imports another."""
