"""Callbacks for other systems, one file each; nothing inside Watchkeeper imports them."""
