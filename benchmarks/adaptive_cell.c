/* Adaptive cells (`cells/membranes/leaky.py`) under constant drives: what a step costs at least, one core, no synapses.

   Each cell asks for a rate, reads the current for it from the inverted f-I table at every step, as a cell of the circuit
   does, and integrates it. Explicit Euler steps; names are those of the equations. */
#include "cells.h"

/* drive (1, n): rates asked for, Hz; uniform (n): v at the start; count (n): spikes, which are added */
void run(int n, int n_step, const double *drive, const double *uniform, int32_t *count) {
    const double *restrict rate = drive;
    double *restrict v = zeros(n, sizeof(double)), *restrict w = zeros(n, sizeof(double));
    char *restrict fires = zeros(n, 1);
    int32_t *restrict last = zeros(n, sizeof(int32_t)), *list = zeros(n, sizeof(int32_t));
    const int32_t silent = lround(refractory / dt);
    const double scale = sigma * sqrt(2 * tau_m / dt);
    for (int i = 0; i < n; i++) v[i] = uniform[i], last[i] = -silent;
    for (int32_t step = 0; step < n_step; step++) {
#pragma GCC ivdep
        for (int i = 0; i < n; i++) {
            const int at = (int)(rate[i] * (1 / resolution) + half), place = at < n_current ? at : n_current - 1;
            const double next = v[i] + dt / tau_m * (current_of[place] - v[i] - w[i] + scale * noise(i, step, stream));
            v[i] = step - last[i] >= silent ? next : v[i];
            w[i] -= dt / tau_w * w[i];
            fires[i] = v[i] > 1;
        }
        const int n_fired = listed(n, fires, list);
        for (int k = 0; k < n_fired; k++) {
            const int i = list[k];
            v[i] = 0, w[i] += b, last[i] = step, count[i]++;
        }
    }
    free(v), free(w), free(fires), free(last), free(list);
}
