"""Rules that rewrite how the C++ of Brian2 brings spikes to dendrites; as those of `simulation.rewrite`, they leave a text
that they do not know as it is."""

import re

ARRIVING = re.compile(
    r"std::vector<int> \*_spiking_synapses = (\w+)\.peek\(\);\s*const int _num_spiking_synapses = [^;]*;(?P<between>.*?)"
    r"for\(int _spiking_synapse_idx=0;[^{]*\{\s*const size_t _idx = \(\*_spiking_synapses\)\[_spiking_synapse_idx\];",
    re.S,
)
ADDING = re.compile(
    r"for \(const int _cell : (?P<path>\w+)\.arriving\(\)\)\s*for \([^)]*\)[^)]*\)[^{]*\{\s*const size_t _idx = [^;]*;\s*"
    r"const size_t _vectorisation_idx = _idx;\s*const int32_t _postsynaptic_idx = (?P<post>\w+)\[_idx\];\s*"
    r"(?P<type>double|float) (?P<sum>\w+) = (?P<target>\w+)\[_postsynaptic_idx\];\s*"
    r"const (?P=type) weight = (?P<weight>\w+)\[_idx\];\s*(?P=sum) (?P<sign>[+-]=) weight;\s*"
    r"(?P=target)\[_postsynaptic_idx\] = (?P=sum);\s*\}"
)


def direct(code):
    """Effect of spikes on synapses, which goes from each cell that fired to its synapses without a list of them between."""
    found = ARRIVING.search(code)
    if found is None or code.count("_spiking_synapse") != found[0].count("_spiking_synapse"):
        return code
    path = found[1]
    loops = (
        f"for (const int _cell : {path}.arriving())\n"
        f"        for (int _n = {path}.begin(_cell), _end = {path}.begin(_cell + 1); _n < _end; _n++)\n        {{\n"
        f"            const size_t _idx = {path}.synapse(_n);"
    )
    return code.replace(found[0], found["between"].lstrip() + loops)


def by_rows(code):
    """Effect of spikes on dendrites, as `direct` gives it, in which cells with the same weights share them.

    `WeightRows` in synapses_classes.h has them: copies for each token and each input read one table, which is small.

    Parameters
    ----------
    code : str

    Returns
    -------
    str
        The code as it was, where synapses do more than add or subtract their weight. Cells without copies, and those that
        reach few of the dendrites between their first and their last, go through their synapses as before.
    """
    found = ADDING.search(code)
    if found is None:
        return code
    path, post, kind, target, weight, sign = found.group("path", "post", "type", "target", "weight", "sign")
    loops = (
        f"static WeightRows<{kind}> _rows;\n"
        f"        _rows.update({path}, {post}, {weight});\n"
        f"        if (_rows.shared())\n"
        f"        for (const int _cell : {path}.arriving())\n        {{\n"
        f"            const {kind}* __restrict _row = _rows.begin(_cell);\n"
        f"            {kind}* __restrict _reached = {target} + _rows.first(_cell);\n"
        f"            for (int _n = 0, _size = _rows.size(_cell); _n < _size; _n++)\n"
        f"                _reached[_n] {sign} _row[_n];\n        }}\n        else\n        "
    )
    return f"{code[: found.start()]}{loops}{code[found.start() :]}"


def unwritten(code, names):
    """Text of the arrays of a program, without those of some names among what it writes at its end.

    Parameters
    ----------
    code : str
    names : iterable of str

    Returns
    -------
    str
        The code as it was, of a name that it does not write.
    """
    blocks = re.split(r"(?=^ *ofstream outfile_)", code, flags=re.MULTILINE)
    left_out = tuple(f"ofstream outfile_{name};" for name in names)
    return "".join(each for each in blocks if not each.lstrip().startswith(left_out))
