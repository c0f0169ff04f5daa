"""A page with nothing but the picture of a case and its results, for cases that are not in the catalogue."""

from pathlib import Path

import streamlit as st

from cases import files
from simulator.plan import plan
from simulator.run import simulate
from ui import tables
from ui.diagram import diagram, legend

case = files.load(Path(st.query_params["case"]))
result = simulate(plan(case, requests=1_000, replications=2, drain=1))
st.set_page_config(layout="wide")
diagram(case, result, None, set())
st.caption(legend(case))
st.markdown(tables.ends(result))
tables.latencies(case, result)
tables.meaning(case, result, case, None)
tables.stages(case, result)
