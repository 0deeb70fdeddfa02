"""Present: arrays and records become figures, pictures and words. No Streamlit."""
