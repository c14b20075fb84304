#pragma once

#include <librdkafka/rdkafka.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { job_raw, job_rows, job_filter, job_windows } job_kind;

/// The result for one sensor and window.
typedef struct {
  int64_t count;
  double sum, least, greatest;
} group;

/// A window that still takes events: groups by the sensor's code. `groups` is kept when the window ends, for the next one.
typedef struct {
  int64_t number;  // its start divided by the slide
  int32_t count;
  int32_t capacity;
  group *groups;
} window;

/// One way from a sensor's name to its code. Names have at most 16 bytes, filled up with zeros.
typedef struct {
  uint64_t low, high;
  int32_t code;  // -1: free
} sensor_slot;

typedef struct job job;

/// A partition's queue and state. A sensor is in one partition only, so windows end by the partition's own time.
typedef struct {
  job *job;
  rd_kafka_queue_t *queue;
  sensor_slot *sensors;
  uint32_t sensor_mask;
  int32_t sensor_count;
  window *open;
  int open_count, open_capacity;
  int64_t greatest_ms;
  int64_t next_close_ms;
} partition;

/// What to do, and what came of it.
struct job {
  job_kind kind;
  int partition_count;
  int64_t size_ms, slide_ms, delay_ms;
  partition *partitions;
  int ended;
  int64_t events, bytes, rows, late;
  double sums[4];  // rows: temperature, humidity; windows: count, sum, least, greatest
  uint64_t texts;  // keeps the decoding of texts from being optimised away
};

/// Ends the process with a message on standard error.
_Noreturn void stop(const char *format, ...) __attribute__((format(printf, 1, 2)));
/// `name=value`.
void set_property(rd_kafka_conf_t *settings, const char *pair);
/// Reads all partitions of the topic up to their ends; takes `settings` over.
void consume(job *job, rd_kafka_conf_t *settings, const char *topic);
/// Takes one event.
void decode(partition *partition, const char *bytes, size_t count);
/// Ends all windows of a partition.
void finish(partition *partition);
void print_result(const job *job);
/// Sums the named columns of JSON lines on standard input; returns the exit code.
int digest(int count, char **columns);
