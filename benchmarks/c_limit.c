/* The model of benchmarks/model.py as one fused loop over time steps, in double precision: what the machine allows.

   Each time step: traces decay; somata integrate, and fire at one; spikes reach the traces. A trace is kept once for all
   cells that read the same (shared dendrites); every L2/3 and L5 IT cell has its own membrane, or rate.
   Weights arrive scaled to what one spike adds (spiking), or as numbers (rate). Arrays are row-major; weights are
   [pre, post], so that what one source cell sends lies together.
*/
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    int n, d, n_step, n_gated, first_counted;  /* steps; with the gate of the interneurons closed; before the window */
    double dt, keep_slow, keep_fast, keep_pool; /* factors by which traces decay in one step */
    double soma, tau_g, tau_start, sigma, pool_max;
    double u_core, u_matrix, u_superficial, u_it, u_pt, u_higher; /* unit rates times dt (spiking) */
    double w_attention, w_value, w_pool;          /* per spike; 1 in rates */
} Settings;

static inline double phi(double x) { return fmax(x, 0.0) + exp(fmin(x, 0.0)); }

static void *zeros(size_t n) {
    void *p = aligned_alloc(64, (n * sizeof(double) + 63) / 64 * 64);
    memset(p, 0, n * sizeof(double));
    return p;
}

/* g of one macrocolumn after one step, from what reaches its pool */
static inline double next_g(const Settings *s, int open, double g, double g_start, double pool) {
    double heard = fmin(fmax(pool, 0.0), s->pool_max);
    return g + s->dt * (open ? (s->sigma + g * heard - g) / s->tau_g : (g_start - g) / s->tau_start);
}

static inline int fires(double *v, double drive) {
    *v += drive;
    if (*v < 1.0) return 0;
    *v -= 1.0;
    return 1;
}

/* Spiking form. v: membranes of each population, in and out. counted (n, d): spikes of the higher-order nucleus in the
   window. Returns all spikes of all cells. */
double run_spiking(const Settings *s, const double *tokens, const double *W_Q, const double *W_K, const double *W_V,
                   const double *W_O, const double *u_inter, const double *w_inter, const double *g_start,
                   double *v_core, double *v_matrix, double *v_higher, double *v_it, double *v_pt, double *v_sup,
                   double *v_inter, double *counted) {
    const int n = s->n, d = s->d;
    double *query = zeros(n * d), *key = zeros(n * d), *value = zeros(n * d), *attention = zeros(n * n);
    double *sum = zeros(n * d), *higher = zeros(n * d), *pool = zeros(n), *shunt = zeros(n), *g = zeros(n);
    double *phi_key = zeros(n * d), *restrict gain = zeros(d), *restrict summed = zeros(d), *fired = zeros(n), total = 0.0;
    memcpy(shunt, g_start, n * sizeof(double));
    memcpy(g, g_start, n * sizeof(double));
    for (int t = 0; t < s->n_step; t++) {
        for (int e = 0; e < n * d; e++) {
            query[e] *= s->keep_slow, key[e] *= s->keep_slow, value[e] *= s->keep_slow;
            sum[e] *= s->keep_slow, higher[e] *= s->keep_slow;
        }
        for (int i = 0; i < n; i++) pool[i] *= s->keep_pool, shunt[i] *= s->keep_fast;
        for (int e = 0; e < n * d; e++) phi_key[e] = s->u_superficial * phi(key[e]);
        memset(fired, 0, n * sizeof(double));
        for (int i = 0; i < n; i++) {
            for (int k = 0; k < d; k++) gain[k] = phi(query[i * d + k]) / shunt[i], summed[k] = 0.0;
            for (int j = 0; j < n; j++) {
                double *restrict v = v_it + ((size_t)i * n + j) * d, *restrict w = v_sup + ((size_t)i * n + j) * d;
                const double *restrict pk = phi_key + j * d, *restrict x = value + j * d;
                const double alpha = s->u_it * s->keep_slow * attention[i * n + j];
                double spikes = 0.0;
                for (int k = 0; k < d; k++) {
                    double a = v[k] + alpha * x[k], b = w[k] + gain[k] * pk[k];
                    double y = a >= 1.0 ? 1.0 : 0.0, z = b >= 1.0 ? 1.0 : 0.0;
                    v[k] = a - y, w[k] = b - z;
                    summed[k] += y, spikes += z;
                }
                attention[i * n + j] = s->keep_slow * attention[i * n + j] + s->w_attention * spikes;
                fired[i] += spikes;
            }
            for (int k = 0; k < d; k++) {
                const int e = i * d + k;
                total += summed[k];
                if (fires(v_higher + e, s->u_higher * fmax(higher[e], 0.0))) total++, counted[e] += t >= s->first_counted;
            }
            for (int k = 0; k < d; k++) { /* after the higher-order cells have read their traces */
                const int e = i * d + k;
                if (fires(v_pt + e, s->u_pt * fmax(sum[e], 0.0))) {
                    total++;
                    for (int m = 0; m < d; m++) higher[i * d + m] += W_O[k * d + m];
                }
                sum[e] += s->w_value * summed[k];
            }
            if (fires(v_inter + i, u_inter[i] * g[i])) total++, shunt[i] += w_inter[i];
            g[i] = next_g(s, t >= s->n_gated, g[i], g_start[i], pool[i]);
            pool[i] += s->w_pool * fired[i], total += fired[i];
        }
        for (int i = 0; i < n; i++)
            for (int m = 0; m < d; m++) {
                if (fires(v_core + i * d + m, s->u_core * tokens[i * d + m])) {
                    total++;
                    for (int k = 0; k < d; k++) query[i * d + k] += W_Q[m * d + k];
                }
                if (fires(v_matrix + i * d + m, s->u_matrix * tokens[i * d + m])) {
                    total++;
                    for (int k = 0; k < d; k++) key[i * d + k] += W_K[m * d + k], value[i * d + k] += W_V[m * d + k];
                }
            }
    }
    free(query), free(key), free(value), free(attention), free(sum), free(higher), free(pool), free(shunt), free(g);
    free(phi_key), free(gain), free(summed), free(fired);
    return total;
}

/* filtered += dt (drive - filtered) / tau, with keep = 1 - dt / tau */
static inline double filter(double filtered, double drive, double keep) { return keep * filtered + (1 - keep) * drive; }

static void filter_product(int n, int d, double keep, const double *W, const double *x, double *filtered) {
    for (int i = 0; i < n; i++) {
        double *restrict out = filtered + i * d;
        for (int k = 0; k < d; k++) out[k] *= keep;
        for (int m = 0; m < d; m++) {
            const double *restrict row = W + m * d, sent = (1 - keep) * x[i * d + m];
            for (int k = 0; k < d; k++) out[k] += row[k] * sent;
        }
    }
}

/* Rate form. Every rate is in units of its unit rate; soma = dt / tau_soma. output (n, d): the higher-order nucleus at
   the end. */
double run_rate(const Settings *s, const double *tokens, const double *W_Q, const double *W_K, const double *W_V,
                const double *W_O, const double *g_start, double *output) {
    const int n = s->n, d = s->d;
    const double a = s->soma, keep = s->keep_slow;
    double *query = zeros(n * d), *key = zeros(n * d), *value = zeros(n * d), *attention = zeros(n * n);
    double *sum = zeros(n * d), *higher = zeros(n * d), *pool = zeros(n), *shunt = zeros(n), *g = zeros(n);
    double *core = zeros(n * d), *pt = zeros(n * d), *inter = zeros(n), *pooled = zeros(n), *summed = zeros(n * d);
    double *sent = zeros(n * n), *restrict gain = zeros(d), *sup = zeros((size_t)n * n * d), *it = zeros((size_t)n * n * d);
    double *phi_key = zeros(n * d);
    for (int i = 0; i < n; i++) shunt[i] = g[i] = g_start[i], inter[i] = 1.0;
    for (int t = 0; t < s->n_step; t++) {
        filter_product(n, d, keep, W_Q, core, query);
        filter_product(n, d, keep, W_K, core, key); /* core and matrix carry the same tokens */
        filter_product(n, d, keep, W_V, core, value);
        filter_product(n, d, keep, W_O, pt, higher);
        for (int e = 0; e < n * d; e++) sum[e] = filter(sum[e], summed[e], keep), phi_key[e] = phi(key[e]);
        for (int e = 0; e < n * n; e++) attention[e] = filter(attention[e], sent[e], keep);
        memset(summed, 0, n * d * sizeof(double));
        for (int i = 0; i < n; i++) {
            pool[i] = filter(pool[i], pooled[i], s->keep_pool);
            shunt[i] = filter(shunt[i], inter[i], s->keep_fast);
            for (int k = 0; k < d; k++) gain[k] = a * phi(query[i * d + k]) / shunt[i];
            pooled[i] = 0.0;
            for (int j = 0; j < n; j++) {
                double *restrict y = it + ((size_t)i * n + j) * d, *restrict x = sup + ((size_t)i * n + j) * d;
                const double *restrict pk = phi_key + j * d, *restrict v = value + j * d;
                const double alpha = a * attention[i * n + j];
                double *restrict out = summed + i * d, total = 0.0;
                for (int k = 0; k < d; k++) {
                    y[k] += alpha * v[k] - a * y[k];
                    x[k] += gain[k] * pk[k] - a * x[k];
                    out[k] += y[k], total += x[k];
                }
                sent[i * n + j] = total, pooled[i] += total;
            }
            inter[i] += a * (g[i] - inter[i]);
            g[i] = next_g(s, t >= s->n_gated, g[i], g_start[i], pool[i]);
        }
        for (int e = 0; e < n * d; e++) {
            output[e] += a * (higher[e] - output[e]), pt[e] += a * (sum[e] - pt[e]), core[e] += a * (tokens[e] - core[e]);
        }
    }
    free(query), free(key), free(value), free(attention), free(sum), free(higher), free(pool), free(shunt), free(g);
    free(core), free(pt), free(inter), free(pooled), free(summed), free(sent), free(gain), free(sup), free(it);
    free(phi_key);
    return 0.0;
}
