// The thread that never enters NVML: it watches the deadlines of those that do, follows the kernel log and publishes.
#include <algorithm>
#include <array>

#include "gpu/kmsg_reader.h"
#include "gpu/session.h"
#include "gpu/thread.h"
#include "snapshot/clock.h"

namespace inference_health::gpu {
namespace {

constexpr double kMaxTurnMs = 500;
// Only tests follow an ordinary file, which nobody can wait on.
constexpr double kGrowingFileMs = 5;
// After XIDs that say that the GPU's firmware does not answer.
constexpr double kQuietMs = 60'000;

struct Stuck {
  double since_ms = 0;
  std::uint32_t symbol = 0;
  std::int32_t gpu = -1;
};

class Watch {
 public:
  explicit Watch(std::shared_ptr<Session> session)
      : session_(std::move(session)), kmsg_(session_->options.kmsg), own_pid_(own_pid(session_->options)) {}

  void run() {
    auto& session = *session_;
    const double turn_ms = std::clamp(session.options.deadline_ms / 8, 5.0, kMaxTurnMs);
    while (session.desired.load(std::memory_order_acquire) != Desired::stopped) {
      const double now = monotonic_ms();
      kmsg_.read(now, on_fault, this);
      start_threads();
      watch_deadlines(monotonic_ms());
      publish();
      session.watch.wake.wait(kmsg_.is_growing_file() ? kGrowingFileMs : turn_ms, kmsg_.fd());
    }
    publish();
  }

 private:
  static void on_fault(void* context, const KmsgFault& fault) { static_cast<Watch*>(context)->record(fault); }

  void record(const KmsgFault& fault) {
    auto& block = session_->block;
    if (fault.kind == KmsgKind::watchdog) {
      ++watchdog_lines_;
    } else {
      // The text alone accompanies XID 79 where there is one; then it says nothing new.
      block.xids.record(kSourceKmsg, fault.at, fault.kind == KmsgKind::sxid, fault.number, fault.detail, own_pid_,
                        monotonic_ms());
      ++xids_;
      if (fault.kind != KmsgKind::sxid && (fault.number == 79 || fault.number == 119 || fault.number == 120)) leave_alone(fault.at);
    }
    block.changed();
    session_->report_urgent();
  }

  void leave_alone(Address at) {
    at.gpu_instance = at.compute_instance = Address::kNoInstance;
    for (std::size_t slot = 0; slot < kMaxGpus; ++slot)
      if (session_->handles.entries[slot].address.load(std::memory_order_relaxed) == at.pack())
        session_->quiet_until_ms[slot].store(monotonic_ms() + kQuietMs, std::memory_order_relaxed);
  }

  void start_threads() {
    if (worker_ < 0) {
      for (std::size_t lane = 0; lane < kLanes && worker_ < 0; ++lane) start_worker(lane, session_->options.is_continued);
    }
    auto& session = *session_;
    if (!session.events.is_running.load(std::memory_order_acquire) && session.handles.generation.load() > 0 &&
        !event_thread_exists.exchange(true)) {
      session.events.is_running.store(true, std::memory_order_release);
      auto shared = session_;
      if (!start_detached("health-gpu-evt", [shared] { run_events(shared); })) {
        session.events.is_running.store(false);
        event_thread_exists.store(false);
      }
    }
  }

  bool start_worker(std::size_t lane, bool is_replacement) {
    // A lane whose thread has not come back yet is not free.
    if (lane_taken[lane].exchange(true)) return false;
    auto& thread = session_->workers[lane];
    thread.is_running.store(true, std::memory_order_release);
    auto shared = session_;
    if (!start_detached("health-gpu-nvml", [shared, lane, is_replacement] { run_worker(shared, lane, is_replacement); })) {
      thread.is_running.store(false);
      lane_taken[lane].store(false);
      return false;
    }
    worker_ = static_cast<int>(lane);
    return true;
  }

  double deadline_of(const CallStamp& stamp) const {
    const auto symbol = static_cast<Symbol>(stamp.symbol());
    // Listing the GPUs may be what initialises them, seconds for each.
    const bool is_init = symbol == Symbol::init || symbol == Symbol::load_library || symbol == Symbol::handle_by_index ||
                         symbol == Symbol::shutdown;
    return is_init ? session_->options.init_deadline_ms : session_->options.deadline_ms;
  }

  void watch_deadlines(double now) {
    auto& session = *session_;
    stuck_ = {};
    const auto look = [&](const Session::Thread& thread) {
      const double started = thread.stamp.started_ms();
      if (started == 0 || now - started < deadline_of(thread.stamp)) return;
      if (stuck_.since_ms == 0 || started < stuck_.since_ms) stuck_ = {started, thread.stamp.symbol(), thread.stamp.gpu()};
    };
    if (worker_ >= 0) look(session.workers[static_cast<std::size_t>(worker_)]);
    const bool is_worker_stuck = stuck_.since_ms != 0;
    const auto worker_stuck = stuck_;
    look(session.events);
    const double waiting_since = session.events.stamp.started_ms();
    // Also when the thread of an earlier start is still inside, so that there is none of ours.
    is_event_stuck_ = session.events.is_running.load()
                          ? waiting_since != 0 && now - waiting_since >= deadline_of(session.events.stamp)
                          : event_thread_exists.load();
    // A thread was given up and is still inside; what was stuck then is stuck now.
    if (given_up_.since_ms != 0) {
      if (session.workers[given_up_lane_].is_running.load(std::memory_order_acquire)) {
        stuck_ = given_up_;
      } else {
        given_up_ = {};
        session.excluded_gpu.store(-1, std::memory_order_release);
        session.report_urgent();
      }
    }
    // No lane was free: threads of an earlier start never returned.
    if (worker_ < 0 && session.desired.load() == Desired::run) stuck_ = {started_ms_, static_cast<std::uint32_t>(Symbol::init), -1};
    if (is_worker_stuck && given_up_.since_ms == 0) replace(worker_stuck, now);
  }

  /// Once, and only where the stuck call was about one GPU: the others can be asked by another thread. A second one would be
  /// as likely to get stuck as the first, and so on for ever.
  void replace(const Stuck& stuck, double now) {
    auto& session = *session_;
    if (stuck.gpu < 0 || now - stuck.since_ms < 2 * session.options.deadline_ms) return;
    if (replacement_threads.load() > 0) return;
    const auto lane = static_cast<std::size_t>(1 - worker_);
    if (lane_taken[lane].load()) return;
    const auto given_up = static_cast<std::size_t>(worker_);
    if (!session.workers[given_up].stamp.abandon(stuck.since_ms)) return;
    given_up_ = stuck;
    given_up_lane_ = given_up;
    session.excluded_gpu.store(stuck.gpu, std::memory_order_release);
    // The new one makes its own handles; the event thread builds its set anew from them.
    if (start_worker(lane, true)) replacement_threads.fetch_add(1);
  }

  State state() const {
    if (session_->desired.load() == Desired::stopped) return State::off;
    if (stuck_.since_ms != 0) return State::unresponsive;
    if (worker_ < 0) return State::starting;
    const double value = session_->block.lanes[worker_].get(GpuField::state);
    return value == value ? static_cast<State>(static_cast<int>(value)) : State::starting;
  }

  EventState event_state() const {
    if (session_->desired.load() == Desired::stopped) return EventState::off;
    return is_event_stuck_ ? EventState::stuck : session_->event_state.load();
  }

  void publish() {
    auto& session = *session_;
    auto& block = session.block;
    std::array<double, kGpuSlots> values;
    values.fill(kAbsent);
    if (worker_ >= 0)
      for (std::size_t i = 0; i < kGpuSlots; ++i)
        values[i] = block.lanes[worker_].values[i].load(std::memory_order_acquire);
    const auto set = [&](GpuField field, double value) { values[static_cast<std::size_t>(field)] = value; };
    const double now = monotonic_ms();
    set(GpuField::observedAtMs, now);
    set(GpuField::state, static_cast<double>(state()));
    set(GpuField::stuckSinceMs, stuck_.since_ms != 0 ? stuck_.since_ms : kAbsent);
    set(GpuField::stuckCall, stuck_.since_ms != 0 ? stuck_.symbol : kAbsent);
    set(GpuField::stuckGpu, stuck_.since_ms != 0 && stuck_.gpu >= 0 ? stuck_.gpu : kAbsent);
    set(GpuField::replacementThreads, replacement_threads.load());
    set(GpuField::kmsgState, static_cast<double>(kmsg_.state()));
    set(GpuField::kmsgGaps, kmsg_.gaps());
    set(GpuField::kmsgRecords, kmsg_.records());
    set(GpuField::kmsgMalformed, kmsg_.malformed());
    set(GpuField::kmsgXids, xids_);
    set(GpuField::watchdogLines, watchdog_lines_);
    set(GpuField::eventState, static_cast<double>(event_state()));
    set(GpuField::eventsReceived, session.events_received.load());
    set(GpuField::eventErrors, session.event_errors.load());
    set(GpuField::eventRebuilds, session.event_rebuilds.load());
    set(GpuField::eventBackoffMs, session.event_backoff_ms.load());
    set(GpuField::lastEventAtMs, session.last_event_ms.load() > 0 ? session.last_event_ms.load() : kAbsent);
    set(GpuField::xidRows, static_cast<double>(block.xids.rows()));
    set(GpuField::xidOverflow, block.xids.overflow());
    set(GpuField::ownPid, own_pid_ != 0 ? own_pid_ : kAbsent);
    set(GpuField::deadlineMs, session.options.deadline_ms);
    set(GpuField::helperState, static_cast<double>(HelperState::not_used));
    block.gpu.write(values);
    block.heartbeat_ms.store(now, std::memory_order_release);

    // What a finding may depend on and nobody else announces.
    const std::array<double, 5> told = {values[static_cast<std::size_t>(GpuField::state)], stuck_.since_ms,
                                        static_cast<double>(kmsg_.state()),
                                        values[static_cast<std::size_t>(GpuField::eventState)],
                                        values[static_cast<std::size_t>(GpuField::fastAtMs)]};
    const bool is_same = std::equal(told.begin(), told.end(), told_.begin(),
                                    [](double a, double b) { return a == b || (a != a && b != b); });
    if (is_same) return;
    told_ = told;
    block.changed();
  }

  std::shared_ptr<Session> session_;
  KmsgReader kmsg_;
  const std::uint32_t own_pid_;
  const double started_ms_ = monotonic_ms();
  int worker_ = -1;  // lane of the thread that is in charge
  Stuck stuck_, given_up_;
  std::size_t given_up_lane_ = 0;
  bool is_event_stuck_ = false;
  double xids_ = 0, watchdog_lines_ = 0;
  std::array<double, 5> told_{};
};

}  // namespace

void run_watch(std::shared_ptr<Session> session) {
  {
    const auto watch = std::make_unique<Watch>(session);
    watch->run();
  }
  session->watch.is_running.store(false, std::memory_order_release);
}

}  // namespace inference_health::gpu
