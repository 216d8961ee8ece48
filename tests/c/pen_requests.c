/* The second pen: REQUEST and RESPONSE. */
#include "pen.h"

static void respond(uint16_t id, uint8_t refusal, const uint8_t *data, int data_size)
{
    struct nw_response answer = {id, refusal, data, refusal == NW_REFUSAL_NONE ? (size_t)data_size : 0};
    uint8_t payload[NW_PAYLOAD_MAX_ARMED_BYTES]; /* every answer fits the frame of an armed pen */
    send_frame(NW_KIND_RESPONSE, payload, nw_response_encode(&answer, payload, sizeof payload));
}

void end_self_test(uint8_t refusal)
{
    struct nw_self_test_data result = {.tested = 0x3F};
    uint8_t data[NW_SELF_TEST_DATA_SIZE];
    result.passed = needles_out() ? 0x3F : 0x3E; /* bit 0: needles are where a retraction leaves them */
    pen.testing = false;
    if (refusal == NW_REFUSAL_NONE) {
        log_event(LOG_SELF_TESTED, result.passed);
    }
    keep_outcome(pen.test_key, refusal);
    if (pen.test_answered_to) {
        respond(pen.test_request, refusal, data, nw_self_test_data_encode(&result, data, sizeof data));
    }
}

static int read_log(uint32_t first, uint8_t *data, size_t capacity) /* [R7] */
{
    uint8_t entries[LOG_ENTRIES_MAX * LOG_ENTRY_BYTES];
    struct nw_log_entries answer = {.newest = kept.log_newest, .entries = entries};
    uint32_t oldest = kept.log_newest > LOG_KEPT ? kept.log_newest - LOG_KEPT + 1 : 1;
    uint32_t number = first < oldest ? oldest : first;
    for (; number <= kept.log_newest && answer.entries_size < sizeof entries; number++) {
        const struct log_entry *entry = &kept.log[(number - 1) % LOG_KEPT];
        uint8_t *to = entries + answer.entries_size;
        nw_put_u32(to, entry->number);
        nw_put_u32(to + 4, entry->pen_time_ms);
        nw_put_u8(to + 8, entry->code);
        nw_put_u32(to + 9, entry->argument);
        answer.entries_size += LOG_ENTRY_BYTES;
    }
    return nw_log_entries_encode(&answer, data, capacity);
}

static bool carries_key(uint8_t operation)
{
    return operation == NW_OPERATION_CARTRIDGE_CONSUME || operation == NW_OPERATION_CALIBRATION_WRITE ||
           operation == NW_OPERATION_SELF_TEST || operation == NW_OPERATION_CLEAR_FAULT;
}

/* The arguments of one operation; each REQUEST has those of its own. */
union arguments {
    struct nw_cartridge_tag cartridge;
    struct nw_calibration_data calibration;
    struct nw_log_position position;
    struct nw_fault_mask mask;
    struct nw_outcome_key outcome;
};

static bool take_arguments(const struct nw_request *request, union arguments *wish)
{
    const uint8_t *from = request->arguments;
    size_t size = request->arguments_size;
    switch (request->operation) {
    case NW_OPERATION_CARTRIDGE_CONSUME:
        return nw_cartridge_tag_decode(&wish->cartridge, from, size) && nw_cartridge_tag_in_range(&wish->cartridge);
    case NW_OPERATION_CALIBRATION_WRITE:
        return nw_calibration_data_decode(&wish->calibration, from, size) &&
               nw_calibration_data_in_range(&wish->calibration);
    case NW_OPERATION_EVENT_LOG:
        return nw_log_position_decode(&wish->position, from, size) && nw_log_position_in_range(&wish->position);
    case NW_OPERATION_CLEAR_FAULT:
        return nw_fault_mask_decode(&wish->mask, from, size) && nw_fault_mask_in_range(&wish->mask);
    case NW_OPERATION_OUTCOME:
        return nw_outcome_key_decode(&wish->outcome, from, size) && nw_outcome_key_in_range(&wish->outcome);
    default:
        return true;
    }
}

static uint8_t clear_faults(uint16_t mask) /* [F1] */
{
    uint16_t meant = kept.faults & mask;
    if ((meant & causes_that_persist()) != 0) {
        return NW_REFUSAL_NOT_READY;
    }
    kept.faults &= (uint16_t)~meant;
    if (meant != 0) {
        log_event(LOG_CLEARED, meant);
    }
    return NW_REFUSAL_NONE;
}

/* Does it, or says why not. `size` is that of the data written. */
static uint8_t execute(uint8_t operation, const union arguments *wish, uint8_t *data, size_t capacity, int *size)
{
    const struct nw_outcome_data *outcome;
    switch (operation) {
    case NW_OPERATION_CARTRIDGE_READ:
        *size = nw_cartridge_data_encode(&kept.cartridge, data, capacity);
        return NW_REFUSAL_NONE;
    case NW_OPERATION_CARTRIDGE_CONSUME:
        if (!kept.cartridge.present || wish->cartridge.tag != kept.cartridge.tag) {
            return NW_REFUSAL_CARTRIDGE;
        }
        kept.cartridge.used = 1;
        log_event(LOG_CONSUMED, kept.cartridge.tag);
        return NW_REFUSAL_NONE;
    case NW_OPERATION_CALIBRATION_READ:
        *size = nw_calibration_data_encode(&kept.calibration, data, capacity);
        return NW_REFUSAL_NONE;
    case NW_OPERATION_CALIBRATION_WRITE:
        kept.calibration = wish->calibration;
        log_event(LOG_CALIBRATED, 0);
        return NW_REFUSAL_NONE;
    case NW_OPERATION_EVENT_LOG:
        *size = read_log(wish->position.first, data, capacity);
        return NW_REFUSAL_NONE;
    case NW_OPERATION_CLEAR_FAULT:
        return clear_faults(wish->mask.faults);
    default: /* OUTCOME */
        outcome = kept_outcome(wish->outcome.key);
        if (outcome == NULL) {
            return NW_REFUSAL_UNKNOWN_KEY;
        }
        *size = nw_outcome_data_encode(outcome, data, capacity);
        return NW_REFUSAL_NONE;
    }
}

void on_request(const struct nw_request *request) /* [R1] */
{
    uint8_t operation = request->operation;
    const struct nw_outcome_data *outcome = kept_outcome(request->key);
    union arguments wish;
    uint8_t data[NW_PAYLOAD_MAX_ARMED_BYTES - NW_RESPONSE_SIZE];
    uint8_t refusal = NW_REFUSAL_NONE;
    int size = 0;
    if (request->nonce != pen.nonce) {
        respond(request->id, NW_REFUSAL_NONCE, NULL, 0);
        return;
    }
    if (outcome != NULL) { /* [R3] */
        respond(request->id, outcome->refusal, NULL, 0);
        return;
    }
    if (pen.testing && request->key == pen.test_key) {
        return; /* the self-test under way, repeated: its own answer follows */
    }
    if (operation < NW_OPERATION_CARTRIDGE_READ || operation > NW_OPERATION_OUTCOME) {
        respond(request->id, NW_REFUSAL_UNSUPPORTED, NULL, 0);
        return;
    }
    if (carries_key(operation) != (request->key != 0) || !take_arguments(request, &wish)) {
        refusal = NW_REFUSAL_RANGE;
    } else if (carries_key(operation) && pen.lease != 0) {
        refusal = NW_REFUSAL_ARMED; /* what carries a key is what is not done while armed */
    } else if (pen.testing) {
        refusal = NW_REFUSAL_BUSY;
    } else if (operation == NW_OPERATION_SELF_TEST) { /* [R6]: answered at its end */
        pen.testing = pen.test_answered_to = true;
        pen.test_ends_ms = pen.now_ms + SELF_TEST_MS;
        pen.test_key = request->key;
        pen.test_request = request->id;
        return;
    } else {
        refusal = execute(operation, &wish, data, sizeof data, &size);
    }
    if (carries_key(operation) && request->key != 0) {
        keep_outcome(request->key, refusal);
    }
    respond(request->id, refusal, data, size);
}
