#define _GNU_SOURCE
#include "baseline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Of this program alone: what the parent reads of it includes the moment between fork and exec.
static long long peak_bytes(void) {
  FILE *file = fopen("/proc/self/status", "r");
  char line[256];
  long long kibibytes = 0;
  while (file && fgets(line, sizeof line, file))
    if (sscanf(line, "VmHWM: %lld", &kibibytes) == 1) break;
  if (file) fclose(file);
  return kibibytes * 1024;
}

void print_result(const job *job) {
  printf("{\"events\":%lld,\"bytes\":%lld,\"rows\":%lld,\"late\":%lld,\"sums\":[%.17g,%.17g,%.17g,%.17g],\"peak_bytes\":%lld}\n",
         (long long)job->events, (long long)job->bytes, (long long)job->rows, (long long)job->late, job->sums[0],
         job->sums[1], job->sums[2], job->sums[3], peak_bytes());
}

int digest(int count, char **columns) {
  if (count < 1 || count > 4) stop("digest takes one to four columns, got %d", count);
  char *line = NULL, label[256];
  size_t capacity = 0;
  long long rows = 0;
  double sums[4] = {0};
  while (getline(&line, &capacity, stdin) > 0) {
    // The summary of the job comes last.
    if (!strncmp(line, "{\"accounting\"", 13)) continue;
    rows++;
    for (int index = 0; index < count; index++) {
      snprintf(label, sizeof label, "\"%s\":", columns[index]);
      char *found = strstr(line, label);
      if (!found) stop("a row has no %s: %s", label, line);
      char *value = found + strlen(label), *end = value;
      sums[index] += strtod(value, &end);
      if (end == value) stop("%s is not a number: %s", label, line);
    }
  }
  printf("{\"events\":0,\"bytes\":0,\"rows\":%lld,\"late\":0,\"sums\":[%.17g,%.17g,%.17g,%.17g],\"peak_bytes\":0}\n", rows,
         sums[0], sums[1], sums[2], sums[3]);
  free(line);
  return ferror(stdin) ? 2 : 0;
}
