"""Where the model is not to be believed; shown beside results and on the page about trust."""

LIMITS = """
- Each point of the charts is some hundredths of the run, so its p99 jumps about; the verdict is over the whole run.
- But for the retries that a case states, users who wait for an answer (a closed loop) and keystrokes that make earlier
  ones worthless, who comes next does not depend on the answers: nobody goes away for good.
- Service times are drawn from the distribution that the case states, anew for each visit: machines that share a fault,
  a full disk or a noisy neighbour are alike only where the case says so (slow periods).
- A request that is rejected, failed or timed out counts as later than any limit, so fast failures never improve a
  percentile.
- Networks delay, and lose what is sent while a scenario cuts a link; they do not reorder or fill up. Machines die,
  start and slow down when a scenario or an autoscaler says so, never by themselves; a start takes always as long.
- Intervals say how sure the simulation is, not how sure anybody is of the case's assumptions.
"""
