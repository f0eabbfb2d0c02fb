"""The Importance mapping: its file, its checks, its summary and its pictures."""
