// Which synapses the spikes of a step reach, in the order of the spikes and of the synapses, all of them after one delay:
// Brian2's own class of this name has a delay for each synapse, and a list on its own for each source cell.
#ifndef _BRIAN_SYNAPSES_H
#define _BRIAN_SYNAPSES_H

#include <stdexcept>
#include <vector>

#include "brianlib/spikequeue.h"

class SynapticPathway
{
public:
    std::vector<int> &sources;

    SynapticPathway(std::vector<int> &_sources, int _start, int _stop) : sources(_sources), start(_start), stop(_stop) {}

    template <typename scalar>
    void prepare(int, int, scalar *delays, int n_delay, int *source, int n_synapse, double dt)
    {
        for (int k = 1; k < n_delay; k++)
            if (delays[k] != delays[0])
                throw std::invalid_argument("synapses with delays that differ");
        delay = n_delay ? int(delays[0] / dt + 0.5) : 0;
        reached.assign(delay + 1, std::vector<int>());
        first.assign(stop - start + 1, 0);
        for (int k = 0; k < n_synapse; k++)
            first[source[k] - start + 1]++;
        for (int cell = 0; cell < stop - start; cell++)
            first[cell + 1] += first[cell];
        std::vector<int> next(first.begin(), first.end() - 1);
        of_cell.resize(n_synapse);
        for (int k = 0; k < n_synapse; k++)
            of_cell[next[source[k] - start]++] = k;
        one_each = start == 0 && n_synapse == stop;
        for (int cell = 0; cell < n_synapse && one_each; cell++)
            one_each = of_cell[cell] == cell && first[cell] == cell;
    }

    void advance()
    {
        reached[now].clear();
        now = now == delay ? 0 : now + 1;
    }

    void push(int *spikes, int n_spike)
    {
        std::vector<int> &later = reached[now == 0 ? delay : now - 1]; // the one that was cleared last
        if (one_each) {
            later.resize(n_spike);
            int n = 0;
            for (int k = 0; k < n_spike; k++) {
                later[n] = spikes[k];
                n += spikes[k] < stop;
            }
            later.resize(n);
            return;
        }
        for (int k = 0; k < n_spike; k++)
            if (spikes[k] >= start && spikes[k] < stop)
                for (int n = first[spikes[k] - start]; n < first[spikes[k] - start + 1]; n++)
                    later.push_back(of_cell[n]);
    }

    std::vector<int> *peek() { return &reached[now]; }

private:
    int start, stop, delay = 0, now = 0;
    bool one_each = false; // whether cell k makes synapse k and no other
    std::vector<int> first, of_cell; // where the synapses of a cell begin in `of_cell`
    std::vector<std::vector<int>> reached = std::vector<std::vector<int>>(1); // in a ring: those reached `now`, and in each of the steps of the delay after it
};

#endif
