/*
 * The far end of the round-trip measurements: answers HELLO and REQUEST at once and does nothing else. No STATUS, so
 * that a bare read loop on the same line sees nothing but its answers.
 *
 * Argument: the number of an open, blocking descriptor, normally a pseudo-terminal's master. Ends when that does.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "needlework_wire.h"

static int line;
static uint8_t sequence;

static void say(uint8_t kind, const uint8_t *payload, int size)
{
    uint8_t wire[NW_LINE_MAX_BYTES];
    size_t length = size < 0 ? 0 : nw_frame_encode(kind, sequence++, payload, (size_t)size, wire, sizeof wire);
    size_t sent = 0;
    while (sent < length) {
        ssize_t count = write(line, wire + sent, length - sent);
        if (count <= 0) {
            exit(1);
        }
        sent += (size_t)count;
    }
}

static void welcome(const struct nw_frame *frame)
{
    uint8_t payload[NW_PAYLOAD_MAX_BYTES];
    struct nw_hello hello;
    struct nw_welcome answer = {
        .version = NW_PROTOCOL_VERSION, .boot_id = 1, .model = "NW-BENCH", .serial = "1", .firmware = "1",
        .capabilities = NW_CAPABILITY_DEAD_MAN | NW_CAPABILITY_CALIBRATION_STORED,
        .depth_max_um = 2000, .depth_step_um = 10, .rate_max_mhz = 150000, .rate_step_mhz = 1000,
        .dead_man_ms = NW_DEAD_MAN_DEFAULT_MS, .retract_ms = 100, .status_period_ms = 20,
    };
    if (nw_hello_decode(&hello, frame->payload, frame->payload_size)) {
        answer.nonce = hello.nonce;
        say(NW_KIND_WELCOME, payload, nw_welcome_encode(&answer, payload, sizeof payload));
    }
}

static void respond(const struct nw_frame *frame)
{
    static const struct nw_calibration_data calibration = {
        .valid = 1, .certificate = "BENCH", .calibrated_day = 20000, .due_day = 21000,
        .depth_gain_ppm = 1000000, .depth_uncertainty_um = 20, .rate_gain_ppm = 1000000,
    };
    uint8_t payload[NW_PAYLOAD_MAX_BYTES];
    uint8_t data[NW_PAYLOAD_MAX_BYTES];
    struct nw_request request;
    struct nw_response answer = {.refusal = NW_REFUSAL_UNSUPPORTED, .data = data};
    int size = 0;
    if (!nw_request_decode(&request, frame->payload, frame->payload_size)) {
        return;
    }
    answer.id = request.id;
    if (request.operation == NW_OPERATION_OUTCOME) {
        struct nw_outcome_key asked;
        if (nw_outcome_key_decode(&asked, request.arguments, request.arguments_size)) {
            struct nw_outcome_data outcome = {.key = asked.key, .refusal = NW_REFUSAL_NONE};
            size = nw_outcome_data_encode(&outcome, data, sizeof data);
            answer.refusal = NW_REFUSAL_NONE;
        }
    } else if (request.operation == NW_OPERATION_CALIBRATION_READ) {
        size = nw_calibration_data_encode(&calibration, data, sizeof data);
        answer.refusal = NW_REFUSAL_NONE;
    }
    answer.data_size = (size_t)size;
    say(NW_KIND_RESPONSE, payload, nw_response_encode(&answer, payload, sizeof payload));
}

int main(int count, char **arguments)
{
    struct nw_deframer deframer;
    struct nw_frame frame;
    uint8_t buffer[4096];
    ssize_t received;
    if (count != 2) {
        return 2;
    }
    line = atoi(arguments[1]);
    nw_deframer_init(&deframer);
    while ((received = read(line, buffer, sizeof buffer)) > 0) {
        for (ssize_t i = 0; i < received; i++) {
            if (!nw_deframer_feed(&deframer, buffer[i], &frame)) {
                continue;
            }
            if (frame.kind == NW_KIND_HELLO) {
                welcome(&frame);
            } else if (frame.kind == NW_KIND_REQUEST) {
                respond(&frame);
            }
        }
    }
    return 0;
}
