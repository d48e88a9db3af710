// The sampler thread: one for the process, whoever asks for it.
#pragma once

#include <string_view>

namespace inference_health::host {

struct SamplerOptions {
  std::string_view root;  // prefix of /proc and /sys; "" or "/" for the real ones
  double hz;              // 1 to 100
  bool per_core;
  /// Called on the sampler thread after every sample, with CLOCK_MONOTONIC; may be null.
  void (*on_tick)(double now_ms);
};

enum class StartResult { started, already_running, root_too_long, no_thread };

/// Takes the first sample on the caller's thread and starts the sampler thread. no_thread: the system refused one (a
/// limit of processes), or an earlier one is still stuck in the kernel; a first sample may have been taken nevertheless.
StartResult start_sampler(const SamplerOptions& options);

/// Ends the thread and waits for it, at most a second: one that is stuck in the kernel is left behind.
void stop_sampler();

}  // namespace inference_health::host
