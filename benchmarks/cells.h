/* What the loops of both cells share. `c_cells.py` puts the constants of the membrane and the project's noise in front. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 64 }; /* bytes: of a cache line, and of the widest vector */

/* n zeros and up to a cache line of them more */
static void *zeros(size_t n, size_t size) {
    const size_t bytes = (n * size + LINE) / LINE * LINE;
    return memset(aligned_alloc(LINE, bytes), 0, bytes);
}

/* List the cells that fire, a byte each, and give their number; eight silent cells are skipped at once. */
static int listed(int n, const char *fires, int32_t *list) {
    int found = 0;
    for (int i = 0; i < n; i += 8) {
        uint64_t any;
        memcpy(&any, fires + i, 8);
        if (any)
            for (int j = i; j < i + 8; j++)
                if (fires[j]) list[found++] = j;
    }
    return found;
}
