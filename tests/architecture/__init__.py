"""Rules that no single file can keep: layers, exports, packaging, house style."""
