// A queue for each partition, as Weir reads them: the shared queue of librdkafka makes fetches stall at its thresholds.
#include "baseline.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Which partitions have something to read; librdkafka's threads set it.
static atomic_bool *ready;
static atomic_bool any_ready;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;

_Noreturn void stop(const char *format, ...) {
  va_list list;
  va_start(list, format);
  fprintf(stderr, "BenchBaseline: ");
  vfprintf(stderr, format, list);
  fprintf(stderr, "\n");
  va_end(list);
  exit(2);
}

void set_property(rd_kafka_conf_t *settings, const char *pair) {
  const char *equals = strchr(pair, '=');
  char name[256], problem[512];
  if (!equals || equals - pair >= (ptrdiff_t)sizeof name) stop("--set takes name=value, got '%s'", pair);
  memcpy(name, pair, (size_t)(equals - pair));
  name[equals - pair] = 0;
  if (rd_kafka_conf_set(settings, name, equals + 1, problem, sizeof problem) != RD_KAFKA_CONF_OK) stop("%s", problem);
}

static void became_ready(rd_kafka_t *client, void *flag) {
  (void)client;
  atomic_store((atomic_bool *)flag, true);
  // One signal for all that became ready since the last look.
  if (atomic_exchange(&any_ready, true)) return;
  pthread_mutex_lock(&mutex);
  pthread_cond_signal(&condition);
  pthread_mutex_unlock(&mutex);
}

static void take(rd_kafka_message_t *message, void *context) {
  partition *partition = context;
  job *job = partition->job;
  if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
    job->ended++;
    return;
  }
  if (message->err) stop("partition %d: %s", message->partition, rd_kafka_message_errstr(message));
  job->events++;
  job->bytes += (int64_t)message->len;
  if (job->kind != job_raw) decode(partition, message->payload, message->len);
}

static void failed(rd_kafka_t *client, int code, const char *reason, void *context) {
  (void)client, (void)context;
  if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || code == RD_KAFKA_RESP_ERR__FATAL) stop("%s", reason);
}

static void assign(rd_kafka_t *client, job *job, const char *topic) {
  rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(job->partition_count);
  job->partitions = calloc((size_t)job->partition_count, sizeof(partition));
  ready = calloc((size_t)job->partition_count, sizeof(atomic_bool));
  if (!job->partitions || !ready) stop("no memory");
  for (int index = 0; index < job->partition_count; index++) {
    partition *partition = &job->partitions[index];
    partition->job = job;
    partition->greatest_ms = INT64_MIN;
    partition->next_close_ms = INT64_MAX;
    partition->queue = rd_kafka_queue_get_partition(client, topic, index);
    if (!partition->queue) stop("librdkafka has no queue for partition %d", index);
    rd_kafka_queue_forward(partition->queue, NULL);
    rd_kafka_queue_cb_event_enable(partition->queue, became_ready, &ready[index]);
    rd_kafka_topic_partition_list_add(list, topic, index)->offset = RD_KAFKA_OFFSET_BEGINNING;
  }
  rd_kafka_error_t *error = rd_kafka_incremental_assign(client, list);
  if (error) stop("%s", rd_kafka_error_string(error));
  rd_kafka_topic_partition_list_destroy(list);
}

static void wait_until_ready(void) {
  struct timespec limit;
  clock_gettime(CLOCK_REALTIME, &limit);
  limit.tv_sec += 1;
  pthread_mutex_lock(&mutex);
  while (!atomic_load(&any_ready) && !pthread_cond_timedwait(&condition, &mutex, &limit)) continue;
  pthread_mutex_unlock(&mutex);
}

void consume(job *job, rd_kafka_conf_t *settings, const char *topic) {
  char problem[512];
  rd_kafka_conf_set_error_cb(settings, failed);
  rd_kafka_t *client = rd_kafka_new(RD_KAFKA_CONSUMER, settings, problem, sizeof problem);
  if (!client) stop("%s", problem);
  rd_kafka_poll_set_consumer(client);
  assign(client, job, topic);
  while (job->ended < job->partition_count) {
    atomic_store(&any_ready, false);
    for (int index = 0; index < job->partition_count; index++)
      if (atomic_exchange(&ready[index], false))
        rd_kafka_consume_callback_queue(job->partitions[index].queue, 0, take, &job->partitions[index]);
    rd_kafka_message_t *event = rd_kafka_consumer_poll(client, 0);
    if (event) rd_kafka_message_destroy(event);
    if (job->ended < job->partition_count) wait_until_ready();
  }
  for (int index = 0; index < job->partition_count; index++) {
    if (job->kind == job_windows) finish(&job->partitions[index]);
    rd_kafka_queue_cb_event_enable(job->partitions[index].queue, NULL, NULL);
    rd_kafka_queue_destroy(job->partitions[index].queue);
  }
  rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}
