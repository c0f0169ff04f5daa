/* The six-stage pipeline in plain C: what one writes who needs this model and no other, and all that we tell of it.

   gateway -> friends, similar, fresh in parallel -> features -> ranking. Poisson arrivals, log-normal services, at each
   stage some workers and one queue, first come, first served. Times are int64 ns. The services under way stand in a
   binary heap of structs, the next arrival beside it; a worker that ends with somebody waiting goes on at the heap's
   top, without a pop and a push. What happens at one instant has an order: services end before a request arrives, by
   request and stage. Draws are keyed: splitmix64 of (seed, request), then of (that, stage). A log-normal is a straight
   line between tabulated quantiles, 64 an octave towards either tail, which costs a fraction of sqrt, log, cos and exp.

   The first eleventh of the requests is the warm-up. Then the window opens and lasts for the others' arrivals;
   arrivals go on until the last of these has its answer. Latencies are of the requests, waits and services of the
   visits that come within the window, each wait and latency in a histogram of an exponent and 11 bits (0.05 %).
   Utilisation and queue lengths are over the window's time.

   It does less than the simulator does: this network and no other, no other behaviour, a run in one go.

   pipeline REQUESTS SEED RATE (WORKERS MEAN_MS CV) x 6     prints JSON: the same figures by the same names */

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GATEWAY, FRIENDS, SIMILAR, FRESH, FEATURES, RANKING, STAGES, GAP };
enum { SLOTS = 1 << 12, WORKERS = 1 << 12, OCTAVES = 40, CELLS = 64, EDGES = OCTAVES * CELLS + 1 };
enum { BITS = 11, BINS = (63 - BITS) << BITS };

typedef struct { int64_t at; uint64_t what; } Event; /* what: the request's number, the stage in its last bits */
typedef struct { int64_t arrived; uint64_t key; int missing, busy; } Request;
typedef struct { int64_t joined, number; } Visit;
typedef struct { int64_t visits, waiting_ns, busy_ns, most; } Load; /* ns: times of leaving less times of coming */
typedef struct { int64_t bins[BINS], sum; } Histogram;
typedef struct {
    uint32_t first, waiting;
    int idle, workers;
    double mean, *table;
    Load load, seen; /* since the window opened; when it closed */
    int64_t service_ns;
    Visit queue[SLOTS];
    Histogram waits;
} Stage;

static const char *const NAMES[] = {"gateway", "friends", "similar", "fresh", "features", "ranking"};
static const struct { const char *name; double share; } PERCENTILES[] = {
    {"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}, {"p999", 0.999}};
static Event heap[WORKERS + 1]; /* from 1 */
static int under_way;
static Stage stages[STAGES];
static Request requests[SLOTS];
static int64_t opened = INT64_MAX, closed = INT64_MAX; /* the window */
static Histogram latencies;

static void stop(const char *why) {
    fprintf(stderr, "pipeline: %s\n", why);
    exit(1);
}

/* -- draws -- */

static inline uint64_t mix(uint64_t key, uint64_t word) {
    uint64_t z = key + (word + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static inline double quantile(const double *table, uint64_t draw) {
    uint64_t distance = draw & INT64_MAX; /* from the tail that the top bit picks */
    const double *side = table + (draw >> 63) * EDGES;
    int octave = distance ? __builtin_clzll(distance) - 1 : OCTAVES;
    if (octave >= OCTAVES) return side[0];
    uint64_t shifted = distance << octave;
    const double *cell = side + (OCTAVES - 1 - octave) * CELLS + ((shifted >> 56) & (CELLS - 1));
    return cell[0] + (cell[1] - cell[0]) * ((shifted & ((1ull << 56) - 1)) * 0x1p-56);
}

/* z with P(Z < z) = p, for p up to 1/2: Newton's method in log p, from the tail's side. */
static double normal_quantile(double p) {
    double z = -sqrt(-2 * log(p));
    for (int i = 0; i < 60; i++) {
        double below = 0.5 * erfc(-z * M_SQRT1_2), density = exp(-z * z / 2) / sqrt(2 * M_PI);
        double step = below / density * log(below / p);
        z -= step;
        if (fabs(step) < 1e-13) break;
    }
    return z;
}

static void tabulate(const double *cv) {
    static double z[EDGES];
    for (int i = 0; i < EDGES; i++)
        z[i] = normal_quantile(ldexp(1 + (i % CELLS) / (double)CELLS, i / CELLS - OCTAVES - 1));
    for (int s = 0; s < STAGES; s++) {
        double variance = log1p(cv[s] * cv[s]), sigma = sqrt(variance);
        stages[s].table = malloc(2 * EDGES * sizeof(double));
        for (int i = 0; i < EDGES; i++) {
            stages[s].table[i] = exp(sigma * z[i] - variance / 2);
            stages[s].table[EDGES + i] = exp(-sigma * z[i] - variance / 2);
        }
    }
}

/* -- figures -- */

static inline void count(Histogram *histogram, int64_t ns) {
    int shift = 63 - BITS - __builtin_clzll(ns | 1 << BITS);
    histogram->bins[((int64_t)shift << BITS) + (ns >> shift)]++;
    histogram->sum += ns;
}

static int64_t counted(const Histogram *histogram) {
    int64_t all = 0;
    for (int i = 0; i < BINS; i++) all += histogram->bins[i];
    return all;
}

static double mean_ms(const Histogram *histogram) { return (double)histogram->sum / counted(histogram) / 1e6; }

static double percentile_ms(const Histogram *histogram, double share) { /* the middle of its bin */
    int64_t below = 0, wanted = ceil(share * counted(histogram)), i = -1;
    while (below < wanted) below += histogram->bins[++i];
    int64_t shift = i >> BITS > 1 ? (i >> BITS) - 1 : 0;
    return (((i - (shift << BITS)) << shift) + ((1ll << shift) - 1) / 2.0) / 1e6;
}

static void open_window(int64_t now) {
    opened = now;
    for (Stage *s = stages; s < stages + STAGES; s++)
        s->load = (Load){0, -now * s->waiting, -now * (s->workers - s->idle), s->waiting};
}

static void close_window(int64_t now) {
    closed = now;
    for (Stage *s = stages; s < stages + STAGES; s++) {
        s->seen = s->load;
        s->seen.waiting_ns += now * s->waiting;
        s->seen.busy_ns += now * (s->workers - s->idle);
    }
}

static void report(void) {
    long long all = counted(&latencies); /* it ends when all have */
    printf("{\"requests\": {\"offered\": %lld, \"completed\": %lld}", all, all);
    printf(",\n \"latency_ms\": {\"mean\": {\"value\": %.6f}", mean_ms(&latencies));
    for (int i = 0; i < 4; i++)
        printf(", \"%s\": {\"value\": %.6f}", PERCENTILES[i].name, percentile_ms(&latencies, PERCENTILES[i].share));
    printf("},\n \"stages\": {");
    double ns = closed - opened;
    for (int i = 0; i < STAGES; i++) {
        const Stage *s = &stages[i];
        printf("%s\n  \"%s\": {\"utilisation\": %.6f", i ? "," : "", NAMES[i], s->seen.busy_ns / ns / s->workers);
        printf(", \"arrivals_per_s\": %.6f", s->seen.visits / ns * 1e9);
        printf(", \"wait_ms\": {\"mean\": %.6f, \"p99\": %.6f}", mean_ms(&s->waits), percentile_ms(&s->waits, 0.99));
        printf(", \"service_ms\": {\"mean\": %.6f}", (double)s->service_ns / counted(&s->waits) / 1e6);
        printf(", \"queue_length\": {\"mean\": %.6f", s->seen.waiting_ns / ns);
        printf(", \"max\": %lld}}", (long long)s->seen.most);
    }
    printf("}}\n");
}

/* -- events -- */

static inline int before(Event one, Event other) {
    typedef unsigned __int128 Key; /* both compared at once: without a branch that is hard to foresee */
    return ((Key)one.at << 64 | one.what) < ((Key)other.at << 64 | other.what);
}

static inline void up(Event event) {
    int i = ++under_way;
    for (; i > 1 && before(event, heap[i / 2]); i /= 2) heap[i] = heap[i / 2];
    heap[i] = event;
}

static inline void down(Event event) { /* in the place of the top */
    int i = 1, child;
    for (; (child = 2 * i) <= under_way; i = child) {
        if (child < under_way) child += before(heap[child + 1], heap[child]);
        if (before(event, heap[child])) break;
        heap[i] = heap[child];
    }
    heap[i] = event;
}

static inline Event start(int64_t now, int stage, Visit visit) {
    Stage *s = &stages[stage];
    int64_t takes = 1 + (int64_t)(s->mean * quantile(s->table, mix(requests[visit.number % SLOTS].key, stage)));
    if (visit.joined >= opened && visit.joined < closed) {
        s->service_ns += takes;
        count(&s->waits, now - visit.joined);
    }
    return (Event){now + takes, visit.number << 3 | stage};
}

static inline void join(int64_t now, int stage, int64_t number) {
    Stage *s = &stages[stage];
    s->load.visits++;
    if (s->idle) {
        s->idle--;
        s->load.busy_ns -= now;
        up(start(now, stage, (Visit){now, number}));
    } else {
        if (s->waiting == SLOTS) stop("a queue is full");
        s->queue[(s->first + s->waiting++) % SLOTS] = (Visit){now, number};
        s->load.waiting_ns -= now;
        if (s->waiting > s->load.most) s->load.most = s->waiting;
    }
}

static inline void leave(int64_t now, int stage) { /* the top's worker is free */
    Stage *s = &stages[stage];
    if (s->waiting) {
        s->waiting--;
        s->load.waiting_ns += now;
        down(start(now, stage, s->queue[s->first++ % SLOTS]));
    } else {
        s->idle++;
        s->load.busy_ns += now;
        Event last = heap[under_way--];
        if (under_way) down(last);
    }
}

int main(int argc, char **argv) {
    if (argc != 4 + 3 * STAGES) stop("wants REQUESTS SEED RATE and, six times, WORKERS MEAN_MS CV");
    int64_t many = atoll(argv[1]), warm_up = many / 11, sent = 0, awaited = many - warm_up, arrival = 0;
    uint64_t seed = mix(atoll(argv[2]), 0);
    double gap = 1e9 / atof(argv[3]), cv[STAGES];
    int workers = 0;
    for (int s = 0; s < STAGES; s++) {
        workers += stages[s].idle = stages[s].workers = atoi(argv[4 + 3 * s]);
        stages[s].mean = atof(argv[5 + 3 * s]) * 1e6;
        cv[s] = atof(argv[6 + 3 * s]);
    }
    if (many < 1000) stop("measures a thousand requests or more");
    if (workers > WORKERS) stop("too many workers");
    tabulate(cv);

    while (awaited || sent <= many) {
        if (!under_way || arrival < heap[1].at) {
            Request *request = &requests[sent % SLOTS];
            if (request->busy) stop("too many requests under way");
            if (sent == warm_up) open_window(arrival);
            if (sent == many) close_window(arrival);
            *request = (Request){arrival, mix(seed, sent), 3, 1};
            join(arrival, GATEWAY, sent++);
            arrival += 1 + (int64_t)(-log(((mix(request->key, GAP) >> 11) + 0.5) * 0x1p-53) * gap);
            continue;
        }
        int64_t now = heap[1].at, number = heap[1].what >> 3;
        int stage = heap[1].what & 7;
        Request *request = &requests[number % SLOTS];
        leave(now, stage);
        switch (stage) {
        case GATEWAY:
            join(now, FRIENDS, number);
            join(now, SIMILAR, number);
            join(now, FRESH, number);
            break;
        case FEATURES:
            join(now, RANKING, number);
            break;
        case RANKING:
            request->busy = 0;
            if (number < warm_up || number >= many) break;
            count(&latencies, now - request->arrived);
            awaited--;
            break;
        default:
            if (!--request->missing) join(now, FEATURES, number);
        }
    }
    report();
    return 0;
}
