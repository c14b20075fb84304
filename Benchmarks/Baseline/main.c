// What `weir bench` compares with: the same librdkafka, settings, calls and allocator, and nothing else around them.
//
//   BenchBaseline raw|rows|filter|windows --topic NAME --partitions N [--size MS --slide MS] [--set name=value]…
//   BenchBaseline digest COLUMN…          sums columns of the JSON lines on standard input
//
// `raw` counts messages. `rows` decodes every field, `filter` also keeps only what is warmer than 90 degrees, `windows`
// also counts and sums per sensor and window of event time. Each prints one line of JSON with what it found.
#include "baseline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Noreturn void usage(void) {
  stop("usage: BenchBaseline raw|rows|filter|windows --topic NAME --partitions N [--size MS --slide MS] [--set name=value]…\n"
       "       BenchBaseline digest COLUMN…");
}

static int64_t number(const char *text) {
  char *end = NULL;
  int64_t value = text ? strtoll(text, &end, 10) : 0;
  if (!text || *end || value <= 0) usage();
  return value;
}

static job_kind kind_named(const char *name) {
  const char *names[] = {"raw", "rows", "filter", "windows"};
  for (int index = 0; index < 4; index++)
    if (!strcmp(name, names[index])) return (job_kind)index;
  usage();
}

int main(int count, char **arguments) {
  if (count < 2) usage();
  if (!strcmp(arguments[1], "digest")) return digest(count - 2, arguments + 2);
  job job = {.kind = kind_named(arguments[1]), .size_ms = 10000, .slide_ms = 10000, .delay_ms = 5000};
  rd_kafka_conf_t *settings = rd_kafka_conf_new();
  const char *topic = NULL;
  for (int index = 2; index < count; index += 2) {
    const char *name = arguments[index], *value = index + 1 < count ? arguments[index + 1] : NULL;
    if (!strcmp(name, "--topic") && value) topic = value;
    else if (!strcmp(name, "--partitions")) job.partition_count = (int)number(value);
    else if (!strcmp(name, "--size")) job.size_ms = number(value);
    else if (!strcmp(name, "--slide")) job.slide_ms = number(value);
    else if (!strcmp(name, "--set") && value) set_property(settings, value);
    else usage();
  }
  if (!topic || job.partition_count <= 0 || job.size_ms % job.slide_ms) usage();
  consume(&job, settings, topic);
  print_result(&job);
  return 0;
}
