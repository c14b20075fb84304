// Telemetry by hand: keys in their order, values of any length. Anything else ends the process, it is never skipped.
#include "baseline.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  const char *at, *end;
} cursor;

typedef struct {
  const char *bytes;
  size_t count;
} text;

static _Noreturn void refuse(const char *bytes, size_t count) {
  stop("not telemetry as `weir generate` writes it: %.*s", (int)(count > 200 ? 200 : count), bytes);
}

#define EXPECT(literal) \
  if ((size_t)(cursor.end - cursor.at) <= sizeof(literal) - 1 || memcmp(cursor.at, literal, sizeof(literal) - 1)) \
    refuse(bytes, count); \
  cursor.at += sizeof(literal) - 1

static inline text take_text(cursor *cursor) {
  const char *start = cursor->at, *at = start;
  while (at < cursor->end && *at != '"' && *at != '\\') at++;
  if (at == cursor->end || *at != '"') refuse(start, (size_t)(cursor->end - start));
  cursor->at = at;
  return (text){start, (size_t)(at - start)};
}

static inline int64_t take_integer(cursor *cursor) {
  const char *at = cursor->at;
  int64_t value = 0;
  while (at < cursor->end && (unsigned)(*at - '0') < 10) value = value * 10 + (*at++ - '0');
  if (at == cursor->at || at - cursor->at > 18) refuse(cursor->at, (size_t)(cursor->end - cursor->at));
  cursor->at = at;
  return value;
}

// Whole digits divided by a power of ten: correctly rounded while both are exact, that is up to 2^53 and 10^22.
static inline double take_number(cursor *cursor) {
  static const double powers[] = {1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  const char *start = cursor->at, *at = start;
  bool negative = at < cursor->end && *at == '-';
  at += negative;
  int64_t value = 0;
  int digits = 0, decimals = 0;
  for (; at < cursor->end && (unsigned)(*at - '0') < 10; at++, digits++) value = value * 10 + (*at - '0');
  if (at < cursor->end && *at == '.')
    for (at++; at < cursor->end && (unsigned)(*at - '0') < 10; at++, digits++, decimals++)
      value = value * 10 + (*at - '0');
  if (digits == 0 || digits > 15) refuse(start, (size_t)(cursor->end - start));
  cursor->at = at;
  double result = (double)value / powers[decimals];
  return negative ? -result : result;
}

static void grow_sensors(partition *partition) {
  uint32_t size = partition->sensors ? (partition->sensor_mask + 1) * 2 : 64;
  sensor_slot *slots = malloc(size * sizeof *slots);
  if (!slots) stop("no memory for %u sensors", size);
  for (uint32_t index = 0; index < size; index++) slots[index].code = -1;
  for (uint32_t old = 0; partition->sensors && old <= partition->sensor_mask; old++) {
    sensor_slot slot = partition->sensors[old];
    if (slot.code < 0) continue;
    unsigned __int128 product = (unsigned __int128)(slot.low ^ 0x9e3779b97f4a7c15u) * (slot.high ^ 0xe7037ed1a0b428dbu);
    uint32_t at = (uint32_t)((uint64_t)product ^ (uint64_t)(product >> 64)) & (size - 1);
    while (slots[at].code >= 0) at = (at + 1) & (size - 1);
    slots[at] = slot;
  }
  free(partition->sensors);
  partition->sensors = slots;
  partition->sensor_mask = size - 1;
}

static inline int32_t code_of(partition *partition, text name) {
  if (name.count > 16) stop("a sensor's name has more than 16 bytes: %.*s", (int)name.count, name.bytes);
  uint64_t words[2] = {0, 0};
  memcpy(words, name.bytes, name.count);
  if (!partition->sensors || partition->sensor_count * 2 > (int64_t)partition->sensor_mask) grow_sensors(partition);
  unsigned __int128 product = (unsigned __int128)(words[0] ^ 0x9e3779b97f4a7c15u) * (words[1] ^ 0xe7037ed1a0b428dbu);
  uint32_t at = (uint32_t)((uint64_t)product ^ (uint64_t)(product >> 64)) & partition->sensor_mask;
  for (;; at = (at + 1) & partition->sensor_mask) {
    sensor_slot *slot = &partition->sensors[at];
    if (slot->code < 0) {
      *slot = (sensor_slot){words[0], words[1], partition->sensor_count++};
      return slot->code;
    }
    if (slot->low == words[0] && slot->high == words[1]) return slot->code;
  }
}

// Adds a window's groups to the result and keeps its memory for the next window.
static void emit(partition *partition, int index) {
  job *job = partition->job;
  window closed = partition->open[index];
  for (int32_t code = 0; code < closed.count; code++) {
    group group = closed.groups[code];
    if (!group.count) continue;
    job->rows++;
    job->sums[0] += (double)group.count;
    job->sums[1] += group.sum;
    job->sums[2] += group.least;
    job->sums[3] += group.greatest;
  }
  partition->open[index] = partition->open[--partition->open_count];
  partition->open[partition->open_count] = closed;
}

static void close_until(partition *partition, int64_t watermark) {
  job *job = partition->job;
  partition->next_close_ms = INT64_MAX;
  for (int index = partition->open_count - 1; index >= 0; index--) {
    int64_t end = partition->open[index].number * job->slide_ms + job->size_ms;
    if (end <= watermark) emit(partition, index);
    else if (end < partition->next_close_ms) partition->next_close_ms = end;
  }
}

void finish(partition *partition) { close_until(partition, INT64_MAX); }

static window *open_window(partition *partition, int64_t number) {
  for (int index = 0; index < partition->open_count; index++)
    if (partition->open[index].number == number) return &partition->open[index];
  if (partition->open_count == partition->open_capacity) {
    partition->open_capacity = partition->open_capacity ? partition->open_capacity * 2 : 4;
    partition->open = realloc(partition->open, (size_t)partition->open_capacity * sizeof(window));
    if (!partition->open) stop("no memory for windows");
    memset(partition->open + partition->open_count, 0,
           (size_t)(partition->open_capacity - partition->open_count) * sizeof(window));
  }
  window *opened = &partition->open[partition->open_count++];
  opened->number = number;
  opened->count = 0;
  int64_t end = number * partition->job->slide_ms + partition->job->size_ms;
  if (end < partition->next_close_ms) partition->next_close_ms = end;
  return opened;
}

static void grow_window(window *window, int32_t code) {
  if (code >= window->capacity) {
    while (code >= window->capacity) window->capacity = window->capacity ? window->capacity * 2 : 16;
    window->groups = realloc(window->groups, (size_t)window->capacity * sizeof(group));
    if (!window->groups) stop("no memory for groups");
  }
  for (; window->count <= code; window->count++) window->groups[window->count] = (group){0, 0, INFINITY, -INFINITY};
}

static inline void aggregate(partition *partition, text sensor, int64_t ms, double value) {
  job *job = partition->job;
  int32_t code = code_of(partition, sensor);
  int64_t last = ms / job->slide_ms, first = last - job->size_ms / job->slide_ms + 1;
  for (int64_t number = first; number <= last; number++) {
    // A window that has ended takes no more: the event is late for it.
    if (partition->greatest_ms != INT64_MIN && number * job->slide_ms + job->size_ms <= partition->greatest_ms - job->delay_ms) {
      job->late++;
      continue;
    }
    window *window = open_window(partition, number);
    if (code >= window->count) grow_window(window, code);
    group *group = &window->groups[code];
    group->count++;
    group->sum += value;
    group->least = value < group->least ? value : group->least;
    group->greatest = value > group->greatest ? value : group->greatest;
  }
  if (ms > partition->greatest_ms) {
    partition->greatest_ms = ms;
    if (partition->next_close_ms <= ms - job->delay_ms) close_until(partition, ms - job->delay_ms);
  }
}

void decode(partition *partition, const char *bytes, size_t count) {
  job *job = partition->job;
  cursor cursor = {bytes, bytes + count};
  EXPECT("{\"sensor_id\":\"");
  text sensor = take_text(&cursor);
  EXPECT("\",\"temperature\":");
  double temperature = take_number(&cursor);
  EXPECT(",\"humidity\":");
  double humidity = take_number(&cursor);
  EXPECT(",\"ts\":");
  int64_t ms = take_integer(&cursor);
  EXPECT(",\"site\":\"");
  text site = take_text(&cursor);
  EXPECT("\",\"status\":\"");
  text status = take_text(&cursor);
  if (bytes[count - 1] != '}') refuse(bytes, count);
  job->texts += sensor.count + site.count + status.count;
  if (job->kind == job_windows) {
    aggregate(partition, sensor, ms, temperature);
  } else if (job->kind == job_rows || temperature > 90) {
    job->rows++;
    job->sums[0] += temperature;
    job->sums[1] += humidity;
  }
}
