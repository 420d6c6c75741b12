/* rtpfloor: what RTP with one UDP socket for each call costs in C, and the peer that both this and
 * the media worker are measured against.
 *
 *   rtpfloor floor CALLS SECONDS BASE_PORT PEER_PORT
 *       Sends and receives 50 packets/s of PCMU for each call, with a connected socket per call on
 *       BASE_PORT, BASE_PORT+2, ...; 4 groups of calls, one each 5 ms, one send() and one recv() per
 *       call and period, and nothing else. Prints its CPU time in the steady part as JSON.
 *   rtpfloor loop CALLS SECONDS BASE_PORT PEER_PORT
 *       The same as the simplest server has to do it: reads each socket until it is empty, since
 *       it cannot know that one packet is waiting, decodes what came and keeps a second of it.
 *   rtpfloor peer CALLS SECONDS BASE_PORT PEER_PORT
 *       The other side: one socket on PEER_PORT that sends to and receives from all calls, spread
 *       over 20 slots of 1 ms. Prints what it sent, received and missed as JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEADER = 12, FRAME = 160, PACKET = HEADER + FRAME, GROUPS = 4, SLOTS = 20, BATCH = 64 };
enum { KEPT_FRAMES = 50 };
static const int64_t TICK_NS = 5000000, SLOT_NS = 1000000;
static const double WARM_UP_S = 0.5; /* not measured */

struct packet {
    uint8_t b0, b1;
    uint16_t seq;
    uint32_t ts, ssrc;
    uint8_t payload[FRAME];
};

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void sleep_until(int64_t when_ns)
{
    struct timespec t = {when_ns / 1000000000LL, when_ns % 1000000000LL};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static double cpu_s(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return r.ru_utime.tv_sec + r.ru_stime.tv_sec + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static struct sockaddr_in loopback(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}

static int bound_socket(int port)
{
    struct sockaddr_in a = loopback(port);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0) {
        perror("rtpfloor: socket");
        exit(1);
    }
    return fd;
}

static void fill(struct packet *p, uint16_t seq, uint32_t ssrc)
{
    p->b0 = 0x80;
    p->b1 = 0;
    p->seq = htons(seq);
    p->ts = htonl(seq * (uint32_t)FRAME);
    p->ssrc = htonl(ssrc);
}

/* G.711 µ-law (ITU-T G.711, table 2). */
static int16_t decoded(uint8_t octet)
{
    int value = ~octet & 0xff, exponent = value >> 4 & 7;
    int magnitude = ((((value & 15) << 3) + 132) << exponent) - 132;
    return value & 0x80 ? -magnitude : magnitude;
}

/* Reads what came for a call, decodes it and keeps it; returns the number of packets. */
static int take_in(int fd, int16_t *kept, const int16_t *table)
{
    struct packet in;
    int n = 0;
    for (; recv(fd, &in, sizeof in, 0) == PACKET; n++) {
        int16_t *frame = kept + ntohs(in.seq) % KEPT_FRAMES * FRAME;
        for (int k = 0; k < FRAME; k++)
            frame[k] = table[in.payload[k]];
    }
    return n;
}

static int run_floor(int calls, double seconds, int base_port, int peer_port, int whole)
{
    static int16_t table[256];
    int16_t *kept = whole ? calloc(calls, KEPT_FRAMES * FRAME * sizeof *kept) : NULL;
    int *fds = calloc(calls, sizeof *fds);
    uint16_t *seqs = calloc(calls, sizeof *seqs);
    static uint8_t prompt[1 << 20];
    struct sockaddr_in peer = loopback(peer_port);
    struct packet out, in;
    uint64_t sent = 0, received = 0, measured_from = 0;
    double cpu_from = 0, late_max = 0;

    for (int i = 0; i < 256; i++)
        table[i] = decoded(i);
    for (size_t i = 0; i < sizeof prompt; i++)
        prompt[i] = i * 31;
    for (int i = 0; i < calls; i++) {
        fds[i] = bound_socket(base_port + 2 * i);
        if (connect(fds[i], (struct sockaddr *)&peer, sizeof peer) < 0)
            perror("rtpfloor: connect");
    }
    int64_t start = now_ns(), deadline = start, measure_at = start + WARM_UP_S * 1e9;
    int64_t end = measure_at + seconds * 1e9;
    int measuring = 0;
    for (unsigned tick = 0; deadline < end; tick++, deadline += TICK_NS) {
        sleep_until(deadline);
        double late = (now_ns() - deadline) / 1e6;
        if (!measuring && deadline >= measure_at) {
            measuring = 1;
            cpu_from = cpu_s();
            measured_from = sent;
        }
        if (measuring && late > late_max)
            late_max = late;
        for (int i = tick % GROUPS; i < calls; i += GROUPS) {
            fill(&out, seqs[i], i);
            memcpy(out.payload, prompt + (seqs[i] * FRAME + i * 997) % (sizeof prompt - FRAME), FRAME);
            seqs[i]++;
            sent += send(fds[i], &out, PACKET, 0) == PACKET;
            if (whole)
                received += take_in(fds[i], kept + (size_t)i * KEPT_FRAMES * FRAME, table);
            else
                received += recv(fds[i], &in, sizeof in, 0) == PACKET;
        }
    }
    printf("{\"cpu_s\": %.4f, \"seconds\": %.3f, \"sent\": %llu, \"late_max_ms\": %.2f}\n",
           cpu_s() - cpu_from, seconds, (unsigned long long)(sent - measured_from), late_max);
    return received == 0;
}

static uint64_t take_all(int fd, int calls, int base_port, uint16_t *last, uint64_t *missed)
{
    static uint8_t buffers[BATCH][2048];
    struct mmsghdr m[BATCH];
    struct iovec v[BATCH];
    struct sockaddr_in from[BATCH];
    uint64_t received = 0;
    for (int n = BATCH; n == BATCH;) {
        for (int k = 0; k < BATCH; k++) {
            v[k] = (struct iovec){buffers[k], sizeof buffers[k]};
            m[k].msg_hdr = (struct msghdr){
                .msg_name = &from[k], .msg_namelen = sizeof from[k], .msg_iov = &v[k], .msg_iovlen = 1};
        }
        n = recvmmsg(fd, m, BATCH, MSG_DONTWAIT, NULL);
        for (int k = 0; k < n; k++) {
            int call = (ntohs(from[k].sin_port) - base_port) / 2;
            uint16_t seq = ntohs(((struct packet *)buffers[k])->seq);
            if (call < 0 || call >= calls)
                continue;
            if (received++, last[call] != 0 && (uint16_t)(seq - last[call]) != 1)
                *missed += (uint16_t)(seq - last[call] - 1) < 1000 ? (uint16_t)(seq - last[call] - 1) : 1;
            last[call] = seq;
        }
    }
    return received;
}

static int run_peer(int calls, double seconds, int base_port, int peer_port)
{
    int fd = bound_socket(peer_port), big = 32 << 20;
    uint16_t *last = calloc(calls, sizeof *last);
    struct packet out[BATCH];
    struct mmsghdr m[BATCH];
    struct iovec v[BATCH];
    struct sockaddr_in to[BATCH];
    uint64_t sent = 0, received = 0, missed = 0;

    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &big, sizeof big);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &big, sizeof big);
    memset(out, 0x55, sizeof out);
    int64_t deadline = now_ns(), end = deadline + seconds * 1e9;
    for (unsigned slot = 0; deadline < end; slot++, deadline += SLOT_NS) {
        sleep_until(deadline);
        int k = 0;
        for (int i = slot % SLOTS; i < calls; i += SLOTS) {
            fill(&out[k], slot / SLOTS, 0x10000 + i);
            to[k] = loopback(base_port + 2 * i);
            v[k] = (struct iovec){&out[k], PACKET};
            m[k].msg_hdr = (struct msghdr){
                .msg_name = &to[k], .msg_namelen = sizeof to[k], .msg_iov = &v[k], .msg_iovlen = 1};
            if (++k == BATCH || i + SLOTS >= calls) {
                int done = sendmmsg(fd, m, k, 0);
                sent += done > 0 ? done : 0;
                k = 0;
            }
        }
        received += take_all(fd, calls, base_port, last, &missed);
    }
    printf("{\"sent\": %llu, \"received\": %llu, \"missed\": %llu}\n", (unsigned long long)sent,
           (unsigned long long)received, (unsigned long long)missed);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: rtpfloor floor|loop|peer CALLS SECONDS BASE_PORT PEER_PORT\n");
        return 2;
    }
    /* As the worker does, so that other work on the machine disturbs neither more than the other. */
    struct sched_param priority = {.sched_priority = 10};
    sched_setscheduler(0, SCHED_FIFO, &priority);
    int calls = atoi(argv[2]), base_port = atoi(argv[4]), peer_port = atoi(argv[5]);
    if (!strcmp(argv[1], "floor") || !strcmp(argv[1], "loop"))
        return run_floor(calls, atof(argv[3]), base_port, peer_port, argv[1][0] == 'l');
    return run_peer(calls, atof(argv[3]), base_port, peer_port);
}
