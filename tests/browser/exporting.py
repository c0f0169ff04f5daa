"""A page with nothing but the button that exports a case, for cases that are not in the catalogue."""

from pathlib import Path

import streamlit as st

from cases import files
from ui.export import export_button

export_button(files.load(Path(st.query_params["case"])))
