// Which cells' spikes arrive in a step, in the order of the spikes, all of them after one delay, and where the synapses of a
// cell lie: Brian2's own class of this name has a delay for each synapse, and a list on its own for each source cell.
#ifndef _BRIAN_SYNAPSES_H
#define _BRIAN_SYNAPSES_H

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "brianlib/spikequeue.h"

class SynapticPathway
{
public:
    std::vector<int> &sources;
    const char *const queue[1] = {""}; // Brian2 2.11 writes the state of its own queue at the end, which is not there

    SynapticPathway(std::vector<int> &_sources, int _start, int _stop) : sources(_sources), start(_start), stop(_stop) {}

    template <typename scalar>
    void prepare(int, int, scalar *delays, int n_delay, int *source, int n_synapse, double dt)
    {
        for (int k = 1; k < n_delay; k++)
            if (delays[k] != delays[0])
                throw std::invalid_argument("synapses with delays that differ");
        delay = n_delay ? int(delays[0] / dt + 0.5) : 0;
        fired.assign(delay + 1, std::vector<int>());
        first.assign(stop - start + 1, 0);
        for (int k = 0; k < n_synapse; k++)
            first[source[k] - start + 1]++;
        for (int cell = 0; cell < stop - start; cell++)
            first[cell + 1] += first[cell];
        std::vector<int> next(first.begin(), first.end() - 1);
        of_cell.resize(n_synapse);
        for (int k = 0; k < n_synapse; k++)
            of_cell[next[source[k] - start]++] = k;
        ordered = true;
        for (int k = 0; k < n_synapse && ordered; k++)
            ordered = of_cell[k] == k;
        each = ordered ? n_synapse / std::max(stop - start, 1) : 0;
        for (int cell = 0; cell < stop - start && each; cell++)
            each = first[cell + 1] - first[cell] == each ? each : 0;
        if (ordered)
            std::vector<int>().swap(of_cell);
        if (each)
            std::vector<int>().swap(first);
    }

    void advance()
    {
        fired[now].clear();
        now = now == delay ? 0 : now + 1;
    }

    void push(int *spikes, int n_spike)
    {
        int *from = std::lower_bound(spikes, spikes + n_spike, start); // cells fire in their order
        fired[now == 0 ? delay : now - 1].assign(from, std::lower_bound(from, spikes + n_spike, stop)); // cleared last
    }

    const std::vector<int> &arriving() const { return fired[now]; }

    // The synapses of a cell are those from `begin(cell)` to `begin(cell + 1)`; which each of them is.
    int begin(int cell) const { return each ? (cell - start) * each : first[cell - start]; }
    int synapse(int n) const { return ordered ? n : of_cell[n]; }

    std::vector<int> *peek() // their synapses, for code that goes through a list of them
    {
        reached.clear();
        for (int cell : arriving())
            for (int n = begin(cell); n < begin(cell + 1); n++)
                reached.push_back(synapse(n));
        return &reached;
    }

private:
    const int start, stop; // the cells that are sources
    int delay = 0, now = 0;
    int each = 0;                    // synapses of every cell, where all have as many, and they lie in the order of cells
    bool ordered = false;            // whether synapses lie in the order of their cells
    std::vector<int> first, of_cell; // where the synapses of each cell begin in `of_cell`
    std::vector<std::vector<int>> fired = std::vector<std::vector<int>>(1); // in a ring: cells whose spikes arrive `now`, and in each of the steps of the delay after it
    std::vector<int> reached;
};

#endif
