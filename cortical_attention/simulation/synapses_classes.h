// Which cells' spikes arrive in a step, in the order of the spikes, all of them after one delay, and where the synapses of a
// cell lie: Brian2's own class of this name has a delay for each synapse, and a list on its own for each source cell.
#ifndef _BRIAN_SYNAPSES_H
#define _BRIAN_SYNAPSES_H

#include <algorithm>
#include <map>
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
        n_prepared++;
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

    int first_source() const { return start; }
    int n_source() const { return stop - start; }
    int prepared() const { return n_prepared; } // how often: weights may differ from run to run

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
    int delay = 0, now = 0, n_prepared = 0;
    int each = 0;                    // synapses of every cell, where all have as many, and they lie in the order of cells
    bool ordered = false;            // whether synapses lie in the order of their cells
    std::vector<int> first, of_cell; // where the synapses of each cell begin in `of_cell`
    std::vector<std::vector<int>> fired = std::vector<std::vector<int>>(1); // in a ring: cells whose spikes arrive `now`, and in each of the steps of the delay after it
    std::vector<int> reached;
};

// Weights of the synapses of each cell as a row, from the first target to the last, with zeros between; one row for all cells
// whose weights are the same. Not used if few rows are shared, if they are mostly zeros, or if a cell reaches a target twice.
template <typename scalar>
class WeightRows
{
public:
    void update(const SynapticPathway &pathway, const int *post, const scalar *weight)
    {
        if (prepared == pathway.prepared())
            return;
        prepared = pathway.prepared();
        start = pathway.first_source();
        const int n_cell = pathway.n_source();
        std::map<std::vector<scalar>, int> known;
        long n_synapse = 0, n_zero = 0;
        bool twice = false;
        row_of.assign(n_cell, 0);
        target_of.assign(n_cell, 0);
        weights.clear();
        begins.assign(1, 0);
        for (int cell = 0; cell < n_cell && !twice && 2 * known.size() <= size_t(n_cell); cell++)
        {
            std::vector<scalar> row;
            const int begin = pathway.begin(start + cell), end = pathway.begin(start + cell + 1);
            int lowest = begin < end ? post[pathway.synapse(begin)] : 0, highest = lowest;
            for (int n = begin; n < end; n++)
            {
                lowest = std::min(lowest, post[pathway.synapse(n)]);
                highest = std::max(highest, post[pathway.synapse(n)]);
            }
            const long n_between = begin < end ? highest - lowest + 1 : 0;
            n_synapse += end - begin;
            n_zero += n_between - (end - begin);
            if (n_zero > MOST_ZEROS * n_synapse + n_cell)
                break;
            row.assign(n_between, 0);
            for (int n = begin; n < end; n++)
            {
                scalar &place = row[post[pathway.synapse(n)] - lowest];
                twice = twice || place != 0;
                place = weight[pathway.synapse(n)];
            }
            const auto found = known.emplace(row, int(known.size()));
            if (found.second)
            {
                weights.insert(weights.end(), row.begin(), row.end());
                begins.push_back(weights.size());
            }
            row_of[cell] = found.first->second;
            target_of[cell] = lowest;
        }
        used = !twice && n_zero <= MOST_ZEROS * n_synapse + n_cell && 2 * known.size() <= size_t(n_cell);
        if (!used)
            std::vector<scalar>().swap(weights);
    }

    bool shared() const { return used; }
    int first(int cell) const { return target_of[cell - start]; } // target
    const scalar *begin(int cell) const { return weights.data() + begins[row_of[cell - start]]; }
    int size(int cell) const { return begins[row_of[cell - start] + 1] - begins[row_of[cell - start]]; }

private:
    static const long MOST_ZEROS = 3; // for each synapse; chosen: eight are added at once
    int start = 0, prepared = -1;
    bool used = false;
    std::vector<int> row_of, target_of;
    std::vector<long> begins;
    std::vector<scalar> weights;
};

#endif
