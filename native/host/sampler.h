// The sampler thread: reads /proc, /sys and the cgroup files at a fixed rate and writes the native block.
#pragma once

namespace inference_health::host {

struct SamplerOptions {
  const char* root;  // prefix of /proc and /sys; "" or "/" for the real ones
  double hz;         // 1 to 100
  bool per_core;
};

enum class StartResult { started, already_running, no_thread };

StartResult start_sampler(const SamplerOptions& options);
void stop_sampler();

}  // namespace inference_health::host
