/* The second pen: mechanism, lease, faults, button, cartridge, and what it remembers. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "pen.h"

/* Where the mechanism rests, and what counts as confirmed out: clear of the face by more than the sensor's error. */
static const double REST_UM = -500.0, OUT_UM = -100.0;
static const double DEPTH_LAG_MS = 35.0, RATE_LAG_MS = 40.0;

/* ---- What happened ---------------------------------------------------------------------------------------------- */

void log_event(enum log_code code, uint32_t argument) /* [R7] */
{
    struct log_entry *entry = &kept.log[kept.log_newest % LOG_KEPT];
    *entry = (struct log_entry){++kept.log_newest, pen.now_ms, argument, (uint8_t)code};
}

const struct nw_outcome_data *kept_outcome(uint32_t key) /* [R3] */
{
    for (unsigned i = 0; key != 0 && i < NW_OUTCOMES_KEPT; i++) {
        if (kept.outcomes[i].key == key) {
            return &kept.outcomes[i];
        }
    }
    return NULL;
}

void keep_outcome(uint32_t key, uint8_t refusal)
{
    kept.outcomes[kept.outcomes_written++ % NW_OUTCOMES_KEPT] = (struct nw_outcome_data){key, refusal};
}

/* ---- Motor, needles, lease, faults ------------------------------------------------------------------------------ */

bool needles_out(void)
{
    return !pen.motor && kept.depth_um <= OUT_UM;
}

void drive_off(void)
{
    if (pen.motor) {
        pen.motor = false;
        pen.depth_set_um = 0;
        pen.rate_set_mhz = 0;
        pen.watching_retract = true;
        pen.drive_off_ms = pen.now_ms;
    }
}

void end_lease(enum lease_end why) /* [A4] */
{
    drive_off();
    if (pen.lease != 0) {
        pen.lease = pen.tick = pen.arm_key = 0;
        log_event(LOG_LEASE_ENDED, why);
    }
}

static void latch(uint16_t fault) /* [F] */
{
    if ((kept.faults & fault) == 0) {
        kept.faults |= fault;
        log_event(LOG_FAULT, fault);
    }
    end_lease(fault == NW_FAULT_DEAD_MAN ? BY_SILENCE : BY_FAULT);
}

uint16_t causes_that_persist(void) /* [F], right column */
{
    uint16_t causes = 0;
    if (!needles_out()) {
        causes |= NW_FAULT_OVER_DEPTH | NW_FAULT_RETRACT_FAILED;
    }
    if (kept.temperature_dc >= HOT_DC) {
        causes |= NW_FAULT_OVER_TEMPERATURE;
    }
    if (!kept.cartridge.present) {
        causes |= NW_FAULT_CARTRIDGE_REMOVED;
    }
    return causes;
}

uint8_t state_now(void) /* the first that fits, in the order of section 7 */
{
    if (pen.testing) {
        return NW_PEN_STATE_SELF_TEST;
    }
    if (pen.motor) {
        return NW_PEN_STATE_RUNNING;
    }
    if (pen.lease != 0) {
        return NW_PEN_STATE_ARMED;
    }
    if (!needles_out()) {
        return NW_PEN_STATE_RETRACTING; /* stuck, too: RETRACT_FAILED is latched then */
    }
    return kept.faults != 0 ? NW_PEN_STATE_FAULT : NW_PEN_STATE_IDLE;
}

/* A millisecond of mechanism. */
void move_parts(void)
{
    double rate_target = pen.motor && !kept.jammed ? (double)pen.rate_set_mhz : 0.0;
    double rate_lag_ms = kept.jammed ? 2.0 : RATE_LAG_MS;
    double depth_target = pen.motor ? (double)pen.depth_set_um : REST_UM;
    kept.rate_mhz += (rate_target - kept.rate_mhz) / rate_lag_ms;
    if (rate_target == 0.0 && kept.rate_mhz < 100.0) {
        kept.rate_mhz = 0.0; /* friction ends what a lag would not */
    }
    kept.depth_um += (depth_target - kept.depth_um) / DEPTH_LAG_MS;
    kept.strokes += kept.rate_mhz / 1e6;
    if (pen.motor) {
        kept.battery_permille -= kept.battery_permille > 0.0 ? 1.0 / 7200.0 : 0.0; /* two hours' worth */
    }
    kept.temperature_dc += ((pen.motor ? 360.0 : 290.0) - kept.temperature_dc) / 120000.0;
}

void watch(void) /* [F], [D1] */
{
    pen.stalled_ms = pen.motor && kept.rate_mhz < STALL_MHZ ? pen.stalled_ms + 1 : 0;
    if (pen.stalled_ms >= STALL_MS) {
        latch(NW_FAULT_STALL);
    }
    bool too_deep = pen.lease != 0 && kept.depth_um > pen.depth_ceiling_um + OVER_DEPTH_UM;
    pen.too_deep_ms = too_deep ? pen.too_deep_ms + 1 : 0;
    if (pen.too_deep_ms >= OVER_DEPTH_MS) {
        latch(NW_FAULT_OVER_DEPTH);
    }
    if (kept.temperature_dc >= HOT_DC) {
        latch(NW_FAULT_OVER_TEMPERATURE);
    }
    if (pen.watching_retract && needles_out()) {
        pen.watching_retract = false;
    }
    if (pen.watching_retract && pen.now_ms - pen.drive_off_ms >= RETRACT_MS) {
        pen.watching_retract = false;
        latch(NW_FAULT_RETRACT_FAILED);
    }
    if (pen.lease != 0 && reached(pen.now_ms, pen.deadline_ms)) {
        latch(NW_FAULT_DEAD_MAN);
    }
}

void press(enum log_code which) /* [T2] */
{
    if (which == LOG_BUTTON) {
        pen.button_presses++;
        pen.button_held = true;
        pen.button_held_until_ms = pen.now_ms + PRESS_HELD_MS;
    } else {
        pen.pedal_presses++;
        pen.pedal_held = true;
        pen.pedal_held_until_ms = pen.now_ms + PRESS_HELD_MS;
    }
    pen.pressed = true;
    pen.press_ms = pen.now_ms;
    log_event(which, 0);
    drive_off();
}

static void insert_new_cartridge(void)
{
    struct nw_cartridge_data fresh = {.present = 1, .needle_count = 12, .needle_length_um = 1500, .lot = "C-LOT-7"};
    fresh.tag = random_u32();
    fresh.expiry_day = (uint16_t)(time(NULL) / 86400 + 365);
    snprintf(fresh.serial, sizeof fresh.serial, "C-%u", ++kept.cartridges_made % 100000u);
    kept.cartridge = fresh;
    kept.strokes = 0.0; /* [V4] */
}

void swap_cartridge(void)
{
    if (!kept.cartridge.present) {
        insert_new_cartridge();
        return;
    }
    memset(&kept.cartridge, 0, sizeof kept.cartridge);
    if (pen.lease != 0) {
        latch(NW_FAULT_CARTRIDGE_REMOVED);
    }
}

void assemble(void) /* as it leaves the factory */
{
    uint16_t today = (uint16_t)(time(NULL) / 86400);
    kept.depth_um = REST_UM;
    kept.battery_permille = 1000.0;
    kept.temperature_dc = 290.0;
    kept.calibration = (struct nw_calibration_data){
        .valid = 1, .certificate = "C-CAL-1", .calibrated_day = today, .due_day = (uint16_t)(today + 180),
        .depth_gain_ppm = 1000000, .depth_uncertainty_um = 40, .rate_gain_ppm = 1000000,
    };
    insert_new_cartridge();
}
