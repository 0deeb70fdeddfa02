"""The dashboard: what the engine does, made visible. Start it with `streamlit run dashboard/app.py`."""
