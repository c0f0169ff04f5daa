"""Page configuration and navigation: which pages there are, in which order."""

from pathlib import Path

import streamlit as st

from cases.errors import StagecraftError
from ui.engine import engine_line
from ui.runs import visited
from ui.style import style
from ui.tables import plain

HERE = Path(__file__).parent

# A file, not a material icon: Streamlit would fetch that from another host.
st.set_page_config(page_title="Stagecraft", page_icon=str(HERE / "static" / "favicon.png"), layout="wide")
style("page.css")
page = st.navigation(
    # Without sections: in narrow windows Streamlit's own markup of those is no proper list.
    [
        st.Page(HERE / "catalogue.py", title="Cases", url_path="cases"),
        st.Page(HERE / "explore.py", title="Explore", url_path="explore", default=True),
        st.Page(HERE / "estimate.py", title="Estimate", url_path="estimate"),
        st.Page(HERE / "compare.py", title="Compare", url_path="compare"),
        st.Page(HERE / "present.py", title="Present", url_path="present"),
        st.Page(HERE / "trust.py", title="Trust", url_path="trust"),
        st.Page(HERE / "check.py", title="Check a number", url_path="check"),
        st.Page(HERE / "reconcile.py", title="Reconcile", url_path="reconcile"),
        st.Page(HERE / "experiment.py", title="Experiments", url_path="experiments"),
        st.Page(HERE / "numbers.py", title="Numbers", url_path="numbers"),
        st.Page(HERE / "own.py", title="Your own case", url_path="own"),
    ],
    position="top",
)
engine_line()
visited(page.title)
try:
    page.run()
except StagecraftError as error:  # what the page itself had no place for: such as the case's file, broken
    st.error(plain(str(error)), icon=":material/warning:")
