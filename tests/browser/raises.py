"""A page that fails, with something in its message that nobody outside may read."""

from pathlib import Path

import streamlit as st

st.write("before")
with Path("the/secret/place.yaml").open() as file:
    st.write(file.read())
