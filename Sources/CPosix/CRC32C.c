#include "CPosix.h"

#include <pthread.h>
#include <string.h>

// The instruction takes three cycles and one can start in each: three streams at once are three times as fast as one. The
// streams' checksums are joined with tables that append zeros to a checksum (the method is Mark Adler's crc32c.c).

#define POLYNOMIAL 0x82f63b78u
#define STREAM 1024

static uint32_t slices[8][256];
static uint32_t zeros[4][256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static uint32_t shifted(uint32_t crc) {
  return zeros[0][crc & 0xff] ^ zeros[1][(crc >> 8) & 0xff] ^ zeros[2][(crc >> 16) & 0xff] ^ zeros[3][crc >> 24];
}

static void make_tables(void) {
  for (uint32_t byte = 0; byte < 256; byte += 1) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; bit += 1) crc = (crc & 1) ? (crc >> 1) ^ POLYNOMIAL : crc >> 1;
    slices[0][byte] = crc;
  }
  for (uint32_t byte = 0; byte < 256; byte += 1) {
    for (int slice = 1; slice < 8; slice += 1) {
      uint32_t before = slices[slice - 1][byte];
      slices[slice][byte] = slices[0][before & 0xff] ^ (before >> 8);
    }
  }
  for (int part = 0; part < 4; part += 1) {
    for (uint32_t byte = 0; byte < 256; byte += 1) {
      uint32_t crc = byte << (8 * part);
      for (int count = 0; count < STREAM; count += 1) crc = slices[0][crc & 0xff] ^ (crc >> 8);
      zeros[part][byte] = crc;
    }
  }
}

// Little-endian machines only, as Swift's Linux platforms are.
static uint32_t by_tables(uint32_t crc, const uint8_t *bytes, size_t count) {
  while (count >= 8) {
    uint64_t word;
    memcpy(&word, bytes, 8);
    word ^= crc;
    crc = slices[7][word & 0xff] ^ slices[6][(word >> 8) & 0xff] ^ slices[5][(word >> 16) & 0xff] ^
          slices[4][(word >> 24) & 0xff] ^ slices[3][(word >> 32) & 0xff] ^ slices[2][(word >> 40) & 0xff] ^
          slices[1][(word >> 48) & 0xff] ^ slices[0][word >> 56];
    bytes += 8;
    count -= 8;
  }
  while (count > 0) {
    crc = slices[0][(crc ^ *bytes) & 0xff] ^ (crc >> 8);
    bytes += 1;
    count -= 1;
  }
  return crc;
}

#if defined(__x86_64__) || defined(__aarch64__)
#if defined(__x86_64__)
#include <nmmintrin.h>
#define TARGET __attribute__((target("sse4.2")))
#define STEP8(crc, word) _mm_crc32_u64(crc, word)
#define STEP1(crc, byte) _mm_crc32_u8((uint32_t)(crc), byte)
static int has_instruction(void) { return __builtin_cpu_supports("sse4.2"); }
#else
#include <arm_acle.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>
#define TARGET __attribute__((target("crc")))
#define STEP8(crc, word) __crc32cd((uint32_t)(crc), word)
#define STEP1(crc, byte) __crc32cb((uint32_t)(crc), byte)
static int has_instruction(void) { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }
#endif

static inline uint64_t word_at(const uint8_t *bytes) {
  uint64_t word;
  memcpy(&word, bytes, 8);
  return word;
}

TARGET static uint32_t by_instruction(uint32_t start, const uint8_t *bytes, size_t count) {
  uint64_t crc = start;
  while (count >= 3 * STREAM) {
    uint64_t second = 0, third = 0;
    for (size_t offset = 0; offset < STREAM; offset += 8) {
      crc = STEP8(crc, word_at(bytes + offset));
      second = STEP8(second, word_at(bytes + STREAM + offset));
      third = STEP8(third, word_at(bytes + 2 * STREAM + offset));
    }
    crc = shifted(shifted((uint32_t)crc) ^ (uint32_t)second) ^ (uint32_t)third;
    bytes += 3 * STREAM;
    count -= 3 * STREAM;
  }
  while (count >= 8) {
    crc = STEP8(crc, word_at(bytes));
    bytes += 8;
    count -= 8;
  }
  while (count > 0) {
    crc = STEP1(crc, *bytes);
    bytes += 1;
    count -= 1;
  }
  return (uint32_t)crc;
}
#else
static int has_instruction(void) { return 0; }
#define by_instruction by_tables
#endif

uint32_t weir_crc32c(const void *bytes, size_t count) {
  pthread_once(&once, make_tables);
  return ~(has_instruction() ? by_instruction(~0u, bytes, count) : by_tables(~0u, bytes, count));
}

uint32_t weir_crc32c_by_tables(const void *bytes, size_t count) {
  pthread_once(&once, make_tables);
  return ~by_tables(~0u, bytes, count);
}
