// The NVML thread: initialises the library, samples in tiers, gives everything back and takes it again.
#include <algorithm>
#include <memory>

#include "gpu/rounds.h"
#include "snapshot/clock.h"

namespace inference_health::gpu {
namespace {

// While nothing is to be sampled: until what could not be given back is tried again, and for ever, as good as.
constexpr double kReleaseAgainMs = 250, kReleasedMs = 60'000;

class Worker {
 public:
  Worker(Session& session, std::size_t lane, bool is_replacement)
      : session_(session), context_(session, lane, is_replacement), connection_(context_), rounds_(context_, connection_) {}

  void run() {
    while (!context_.driver.is_abandoned()) {
      switch (session_.desired.load(std::memory_order_acquire)) {
        case Desired::stopped:
          return connection_.close_all();
        case Desired::released:
          release();
          break;
        case Desired::run:
          turn();
          break;
      }
    }
  }

 private:
  void wait_until(double at_ms) { context_.thread.wake.wait(at_ms - monotonic_ms()); }

  void release() {
    connection_.close_all();
    if (!connection_.is_open()) context_.set_state(State::released);
    connection_.try_at(0);
    context_.thread.wake.wait(connection_.is_open() ? kReleaseAgainMs : kReleasedMs);
  }

  void turn() {
    const double now = monotonic_ms();
    if (!connection_.is_open()) {
      if (now >= connection_.next_try_ms() && connection_.open(now)) rounds_.start_over();
      if (connection_.is_open()) return;
      wait_until(std::min(connection_.next_try_ms(), monotonic_ms() + connection_.look_interval_ms()));
      return connection_.look_for_driver();
    }
    if (connection_.poll_system_events()) rounds_.list_soon();
    if (connection_.is_open()) rounds_.run(now);
    if (connection_.is_open()) wait_until(rounds_.next_ms());
  }

  Session& session_;
  WorkerContext context_;
  Connection connection_;
  Rounds rounds_;
};

}  // namespace

void run_worker(std::shared_ptr<Session> session, std::size_t lane, bool is_replacement) {
  {
    // On the heap: the tables of all devices are larger than a careful stack.
    const auto worker = std::make_unique<Worker>(*session, lane, is_replacement);
    worker->run();
  }
  session->workers[lane].is_running.store(false, std::memory_order_release);
  lane_taken[lane].store(false, std::memory_order_release);
  session->watch.wake.signal();
}

}  // namespace inference_health::gpu
