"""The dashboard: what the engine does, made visible. `streamlit run dashboard/app.py`."""
