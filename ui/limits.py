"""Where the model is not to be believed; shown beside results and on the page about trust."""

LIMITS = """
- Each point of the charts is some hundredths of the run, so its p99 jumps about; the verdict is over the whole run.
- Requests come at random (Poisson), at one rate or at rates that change at set times; but for the retries that a case
  states, who comes next does not depend on the answers.
- Service times are drawn from the distribution that the case states, anew for each visit: machines that share a fault,
  a full disk or a noisy neighbour are alike only where the case says so (slow periods).
- A request that is rejected, failed or timed out counts as later than any limit, so fast failures never improve a
  percentile.
- Networks delay, but do not lose, reorder or fill up; machines neither die nor start.
- Intervals say how sure the simulation is, not how sure anybody is of the case's assumptions.
"""
