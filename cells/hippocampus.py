"""Cells of the hippocampal formation, most of them by the rules of cortical cells at other places.

Pyramidal cells of CA3 multiply and are divided as superficial cells of cortex are, those of CA1 multiply as
intratelencephalic cells do. Ports keep the names of those rules, but not their places: mossy fibres end in stratum lucidum
of CA3 and the perforant path beyond, in stratum lacunosum-moleculare; in CA1 axons of CA3 end in stratum radiatum, and
those of layer 3 of entorhinal cortex in stratum lacunosum-moleculare (textbook anatomy; no source was read for it). So the
value reaches the tuft in CA1, and attention the dendrites below it, other than in layer 5.
"""

from cortical_attention.cells.cell import CellType
from cortical_attention.cells.interneuron import PROPORTIONAL
from cortical_attention.cells.intratelencephalic import INTRATELENCEPHALIC
from cortical_attention.cells.superficial import SUPERFICIAL

ENTORHINAL_2 = CellType("entorhinal", "EC2", {"soma": 0.0}, "soma", recorded="whole")
ENTORHINAL_3 = ENTORHINAL_2._replace(layer="EC3")
ENTORHINAL_5 = ENTORHINAL_2._replace(layer="EC5")
GRANULE = CellType("granule", "dentate gyrus", {"soma": 0.0}, "soma")
CA3 = SUPERFICIAL._replace(
    name="CA3 pyramidal", layer="CA3", sites={"basal": "lacunosum-moleculare", "apical": "lucidum"}
)
CA1 = INTRATELENCEPHALIC._replace(
    name="CA1 pyramidal", layer="CA1", role="principal", sites={"basal": "lacunosum-moleculare", "apical": "radiatum"}
)
CA3_INTERNEURON = PROPORTIONAL._replace(layer="CA3 interneuron")
