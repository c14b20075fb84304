#pragma once

/// What Swift's Glibc module does not offer: variadic functions, macros and names that it hides.

#include <stddef.h>
#include <stdint.h>

/// Names the calling thread, as `top -H` and `perf` show it; at most 15 bytes are kept.
void weir_thread_set_name(const char *name);

/// CPU time, user and system, that this process has used, in nanoseconds.
int64_t weir_process_cpu_nanoseconds(void);

/// Takes an exclusive advisory lock on an open file without waiting. Returns 0, or the value of errno.
int weir_lock_file(int descriptor);

/// How many cores this process may run on; at least 1.
int weir_cpu_count(void);

/// A descriptor that poll(2) reports as readable once something was written to it: an eventfd, not blocking. Returns -1
/// with errno set when there is none.
int weir_event_open(void);

/// CRC-32C (Castagnoli) of bytes, with the processor's instruction where it has one.
uint32_t weir_crc32c(const void *bytes, size_t count);

/// The same without the instruction, for processors that lack it.
uint32_t weir_crc32c_by_tables(const void *bytes, size_t count);

/// Maps memory of `count` bytes, zeroed, in huge pages where the system has them. Returns NULL when there is none.
void *weir_map_zeroed(size_t count);

/// Gives back what `weir_map_zeroed` returned for `count` bytes.
void weir_unmap(void *memory, size_t count);

/// Asks for the cache line at `address`, which is about to be read and written; any address will do.
static inline void weir_prefetch(const void *address) { __builtin_prefetch(address, 1, 3); }
