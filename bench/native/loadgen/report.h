// What a run found, as one line of JSON.
#pragma once

#include <cstdint>
#include <cstdio>

#include "../histogram.h"

namespace bench {

struct Errors {
  uint64_t connect = 0;
  uint64_t closed = 0;
  uint64_t status = 0;
  uint64_t timeout = 0;
  // Not sent, because too many probes were already waiting.
  uint64_t overrun = 0;

  uint64_t total() const { return connect + closed + status + timeout + overrun; }
};

struct Report {
  uint64_t sent = 0;
  Errors errors;
  Histogram latency;
  // From the intended to the actual moment of sending: what this tool itself, or the scheduler, added to `latency`.
  Histogram lag;
  uint64_t limitNs = 0;
  uint64_t overLimit = 0;
  double seconds = 0;
  size_t replyBytes = 0;
  bool isRealtime = false;
  uint64_t serverCpuNs = 0;
  uint64_t clientCpuNs = 0;

  void answered(uint64_t latencyNs) {
    latency.record(latencyNs);
    if (limitNs != 0 && latencyNs > limitNs) overLimit++;
  }

  void print() const {
    std::printf("{\"sent\":%llu,\"answered\":%llu,\"seconds\":%.4f,\"errors\":%llu,", ull(sent), ull(latency.count()), seconds,
                ull(errors.total()));
    std::printf("\"errorKinds\":{\"connect\":%llu,\"closed\":%llu,\"status\":%llu,\"timeout\":%llu,\"overrun\":%llu},",
                ull(errors.connect), ull(errors.closed), ull(errors.status), ull(errors.timeout), ull(errors.overrun));
    printHistogram("latencyUs", latency);
    printHistogram("lagUs", lag);
    std::printf("\"overLimit\":%llu,\"replyBytes\":%zu,\"isRealtime\":%s,\"serverCpuMs\":%.3f,\"clientCpuMs\":%.3f}\n",
                ull(overLimit), replyBytes, isRealtime ? "true" : "false",
                static_cast<double>(serverCpuNs) / 1e6, static_cast<double>(clientCpuNs) / 1e6);
  }

 private:
  static unsigned long long ull(uint64_t value) { return value; }

  static void printHistogram(const char* name, const Histogram& histogram) {
    const auto us = [](uint64_t ns) { return static_cast<double>(ns) / 1e3; };
    std::printf("\"%s\":{\"min\":%.1f,\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f},", name,
                us(histogram.min()), us(histogram.quantile(0.5)), us(histogram.quantile(0.9)), us(histogram.quantile(0.99)),
                us(histogram.quantile(0.999)), us(histogram.max()));
  }
};

}  // namespace bench
