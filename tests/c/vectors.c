/*
 * Reads commands, one a line, and answers each with one line of JSON, so that a test can compare this header's view of
 * bytes with another implementation's.
 *
 *   stream HEX        all bytes through one deframer: the frames that come out, each decoded and encoded again
 *   struct NAME HEX   a payload decoded as a structure and encoded again
 *   cobs HEX          the bytes in COBS, the bytes taken for COBS and decoded, and their CRC-32
 *
 * Text and REST fields are printed as hex, numbers as numbers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "needlework_wire.h"

#define LINE_MAX_BYTES (1u << 20)

static char line[LINE_MAX_BYTES];
static uint8_t bytes[LINE_MAX_BYTES / 2];

static void print_hex(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        printf("%02x", data[i]);
    }
}

static int nibble(char digit)
{
    const char *digits = "0123456789abcdef";
    const char *found = digit == '\0' ? NULL : strchr(digits, digit);
    return found == NULL ? -1 : (int)(found - digits);
}

/* Lower-case hex into `bytes`, up to the first thing that is none. Returns how many bytes there were. */
static size_t read_hex(const char *text)
{
    size_t size = 0;
    while (nibble(text[0]) >= 0 && nibble(text[1]) >= 0) {
        bytes[size++] = (uint8_t)(nibble(text[0]) * 16 + nibble(text[1]));
        text += 2;
    }
    return size;
}

/* One printer for each layout; the lists of the header choose among them. */
#define PRINT_u8(name) printf("\"" #name "\": %lu", (unsigned long)value.name);
#define PRINT_u16(name) PRINT_u8(name)
#define PRINT_u32(name) PRINT_u8(name)
#define PRINT_i16(name) printf("\"" #name "\": %ld", (long)value.name);
#define PRINT_text(name) \
    printf("\"" #name "\": \""); \
    print_hex((const uint8_t *)value.name, strlen(value.name)); \
    printf("\"");
#define PRINT_rest(name) \
    printf("\"" #name "\": \""); \
    print_hex(value.name, value.name##_size); \
    printf("\"");
#define PRINT_FIELD(layout, name) \
    printf("%s", separator); \
    separator = ", "; \
    PRINT_##layout(name)

/* For each structure: decode, say whether it is in range, print the fields, encode into `out`. -1 when it is no such. */
#define DEFINE_RETELL(NAME, name) \
    static int retell_##name(const uint8_t *payload, size_t size, uint8_t *out, size_t capacity) \
    { \
        struct nw_##name value; \
        const char *separator = ""; \
        if (!nw_##name##_decode(&value, payload, size)) { \
            return -1; \
        } \
        printf("\"in_range\": %s, \"fields\": {", nw_##name##_in_range(&value) ? "true" : "false"); \
        NW_##NAME##_FIELDS(PRINT_FIELD) \
        printf("}, "); \
        return nw_##name##_encode(&value, out, capacity); \
    }

NW_FOR_EACH_MESSAGE(DEFINE_RETELL)
NW_FOR_EACH_OPERATION_STRUCT(DEFINE_RETELL)

static int retell_message(const struct nw_frame *frame, uint8_t *out, size_t capacity)
{
    switch (frame->kind) {
#define CASE_MESSAGE(NAME, name) \
    case NW_KIND_##NAME: \
        return retell_##name(frame->payload, frame->payload_size, out, capacity);
        NW_FOR_EACH_MESSAGE(CASE_MESSAGE)
    case NW_KIND_STOP:
        printf("\"in_range\": true, \"fields\": {}, ");
        return 0;
    default:
        return -1;
    }
}

static void do_stream(const char *hex)
{
    size_t size = read_hex(hex);
    struct nw_deframer deframer;
    struct nw_frame frame;
    const char *separator = "";
    uint16_t most_held = 0;
    nw_deframer_init(&deframer);
    printf("{\"frames\": [");
    for (size_t i = 0; i < size; i++) {
        bool complete = nw_deframer_feed(&deframer, bytes[i], &frame);
        if (deframer.count > most_held) {
            most_held = deframer.count;
        }
        if (complete) {
            uint8_t payload[NW_PAYLOAD_MAX_BYTES];
            uint8_t on_the_line[NW_LINE_MAX_BYTES];
            size_t written;
            int payload_size;
            printf("%s{\"kind\": %u, \"sequence\": %u, ", separator, (unsigned)frame.kind, (unsigned)frame.sequence);
            separator = ", ";
            payload_size = retell_message(&frame, payload, sizeof payload);
            if (payload_size < 0) {
                fprintf(stderr, "a delivered frame of kind %u did not decode and encode\n", (unsigned)frame.kind);
                exit(1);
            }
            written = nw_frame_encode(frame.kind, frame.sequence, payload, (size_t)payload_size, on_the_line,
                                      sizeof on_the_line);
            printf("\"wire\": \"");
            print_hex(on_the_line, written);
            printf("\"}");
        }
    }
    printf("], \"good\": %lu, \"damaged\": %lu, \"lost\": %lu, \"most_held\": %u}\n", (unsigned long)deframer.frames,
           (unsigned long)deframer.damaged, (unsigned long)deframer.lost, (unsigned)most_held);
}

static void do_struct(const char *name_and_hex)
{
    char name[64];
    int used = 0;
    uint8_t out[NW_PAYLOAD_MAX_BYTES];
    int written = -1;
    size_t size;
    if (sscanf(name_and_hex, "%63s %n", name, &used) != 1) {
        fprintf(stderr, "no structure named\n");
        exit(1);
    }
    size = read_hex(name_and_hex + used);
    printf("{");
#define RETELL_IF_NAMED(NAME, struct_name) \
    if (strcmp(name, #struct_name) == 0) { \
        written = retell_##struct_name(bytes, size, out, sizeof out); \
    }
    NW_FOR_EACH_OPERATION_STRUCT(RETELL_IF_NAMED)
    printf("\"payload\": ");
    if (written < 0) {
        printf("null}\n");
        return;
    }
    printf("\"");
    print_hex(out, (size_t)written);
    printf("\"}\n");
}

static void do_cobs(const char *hex)
{
    size_t size = read_hex(hex);
    size_t enough = size + size / 254 + 1;
    size_t decoded_size = 0;
    size_t encoded_size;
    uint8_t *out = malloc(enough); /* of the exact size, so that a byte too many is found */
    if (out == NULL) {
        exit(1);
    }
    encoded_size = nw_cobs_encode(bytes, size, out, enough);
    printf("{\"encoded\": \"");
    print_hex(out, encoded_size);
    printf("\", \"too_small\": %lu", (unsigned long)nw_cobs_encode(bytes, size, out, encoded_size - 1));
    printf(", \"decoded\": ");
    if (nw_cobs_decode(bytes, size, out, size, &decoded_size)) {
        printf("\"");
        print_hex(out, decoded_size);
        printf("\"");
    } else {
        printf("null");
    }
    printf(", \"crc\": %lu}\n", (unsigned long)nw_crc32(nw_crc32(0, bytes, size / 2), bytes + size / 2, size - size / 2));
    free(out);
}

int main(void)
{
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "stream ", 7) == 0) {
            do_stream(line + 7);
        } else if (strncmp(line, "struct ", 7) == 0) {
            do_struct(line + 7);
        } else if (strncmp(line, "cobs ", 5) == 0) {
            do_cobs(line + 5);
        } else {
            fprintf(stderr, "unknown command: %.20s\n", line);
            return 1;
        }
    }
    return 0;
}
