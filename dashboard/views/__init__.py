"""One file a page; each reads `dashboard.state`, draws, and offers actions."""
