/* Two-compartment cells (`cells/membranes/two_compartment.py`, with the rate and the facilitated release of
   `cells/forms/biophysical.py`) under constant currents: what a step costs at least, one core, no synapses.

   Explicit Euler steps; names are those of the equations. Conductances of the shunts are zero, as in the form, so that
   their currents are left out. */
#include "cells.h"

/* drive (2, n): currents into soma and dendrite, A; uniform (n): place of V_s at the start, from rest to threshold; count
   (n): spikes, which are added */
void run(int n, int n_step, const double *drive, const double *uniform, int32_t *count) {
    const double *restrict I_s = drive, *restrict I_d = drive + n;
    double *restrict V_s = zeros(n, sizeof(double)), *restrict V_d = zeros(n, sizeof(double));
    double *restrict w_s = zeros(n, sizeof(double)), *restrict w_d = zeros(n, sizeof(double));
    double *restrict noise_s = zeros(n, sizeof(double)), *restrict noise_d = zeros(n, sizeof(double));
    double *restrict u = zeros(n, sizeof(double)), *restrict released = zeros(n, sizeof(double));
    char *restrict fires = zeros(n, 1), *bursting = zeros(n, 1);
    int32_t *restrict last = zeros(n, sizeof(int32_t)), *list = zeros(n, sizeof(int32_t));
    const int32_t silent = lround(refractory / dt), close = lround(together / dt), long_ago = lround(1 / dt);
    const int32_t back_from = lround(0.5e-3 / dt), back_until = lround(2.5e-3 / dt); /* K of the equations */
    const double scale = sigma * sqrt(2 * tau_noise / dt - 1);
    for (int i = 0; i < n; i++) V_s[i] = E_L + uniform[i] * (V_T - E_L), V_d[i] = E_L, last[i] = -long_ago;
    for (int32_t step = 0; step < n_step; step++) {
#pragma GCC ivdep
        for (int i = 0; i < n; i++) {
            const int32_t ago = step - last[i];
            const double soma = V_s[i], dendrite = V_d[i], back = ago >= back_from && ago < back_until ? c_d : 0.0;
            const double plateau = 1 / (1 + exp(-(dendrite - E_d) / D_d));
            const double next = soma + dt * ((g_s * plateau + I_s[i] + w_s[i] + noise_s[i]) / C_s - (soma - E_L) / tau_s);
            V_d[i] += dt * ((g_d * plateau + back + I_d[i] + w_d[i] + noise_d[i]) / C_d - (dendrite - E_L) / tau_d);
            V_s[i] = ago >= silent ? next : soma;
            w_s[i] -= dt / tau_ws * w_s[i];
            w_d[i] -= dt / tau_wd * (w_d[i] + a * (dendrite - E_L));
            noise_s[i] += dt / tau_noise * (scale * noise(i, step, stream) - noise_s[i]);
            noise_d[i] += dt / tau_noise * (scale * noise(i, step, stream + 1) - noise_d[i]);
            fires[i] = V_s[i] > V_T;
        }
        const int n_fired = listed(n, fires, list);
        for (int k = 0; k < n_fired; k++) {
            const int i = list[k];
            u[i] *= exp((last[i] - step) * (dt / tau_f)), released[i] += u[i];
            V_s[i] = E_L, w_s[i] += b, u[i] += U * (1 - u[i]);
            bursting[i] = step - last[i] < close, last[i] = step, count[i]++;
        }
    }
    free(V_s), free(V_d), free(w_s), free(w_d), free(noise_s), free(noise_d), free(u), free(released);
    free(fires), free(bursting), free(last), free(list);
}
