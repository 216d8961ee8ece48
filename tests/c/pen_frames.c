/* The second pen: frames from the host other than requests, and STATUS. */
#include "pen.h"

#define FIRMWARE "1.0.0"
#define CAPABILITIES                                                                                                  \
    (NW_CAPABILITY_DEPTH_SET | NW_CAPABILITY_DEPTH_SENSED | NW_CAPABILITY_RATE_SET | NW_CAPABILITY_RATE_SENSED |      \
     NW_CAPABILITY_DEAD_MAN | NW_CAPABILITY_CONTACT_SENSED | NW_CAPABILITY_CARTRIDGE_IDENTIFIED |                     \
     NW_CAPABILITY_BUTTON | NW_CAPABILITY_PEDAL | NW_CAPABILITY_BATTERY_SENSED | NW_CAPABILITY_TEMPERATURE_SENSED |   \
     NW_CAPABILITY_CURRENT_SENSED | NW_CAPABILITY_CALIBRATION_STORED | NW_CAPABILITY_SELF_TEST |                      \
     NW_CAPABILITY_EVENT_LOG)

static void on_hello(const struct nw_hello *hello) /* [C1] [C3] [C4] */
{
    struct nw_welcome welcome = {
        .nonce = hello->nonce, .version = NW_PROTOCOL_VERSION, .boot_id = pen.boot_id,
        .model = MODEL, .serial = SERIAL, .firmware = FIRMWARE, .capabilities = CAPABILITIES,
        .depth_min_um = DEPTH_MIN_UM, .depth_max_um = DEPTH_MAX_UM, .depth_step_um = DEPTH_STEP_UM,
        .rate_min_mhz = RATE_MIN_MHZ, .rate_max_mhz = RATE_MAX_MHZ, .rate_step_mhz = RATE_STEP_MHZ,
        .dead_man_ms = DEAD_MAN_MS, .retract_ms = RETRACT_MS, .status_period_ms = STATUS_PERIOD_MS,
    };
    if (!nw_hello_in_range(hello)) {
        return; /* [W9] */
    }
    end_lease(BY_HELLO);
    pen.test_answered_to = false; /* [R2] */
    pen.connected = hello->version == NW_PROTOCOL_VERSION;
    pen.nonce = hello->nonce;
    pen.status_due_ms = pen.now_ms + STATUS_PERIOD_MS;
    /* Whoever says HELLO discards what came before; the zero ends a frame whose rest is thrown away here. */
    pen.out[0] = 0;
    pen.out_size = 1;
    SEND(WELCOME, welcome, &welcome);
}

static uint8_t refusal_of_arm(const struct nw_arm *arm) /* [A2] */
{
    if (arm->nonce != pen.nonce) {
        return NW_REFUSAL_NONCE;
    }
    if (pen.lease != 0) {
        return NW_REFUSAL_ARMED;
    }
    if (kept.faults != 0) {
        return NW_REFUSAL_FAULTED;
    }
    if (pen.testing) {
        return NW_REFUSAL_BUSY;
    }
    if (!nw_arm_in_range(arm) || arm->depth_ceiling_um == 0 || arm->depth_ceiling_um > DEPTH_MAX_UM ||
        arm->rate_ceiling_mhz == 0 || arm->rate_ceiling_mhz > RATE_MAX_MHZ) {
        return NW_REFUSAL_RANGE;
    }
    if (!kept.cartridge.present || arm->cartridge_tag != kept.cartridge.tag) {
        return NW_REFUSAL_CARTRIDGE;
    }
    return kept.battery_permille < 20.0 ? NW_REFUSAL_NOT_READY : NW_REFUSAL_NONE;
}

static void on_arm(const struct nw_arm *arm)
{
    bool repeated = pen.lease != 0 && arm->key == pen.arm_key && arm->nonce == pen.nonce;
    struct nw_armed armed = {.key = arm->key};
    if (!repeated) {
        armed.refusal = refusal_of_arm(arm);
    }
    if (!repeated && armed.refusal == NW_REFUSAL_NONE) { /* [A1] [A3] */
        pen.lease = random_u32();
        pen.arm_key = arm->key;
        pen.tick = 0;
        pen.refusal = NW_REFUSAL_NONE;
        pen.deadline_ms = pen.now_ms + DEAD_MAN_MS;
        pen.depth_ceiling_um = arm->depth_ceiling_um;
        pen.rate_ceiling_mhz = arm->rate_ceiling_mhz;
        log_event(LOG_ARMED, pen.lease);
    }
    armed.lease = armed.refusal == NW_REFUSAL_NONE ? pen.lease : 0;
    SEND(ARMED, armed, &armed);
}

static bool off_range(uint32_t value, uint32_t least, uint32_t greatest, uint32_t step, bool motor)
{
    bool rests = !motor && value == 0;
    return !rests && (value < least || value > greatest || value % step != 0);
}

static uint8_t refusal_of_setpoint(const struct nw_setpoint *wish) /* [S1] */
{
    uint32_t seen_age_ms = pen.now_ms - wish->seen_pen_time_ms;
    if (pen.lease == 0 || wish->lease != pen.lease) {
        return NW_REFUSAL_LEASE;
    }
    if (!nw_setpoint_in_range(wish) ||
        off_range(wish->depth_um, DEPTH_MIN_UM, DEPTH_MAX_UM, DEPTH_STEP_UM, wish->motor) ||
        off_range(wish->rate_mhz, RATE_MIN_MHZ, RATE_MAX_MHZ, RATE_STEP_MHZ, wish->motor)) {
        return NW_REFUSAL_RANGE;
    }
    if (wish->tick <= pen.tick) {
        return NW_REFUSAL_OLD_TICK;
    }
    if (seen_age_ms >= DEAD_MAN_MS) {
        return NW_REFUSAL_STALE;
    }
    if (wish->depth_um > pen.depth_ceiling_um) {
        return NW_REFUSAL_DEPTH_CEILING;
    }
    if (wish->rate_mhz > pen.rate_ceiling_mhz) {
        return NW_REFUSAL_RATE_CEILING;
    }
    if (wish->motor && pen.pressed && pen.now_ms - pen.press_ms < seen_age_ms) {
        return NW_REFUSAL_PRESSED;
    }
    return NW_REFUSAL_NONE;
}

static void on_setpoint(const struct nw_setpoint *wish)
{
    uint8_t refusal = refusal_of_setpoint(wish);
    uint32_t fresh_until_ms = wish->seen_pen_time_ms + DEAD_MAN_MS;
    if (refusal != NW_REFUSAL_NONE) {
        pen.refusal = refusal; /* [V5] */
        return;
    }
    pen.tick = wish->tick; /* [S2] */
    if (reached(fresh_until_ms, pen.deadline_ms)) {
        pen.deadline_ms = fresh_until_ms;
    }
    if (!wish->motor) { /* [S3] */
        drive_off();
        return;
    }
    pen.motor = true;
    pen.watching_retract = false;
    pen.depth_set_um = wish->depth_um;
    pen.rate_set_mhz = wish->rate_mhz;
}

void on_frame(const struct nw_frame *frame)
{
    struct nw_hello hello;
    struct nw_arm arm;
    struct nw_setpoint setpoint;
    struct nw_disarm disarm;
    struct nw_request request;
    if (frame->kind == NW_KIND_STOP) { /* [T1] */
        end_lease(BY_STOP);
        if (pen.testing) {
            end_self_test(NW_REFUSAL_NOT_READY);
        }
    } else if (frame->kind == NW_KIND_HELLO) {
        if (nw_hello_decode(&hello, frame->payload, frame->payload_size)) {
            on_hello(&hello);
        }
    } else if (!pen.connected) {
        return; /* [C6] */
    } else if (frame->kind == NW_KIND_ARM) {
        if (nw_arm_decode(&arm, frame->payload, frame->payload_size)) {
            on_arm(&arm);
        }
    } else if (frame->kind == NW_KIND_SETPOINT) {
        if (nw_setpoint_decode(&setpoint, frame->payload, frame->payload_size)) {
            on_setpoint(&setpoint);
        }
    } else if (frame->kind == NW_KIND_DISARM) {
        if (nw_disarm_decode(&disarm, frame->payload, frame->payload_size) && disarm.lease != 0 &&
            disarm.lease == pen.lease) {
            end_lease(BY_DISARM);
        }
    } else if (frame->kind == NW_KIND_REQUEST) {
        if (nw_request_decode(&request, frame->payload, frame->payload_size)) {
            on_request(&request);
        }
    }
}

void send_status(void) /* [V] */
{
    struct nw_status status = {
        .pen_time_ms = pen.now_ms, .boot_id = pen.boot_id, .lease = pen.lease, .tick = pen.tick,
        .refusal = pen.refusal, .state = state_now(), .faults = kept.faults,
        .depth_set_um = pen.depth_set_um, .depth_measured_um = (int16_t)kept.depth_um,
        .rate_set_mhz = pen.rate_set_mhz, .rate_measured_mhz = (uint32_t)kept.rate_mhz,
        .battery_permille = (uint16_t)kept.battery_permille, .temperature_dc = (int16_t)kept.temperature_dc,
        .contact = pen.motor ? NW_CONTACT_ON_SKIN : NW_CONTACT_OFF_SKIN, /* pressed on while it runs */
        .strokes = (uint32_t)kept.strokes,
        .button_presses = pen.button_presses, .pedal_presses = pen.pedal_presses,
    };
    status.motor_current_ma = pen.motor ? (uint16_t)(kept.jammed ? 900 : 100 + pen.rate_set_mhz / 1000) : 0;
    status.interlocks = (uint8_t)((kept.cartridge.present ? NW_INTERLOCK_CARTRIDGE_PRESENT : 0u) |
                                  (needles_out() ? NW_INTERLOCK_NEEDLES_OUT : 0u) |
                                  (pen.button_held ? NW_INTERLOCK_BUTTON_HELD : 0u) |
                                  (pen.pedal_held ? NW_INTERLOCK_PEDAL_HELD : 0u));
    SEND(STATUS, status, &status);
}
