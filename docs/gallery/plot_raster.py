"""
Raster of one head
==================

Every population of one head with spikes, from the surface of the cortex down to the thalamus. The dashed line is where the
measurement begins; on cells are drawn above off cells, in a darker shade.
"""

from brian2 import second

import cortical_attention as ca

case = ca.random_case(0, 4, n_head=1, d_model=4, d_key=2, d_value=2, scale=2.0)
answer = ca.attend(case, form="spiking", settle=1 * second, window=1 * second, target="numpy")
figure = answer.raster(head=0, t_start=0.8 * second, t_stop=1.5 * second, max_cells=24)
