#define _GNU_SOURCE
#include "CPosix.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

void weir_thread_set_name(const char *name) {
  char shortened[16];
  size_t length = 0;
  while (length < sizeof shortened - 1 && name[length] != 0) {
    shortened[length] = name[length];
    length += 1;
  }
  shortened[length] = 0;
  pthread_setname_np(pthread_self(), shortened);
}

int64_t weir_process_cpu_nanoseconds(void) {
  struct rusage usage;
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  int64_t seconds = (int64_t)usage.ru_utime.tv_sec + usage.ru_stime.tv_sec;
  int64_t microseconds = (int64_t)usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
  return seconds * 1000000000 + microseconds * 1000;
}

int weir_lock_file(int descriptor) {
  return flock(descriptor, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
}

int weir_cpu_count(void) {
  cpu_set_t set;
  CPU_ZERO(&set);
  int allowed = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : (int)sysconf(_SC_NPROCESSORS_ONLN);
  return allowed > 0 ? allowed : 1;
}

int weir_event_open(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

enum { huge_page = 2 << 20, small_page = 4096 };

void *weir_map_zeroed(size_t count) {
  // A huge page needs its own alignment, which a mapping need not have: what stands out at both ends goes back.
  uint8_t *mapped = mmap(NULL, count + huge_page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return NULL;
  size_t before = -(uintptr_t)mapped & (huge_page - 1);
  if (before > 0) munmap(mapped, before);
  if (before < huge_page) munmap(mapped + before + count, huge_page - before);
  uint8_t *memory = mapped + before;
  madvise(memory, count, MADV_HUGEPAGE);
  // A page that is read first is the shared page of zeros, in small pages only, and changing that for a page of its own
  // at the first write interrupts every core: so each page is written to now.
  for (size_t page = 0; page < count; page += small_page) ((volatile uint8_t *)memory)[page] = 0;
  return memory;
}

void weir_unmap(void *memory, size_t count) { munmap(memory, count); }
