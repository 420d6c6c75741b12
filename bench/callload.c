/* Sets up SIP calls over UDP and hangs up, at a given rate or with a given number in flight.
 *
 *   callload IP PORT USER SECONDS RATE IN_FLIGHT WHO
 *
 * RATE 0: as fast as IN_FLIGHT calls at a time allow. WHO: "caller" hangs up after its ACK,
 * "script" waits for the engine's BYE. Prints one JSON object. Requests are repeated after
 * 500 ms (RFC 3261 timer A and E); a call that is not over after 10 s has failed.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_CALLS 400000
#define REPEAT_S 0.5
#define FAIL_S 10.0

enum state { UNUSED, CALLING, UP, ENDING, DONE, FAILED };

struct call {
    unsigned char state;
    unsigned char repeats;
    double began, sent;
    char tag[48];
};

static struct call *calls;
static int sock, own_port, remote_port, script_ends;
static const char *ip, *user;
static long made, done, failed, repeated;
static double sum_ms, worst_ms;
static float *answers_ms;
static long n_answers;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void say(const char *text, int length) {
    if (send(sock, text, length, 0) < 0) repeated++;
}

static void request(long n, const char *method, int cseq, const char *branch) {
    static const char *sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\n"
        "t=0 0\r\nm=audio 9 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n";
    char text[2048];
    struct call *c = &calls[n];
    int invite = !strcmp(method, "INVITE");
    int length = snprintf(text, sizeof text,
        "%s sip:%s@%s:%d SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%d;branch=z9hG4bK%d-%ld%s\r\n"
        "Max-Forwards: 70\r\nFrom: \"load\" <sip:load@127.0.0.1:%d>;tag=f%ld\r\n"
        "To: <sip:%s@%s:%d>%s%s\r\nCall-ID: %ld@load%d\r\nCSeq: %d %s\r\n"
        "Contact: <sip:load@127.0.0.1:%d>\r\n%sContent-Length: %d\r\n\r\n%s",
        method, user, ip, remote_port, own_port, getpid(), n, branch, own_port, n, user, ip, remote_port,
        c->tag[0] ? ";tag=" : "", c->tag, n, getpid(), cseq, method, own_port,
        invite ? "Content-Type: application/sdp\r\n" : "", invite ? (int)strlen(sdp) : 0,
        invite ? sdp : "");
    say(text, length);
}

static void begin(long n) {
    calls[n].state = CALLING;
    calls[n].began = calls[n].sent = now();
    request(n, "INVITE", 1, "i");
    made++;
}

static void finish(long n) {
    if (calls[n].state == DONE) return;
    calls[n].state = DONE;
    done++;
}

static void answer_bye(long n, char *text, int length) {
    static const char *copied[] = {"Via:", "From:", "To:", "Call-ID:", "CSeq:"};
    char reply[2048] = "SIP/2.0 200 OK\r\n";
    int at = strlen(reply);
    (void)length;
    for (char *line = text; line && line[0] != '\r'; ) {
        char *end = strstr(line, "\r\n");
        if (!end) break;
        for (int i = 0; i < 5; i++)
            if (!strncasecmp(line, copied[i], strlen(copied[i])) && at + (end - line) + 2 < 2000) {
                memcpy(reply + at, line, end - line + 2);
                at += end - line + 2;
            }
        line = end + 2;
    }
    at += snprintf(reply + at, sizeof reply - at, "Content-Length: 0\r\n\r\n");
    say(reply, at);
    finish(n);
}

static void receive(char *text, int length) {
    text[length] = 0;
    char *id = strcasestr(text, "\r\nCall-ID: ");
    long n = id ? atol(id + 11) : -1;
    if (n < 0 || n >= made) return;
    struct call *c = &calls[n];
    if (!strncmp(text, "BYE ", 4)) { answer_bye(n, text, length); return; }
    int code = atoi(text + 8);
    char *cseq = strcasestr(text, "\r\nCSeq: ");
    if (code < 200 || !cseq) return;
    int to_invite = strncmp(cseq + 8, "1 INVITE", 8) == 0;
    if (!to_invite) { if (code == 200) finish(n); return; }
    if (code != 200) { if (c->state == CALLING) { c->state = FAILED; failed++; } return; }
    char *to = strcasestr(text, "\r\nTo: "), *tag = to ? strstr(to + 2, ";tag=") : NULL;
    if (!tag || c->state == DONE) return;
    int size = strcspn(tag + 5, ";\r\n");
    if (size > 47) return;
    memcpy(c->tag, tag + 5, size);
    c->tag[size] = 0;
    request(n, "ACK", 1, "a");
    if (c->state != CALLING) return;
    double ms = (now() - c->began) * 1000;
    sum_ms += ms;
    answers_ms[n_answers++] = ms;
    if (ms > worst_ms) worst_ms = ms;
    c->state = script_ends ? UP : ENDING;
    c->sent = now();
    if (!script_ends) request(n, "BYE", 2, "b");
}

static void look_after(long first) {
    double t = now();
    for (long n = first; n < made; n++) {
        struct call *c = &calls[n];
        if (c->state == UNUSED || c->state >= DONE) continue;
        if (t - c->began > FAIL_S) { c->state = FAILED; failed++; continue; }
        if (c->state == UP || t - c->sent < REPEAT_S * (1 << c->repeats)) continue;
        c->sent = t;
        c->repeats++;
        repeated++;
        if (c->state == CALLING) request(n, "INVITE", 1, "i");
        else request(n, "BYE", 2, "b");
    }
}

static int by_value(const void *a, const void *b) {
    float d = *(const float *)a - *(const float *)b;
    return (d > 0) - (d < 0);
}

static double p99_ms(void) {
    qsort(answers_ms, n_answers, sizeof *answers_ms, by_value);
    return n_answers ? answers_ms[n_answers * 99 / 100] : 0.0;
}

int main(int argc, char **argv) {
    if (argc != 8) return 2;
    ip = argv[1]; remote_port = atoi(argv[2]); user = argv[3];
    double seconds = atof(argv[4]), rate = atof(argv[5]);
    long in_flight = atol(argv[6]);
    script_ends = !strcmp(argv[7], "script");
    calls = calloc(MAX_CALLS, sizeof *calls);
    answers_ms = calloc(MAX_CALLS, sizeof *answers_ms);
    struct sockaddr_in own = {.sin_family = AF_INET}, remote = {.sin_family = AF_INET};
    socklen_t size = sizeof own;
    int buffer = 4 << 20;
    sock = socket(AF_INET, SOCK_DGRAM, 0);
    setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    inet_pton(AF_INET, "127.0.0.1", &own.sin_addr);
    inet_pton(AF_INET, ip, &remote.sin_addr);
    remote.sin_port = htons(remote_port);
    if (bind(sock, (void *)&own, sizeof own) || connect(sock, (void *)&remote, sizeof remote)) return 1;
    getsockname(sock, (void *)&own, &size);
    own_port = ntohs(own.sin_port);
    double start = now(), looked = start, end = start + seconds;
    long oldest = 0;
    for (;;) {
        double t = now();
        long due = rate > 0 ? (long)((t - start) * rate) : made + in_flight;
        while (t < end && made < due && made - done - failed < in_flight && made < MAX_CALLS)
            begin(made);
        if (t >= end && made == done + failed) break;
        struct pollfd p = {.fd = sock, .events = POLLIN};
        if (poll(&p, 1, 1) > 0)
            for (int i = 0; i < 256; i++) {
                char text[8192];
                int length = recv(sock, text, sizeof text - 1, MSG_DONTWAIT);
                if (length <= 0) break;
                receive(text, length);
            }
        if (t - looked > 0.05) {
            looked = t;
            while (oldest < made && calls[oldest].state >= DONE) oldest++;
            look_after(oldest);
        }
    }
    printf("{\"made\": %ld, \"done\": %ld, \"failed\": %ld, \"repeated\": %ld, \"seconds\": %.3f, "
           "\"mean_ms\": %.2f, \"p99_ms\": %.2f, \"worst_ms\": %.2f}\n",
           made, done, failed, repeated, now() - start, done ? sum_ms / done : 0.0, p99_ms(), worst_ms);
    return 0;
}
