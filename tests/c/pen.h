/* What the parts of the second pen share: its figures, its memory, what each part offers the others. */
#ifndef PEN_H
#define PEN_H

#include <stdbool.h>
#include <stdint.h>

#include "needlework_wire.h"

#define MODEL "NW-C"
#define SERIAL "C-0001"

enum {
    DEPTH_MIN_UM = 100, DEPTH_MAX_UM = 2500, DEPTH_STEP_UM = 50,
    RATE_MIN_MHZ = 20000, RATE_MAX_MHZ = 150000, RATE_STEP_MHZ = 500,
    DEAD_MAN_MS = 300, RETRACT_MS = 250, STATUS_PERIOD_MS = 20, SELF_TEST_MS = 200, PRESS_HELD_MS = 120,
    STALL_MHZ = 10000, STALL_MS = 100, OVER_DEPTH_UM = 150, OVER_DEPTH_MS = 20, /* the figures of clause F */
    HOT_DC = 600,
    LOG_KEPT = 64, LOG_ENTRY_BYTES = 13, LOG_ENTRIES_MAX = 3,
    OUT_BYTES = 4096,
};

enum log_code {
    LOG_STARTED = 1, LOG_ARMED, LOG_LEASE_ENDED, LOG_FAULT, LOG_CLEARED,
    LOG_CALIBRATED, LOG_CONSUMED, LOG_SELF_TESTED, LOG_BUTTON, LOG_PEDAL,
};
enum lease_end { BY_STOP, BY_DISARM, BY_FAULT, BY_HELLO, BY_SILENCE };

struct log_entry {
    uint32_t number, pen_time_ms, argument;
    uint8_t code;
};

/* What a reboot leaves alone: memory that keeps, and the things themselves. */
extern struct kept {
    struct nw_outcome_data outcomes[NW_OUTCOMES_KEPT];
    unsigned outcomes_written;
    struct log_entry log[LOG_KEPT];
    uint32_t log_newest;
    struct nw_calibration_data calibration;
    struct nw_cartridge_data cartridge;
    uint32_t cartridges_made;
    double strokes;
    uint16_t faults;
    double depth_um, rate_mhz, battery_permille, temperature_dc;
    bool jammed;
} kept;

/* What a reboot clears. */
extern struct pen {
    uint32_t now_ms, boot_id;
    bool connected;
    uint32_t nonce;
    uint32_t lease, arm_key, tick, deadline_ms;
    uint16_t depth_ceiling_um;
    uint32_t rate_ceiling_mhz;
    uint8_t refusal;
    bool motor;
    uint16_t depth_set_um;
    uint32_t rate_set_mhz;
    bool watching_retract;
    uint32_t drive_off_ms;
    unsigned stalled_ms, too_deep_ms;
    bool pressed; /* a press young enough to matter */
    uint32_t press_ms, button_held_until_ms, pedal_held_until_ms;
    bool button_held, pedal_held;
    uint8_t button_presses, pedal_presses;
    bool testing, test_answered_to; /* the connection that asked for the self-test is still there */
    uint32_t test_ends_ms, test_key;
    uint16_t test_request;
    uint32_t status_due_ms;
    uint8_t sequence;
    struct nw_deframer deframer;
    uint8_t out[OUT_BYTES];
    size_t out_size;
} pen;

static inline bool reached(uint32_t now_ms, uint32_t at_ms) /* [P] */
{
    return now_ms - at_ms < 0x80000000u;
}

/* pen.c */
void die(const char *what);
uint32_t random_u32(void);
void send_frame(uint8_t kind, const uint8_t *payload, int size);

/* pen_body.c */
void assemble(void);
void log_event(enum log_code code, uint32_t argument);
const struct nw_outcome_data *kept_outcome(uint32_t key);
void keep_outcome(uint32_t key, uint8_t refusal);
bool needles_out(void);
void drive_off(void);
void end_lease(enum lease_end why);
uint16_t causes_that_persist(void);
uint8_t state_now(void);
void move_parts(void);
void watch(void);
void press(enum log_code which);
void swap_cartridge(void);

/* pen_frames.c */
void on_frame(const struct nw_frame *frame);
void send_status(void);

/* pen_requests.c */
void on_request(const struct nw_request *request);
void end_self_test(uint8_t refusal);

#define SEND(KIND, name, value)                                                                                       \
    do {                                                                                                              \
        uint8_t payload[NW_##KIND##_SIZE];                                                                            \
        int size = nw_##name##_encode((value), payload, sizeof payload);                                              \
        send_frame(NW_KIND_##KIND, payload, size);                                                                    \
    } while (0)

#endif
