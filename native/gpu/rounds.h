// When each tier of samples is taken, of all GPUs, and what a round of one finds out besides its figures: GPUs that are lost,
// come back or are new, and that the driver has gone.
#pragma once

#include "gpu/connection.h"

namespace inference_health::gpu {

class Rounds {
 public:
  Rounds(WorkerContext& context, Connection& connection);

  /// Everything is due: there are GPUs again.
  void start_over();
  /// The GPUs are to be listed anew.
  void list_soon() { slow_.due_ms = 0; }
  /// Those that are due.
  void run(double now_ms);
  double next_ms() const;

 private:
  struct Tier {
    double base_ms;
    GpuField at, duration, interval;
    double due_ms = 0;
  };

  template <typename Body>
  void run_tier(Tier& tier, Body body);
  double urgent_at_ms() const;
  void update_exclusion();
  void fast(double now_ms);
  void medium(double now_ms);
  void slow(double now_ms);

  WorkerContext& context_;
  Connection& connection_;
  const std::uint32_t own_pid_;
  double next_relist_ms_ = 0, last_urgent_ms_ = 0;
  Tier fast_, medium_, slow_;
};

}  // namespace inference_health::gpu
