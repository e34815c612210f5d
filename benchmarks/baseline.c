/* The baseline for existing customers, BG/NBD and Gamma-Gamma: what one would write in C for this case alone.
 *
 * Same keyed random numbers, samplers, ledger posts and values as clvsim.kernels.life, written from the model: an
 * existing customer is alive with probability p_alive; orders come after exponential gaps; after each order the hazard
 * grows by eta until it exceeds the survival budget. No schedules, offers, contacts, newcomers or kept traits.
 */
#include <math.h>
#include <stdint.h>

#define GOLDEN 0x9E3779B97F4A7C15ULL
#define STREAM 0xD1342543DE82EF95ULL
enum { ALIVE = 1, RATE = 2, ATTRITION_ORDER = 4, SPEND = 5, LIFETIME = 6, GAP = 7, AMOUNT = 8 };
enum { REVENUE, GOODS, ORDERS, ACQUIRED, ACTIVE, LINES = 7 };
enum { COHORT_REVENUE, COHORT_CONTRIBUTION, COHORT_ACTIVE, COHORT_LINES };

static inline uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}
static inline double u01(uint64_t z) { return ((double)(z >> 11) + 0.5) * (1.0 / 9007199254740992.0); }
static inline uint64_t address(uint64_t base, uint64_t stream, uint64_t event) {
    return mix(base + stream * STREAM + event * GOLDEN);
}
static inline double uniform(uint64_t base, uint64_t stream, uint64_t event) { return u01(address(base, stream, event)); }
static inline double exponential(uint64_t base, uint64_t stream, uint64_t event) { return -log(uniform(base, stream, event)); }
static inline int64_t units(double amount, double unit) { return (int64_t)floor(amount * unit + 0.5); }

/* Ziggurat with the package's tables, then Marsaglia and Tsang's gamma. */
static double normal(uint64_t *state, const double *edge, const double *curve) {
    for (;;) {
        uint64_t z = mix(*state += GOLDEN);
        int layer = z & 255;
        double x = (2.0 * u01(z) - 1.0) * edge[layer];
        if (fabs(x) < edge[layer + 1]) return x;
        if (layer == 0) {
            for (;;) {
                double excess = -log(u01(mix(*state += GOLDEN))) / edge[1];
                if (-2.0 * log(u01(mix(*state += GOLDEN))) >= excess * excess) return copysign(edge[1] + excess, x);
            }
        }
        double height = curve[layer] + u01(mix(*state += GOLDEN)) * (curve[layer + 1] - curve[layer]);
        if (height < exp(-0.5 * x * x)) return x;
    }
}

static double gamma_draw(uint64_t state, double shape, const double *edge, const double *curve) {
    double boost = 1.0;
    if (shape < 1.0) {
        boost = pow(u01(mix(state += GOLDEN)), 1.0 / shape);
        shape += 1.0;
    }
    double d = shape - 1.0 / 3.0, c = 1.0 / sqrt(9.0 * d);
    for (;;) {
        double x = normal(&state, edge, curve), v = 1.0 + c * x;
        if (v <= 0.0) continue;
        v = v * v * v;
        double u = u01(mix(state += GOLDEN));
        if (u < 1.0 - 0.0331 * x * x * x * x || log(u) < 0.5 * x * x + d * (1.0 - v + log(v))) return d * v * boost;
    }
}

/* Laws have shape (worlds, customers); calendar (worlds, 2 groups, LINES, 2, periods); cohort (worlds, cohorts,
 * COHORT_LINES, periods); value and orders (worlds, customers). */
void baseline(int64_t worlds, int64_t customers, const uint64_t *world_key, const uint64_t *key, const int64_t *group,
              const int64_t *cohort_of, const double *p_alive, const double *rate_shape, const double *rate_rate,
              const double *drop_a, const double *drop_b, const double *order_shape, const double *nu_shape,
              const double *nu_rate, double horizon, double delta, double period_days, double margin,
              double cost_per_order, double unit, double count_unit, int64_t groups, int64_t cohorts, int64_t periods,
              const double *edge, const double *curve, int64_t *calendar, int64_t *cohort, double *value,
              int64_t *orders) {
    const double per_day = 1.0 / period_days;
    const int64_t head = (int64_t)(count_unit + 0.5);
    for (int64_t w = 0; w < worlds; w++) {
        for (int64_t c = 0; c < customers; c++) {
            const int64_t at = w * customers + c;
            const uint64_t base = mix(key[c] ^ world_key[w]);
            value[at] = 0.0;
            orders[at] = 0;
            if (uniform(base, ALIVE, 0) >= p_alive[at]) continue;
            int64_t *book = calendar + ((w * groups + group[c]) * 2 + (key[c] >> 63)) * LINES * 2 * periods;
            int64_t *own = cohort + (w * cohorts + cohort_of[c]) * COHORT_LINES * periods;
            book[ACTIVE * 2 * periods] += head;
            own[COHORT_ACTIVE * periods] += head;
            const double rate = gamma_draw(address(base, RATE, 0), rate_shape[at], edge, curve) / rate_rate[at];
            double t = 0.0, hazard = 0.0, budget = 0.0, eta = 0.0, nu = 0.0, total = 0.0;
            int64_t n = 0;
            int dead = 0;
            for (;;) {
                const double next = t + exponential(base, GAP, n) / rate;
                if (next >= horizon) break;
                t = next;
                if (n == 0) {
                    nu = gamma_draw(address(base, SPEND, 0), nu_shape[at], edge, curve) / nu_rate[at];
                    const double g1 = gamma_draw(address(base, ATTRITION_ORDER, 0), drop_a[at], edge, curve);
                    const double g2 = gamma_draw(address(base, ATTRITION_ORDER, 1), drop_b[at], edge, curve);
                    eta = -log(g2 / (g1 + g2));
                    budget = exponential(base, LIFETIME, 0);
                }
                int64_t period = (int64_t)(t * per_day);
                if (period >= periods) period = periods - 1;
                const double discount = exp(-delta * t);
                const double amount = gamma_draw(address(base, AMOUNT, n), order_shape[at], edge, curve) / nu;
                const double goods = amount * (1.0 - margin), contribution = amount - goods - cost_per_order;
                const double revenue_units = amount * unit, goods_units = goods * unit;
                int64_t *month = book + period;
                month[REVENUE * 2 * periods] += (int64_t)(revenue_units + 0.5);
                month[(REVENUE * 2 + 1) * periods] += (int64_t)(revenue_units * discount + 0.5);
                month[GOODS * 2 * periods] += (int64_t)(goods_units + 0.5);
                month[(GOODS * 2 + 1) * periods] += (int64_t)(goods_units * discount + 0.5);
                month[ORDERS * 2 * periods] += head;
                month[(ORDERS * 2 + 1) * periods] += (int64_t)(count_unit * discount + 0.5);
                own[COHORT_REVENUE * periods + period] += (int64_t)(revenue_units + 0.5);
                own[COHORT_CONTRIBUTION * periods + period] += units(contribution, unit);
                total += discount * contribution;
                n++;
                hazard += eta;
                if (hazard >= budget) {
                    dead = 1;
                    break;
                }
            }
            if (dead) {
                int64_t last = (int64_t)(t * per_day);
                if (last >= periods) last = periods - 1;
                book[ACTIVE * 2 * periods + last] -= head;
                own[COHORT_ACTIVE * periods + last] -= head;
            }
            value[at] = total;
            orders[at] = n;
        }
    }
}
