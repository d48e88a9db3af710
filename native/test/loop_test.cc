#include "loop/monitor.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "snapshot/clock.h"
#include "snapshot/layout.h"
#include "test.h"

namespace inference_health::test {
namespace {

using loop::Handle;
using loop::HandleCallback;

std::uint64_t now_ns() { return static_cast<std::uint64_t>(monotonic_ms() * 1e6); }

std::atomic<int> touched_after_close{0};

// What the monitor sees of a libuv loop. As there, idle time may be asked for by any thread while the loop is open.
class FakeLoop {
 public:
  ~FakeLoop() { open_ = false; }

  uv_loop_s* get() { return reinterpret_cast<uv_loop_s*>(this); }
  static FakeLoop& of(uv_loop_s* loop) { return *reinterpret_cast<FakeLoop*>(loop); }

  void begin_wait() {
    const std::lock_guard lock(mutex_);
    waiting_since_ = now_ns();
  }
  void end_wait() {
    const std::lock_guard lock(mutex_);
    if (waiting_since_ != 0) idle_ += now_ns() - waiting_since_;
    waiting_since_ = 0;
  }
  void add_idle_ms(double ms) {
    const std::lock_guard lock(mutex_);
    idle_ += static_cast<std::uint64_t>(ms * 1e6);
  }
  /// One turn: handles that close are closed, the prepare handle runs.
  void turn() {
    if (on_close_ != nullptr) std::exchange(on_close_, nullptr)(handle_);
    if (on_prepare_ != nullptr) on_prepare_(handle_);
  }
  bool has_handle() const { return on_prepare_ != nullptr || on_close_ != nullptr; }
  bool is_unreferenced() const { return unreferenced_; }
  void refuse_metrics() { refuses_metrics_ = true; }

  static const loop::Uv& uv() {
    static const loop::Uv fake{
        [](int) -> std::size_t { return 120; },
        [](uv_loop_s* loop, Handle* handle) {
          *reinterpret_cast<FakeLoop**>(reinterpret_cast<char*>(handle) + 8) = &of(loop);
          of(loop).handle_ = handle;
          return 0;
        },
        [](Handle* handle, HandleCallback callback) {
          loop_of(handle).on_prepare_ = callback;
          return 0;
        },
        [](Handle* handle) { loop_of(handle).unreferenced_ = true; },
        [](Handle* handle, HandleCallback callback) {
          loop_of(handle).on_prepare_ = nullptr;
          loop_of(handle).on_close_ = callback;
        },
        configure,
        [](uv_loop_s* loop) { return of(loop).idle_time(); },
    };
    return fake;
  }

 private:
  static FakeLoop& loop_of(Handle* handle) {
    return **reinterpret_cast<FakeLoop**>(reinterpret_cast<char*>(handle) + 8);
  }
  static int configure(uv_loop_s* loop, int option, ...) {
    return option == loop::kUvMetricsIdleTime && !of(loop).refuses_metrics_ ? 0 : -38;
  }
  std::uint64_t idle_time() {
    if (!open_) ++touched_after_close;
    const std::lock_guard lock(mutex_);
    return idle_ + (waiting_since_ == 0 ? 0 : now_ns() - waiting_since_);
  }

  std::mutex mutex_;
  std::uint64_t idle_ = 5'000'000'000;
  std::uint64_t waiting_since_ = 0;
  std::atomic<bool> open_{true};
  Handle* handle_ = nullptr;
  HandleCallback on_prepare_ = nullptr;
  HandleCallback on_close_ = nullptr;
  bool unreferenced_ = false;
  bool refuses_metrics_ = false;
};

int closed_count = 0;
void on_closed(void* count) { ++*static_cast<int*>(count); }

// A monitored loop, ended in the right order.
struct Monitored {
  FakeLoop loop;
  int id = loop::monitor(&FakeLoop::uv(), loop.get(), on_closed, &closed_count);

  ~Monitored() {
    loop::unmonitor(id, loop.get());
    loop.turn();
  }
  double busy(double now_ms) const {
    double busy_ms = -1;
    CHECK(loop::busy(id, now_ms, busy_ms));
    return busy_ms;
  }
  double field(LoopField field) const {
    double fields[kLoopSlots];
    CHECK(loop::read(id, fields));
    return fields[static_cast<std::size_t>(field)];
  }
};

void sleep_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

}  // namespace

TEST("a loop is busy from the start of its monitor until its first turn") {
  const double before = monotonic_ms();
  Monitored monitored;
  const double after = monotonic_ms();
  const double busy = monitored.busy(after + 700);
  CHECK(busy >= 700 && busy <= after - before + 700);
  monitored.loop.turn();
  CHECK_EQUAL(monitored.busy(monotonic_ms()), 0.0);
}

TEST("a loop that waits is idle, however long") {
  Monitored monitored;
  monitored.loop.turn();
  monitored.loop.begin_wait();
  for (int i = 0; i < 50; ++i) {
    CHECK_EQUAL(monitored.busy(monotonic_ms()), 0.0);
    sleep_ms(1);
  }
  CHECK_EQUAL(monitored.field(LoopField::busySinceMs), NAN);
}

TEST("a callback in the poll phase is busy since the wait ended") {
  Monitored monitored;
  monitored.loop.turn();
  monitored.loop.begin_wait();
  sleep_ms(30);
  monitored.loop.end_wait();
  const double now = monotonic_ms();
  const double busy = monitored.busy(now + 400);
  CHECK(busy >= 400);
  CHECK(busy < 400 + 25);
  sleep_ms(2);
  const double since = monitored.field(LoopField::busySinceMs);
  sleep_ms(2);
  CHECK_EQUAL(monitored.field(LoopField::busySinceMs), since);
}

TEST("a thread that lost its processor before it began to wait is not stalled while it waits") {
  Monitored monitored;
  monitored.loop.turn();
  sleep_ms(20);
  monitored.loop.begin_wait();
  sleep_ms(1);
  CHECK_EQUAL(monitored.busy(monotonic_ms()), 0.0);
}

TEST("a reading is never negative, also when the loop turned after the clock was read") {
  Monitored monitored;
  const double early = monotonic_ms() - 50;
  monitored.loop.turn();
  CHECK_EQUAL(monitored.busy(early), 0.0);
  monitored.loop.add_idle_ms(1e6);
  CHECK_EQUAL(monitored.busy(monotonic_ms()), 0.0);
}

TEST("a stall counts from the moment it becomes one, and stays when it has ended") {
  Monitored monitored;
  monitored.loop.turn();
  CHECK_EQUAL(monitored.field(LoopField::stallCount), 0.0);
  sleep_ms(110);
  const double live = monitored.field(LoopField::longestStallMs);
  CHECK(live >= 100);
  CHECK_EQUAL(monitored.field(LoopField::stallCount), 1.0);
  monitored.loop.turn();
  CHECK_EQUAL(monitored.field(LoopField::stallCount), 1.0);
  CHECK(monitored.field(LoopField::longestStallMs) >= live);
  CHECK_EQUAL(monitored.field(LoopField::stallTotalMs), monitored.field(LoopField::longestStallMs));
  CHECK_EQUAL(monitored.field(LoopField::busyMs), 0.0);
  CHECK_EQUAL(monitored.field(LoopField::iterations), 2.0);
}

TEST("utilization is that of the last interval") {
  Monitored monitored;
  const double start = monotonic_ms();
  loop::tick(start + 500);
  CHECK_EQUAL(monitored.field(LoopField::utilization), NAN);
  loop::tick(start + 1000);
  CHECK_EQUAL(monitored.field(LoopField::utilization), 1.0);
  monitored.loop.add_idle_ms(750);
  loop::tick(start + 2000);
  CHECK_NEAR(monitored.field(LoopField::utilization), 0.25, 0.001);
  monitored.loop.add_idle_ms(5000);
  loop::tick(start + 3000);
  CHECK_EQUAL(monitored.field(LoopField::utilization), 0.0);
}

TEST("a monitor that ended is read by nobody, and its slot is used again under another id") {
  const int closed_before = closed_count;
  FakeLoop loop;
  const int first = loop::monitor(&FakeLoop::uv(), loop.get(), on_closed, &closed_count);
  CHECK(loop.is_unreferenced());
  FakeLoop other;
  CHECK(!loop::unmonitor(first, other.get()));
  CHECK(loop::unmonitor(first, loop.get()));
  CHECK(!loop::unmonitor(first, loop.get()));
  double fields[kLoopSlots];
  double busy = 0;
  CHECK(!loop::read(first, fields));
  CHECK(!loop::busy(first, monotonic_ms(), busy));
  CHECK_EQUAL(closed_count, closed_before);
  loop.turn();
  CHECK_EQUAL(closed_count, closed_before + 1);
  CHECK(!loop.has_handle());

  const int second = loop::monitor(&FakeLoop::uv(), loop.get(), on_closed, &closed_count);
  CHECK(second != first);
  CHECK_EQUAL(second % loop::kCapacity, first % loop::kCapacity);
  CHECK(!loop::read(first, fields));
  CHECK(loop::read(second, fields));
  loop::unmonitor(second, loop.get());
  loop.turn();
}

TEST("there are slots for 64 loops, and every one comes back") {
  for (int round = 0; round < 2; ++round) {
    std::vector<std::unique_ptr<Monitored>> all;
    for (int i = 0; i < loop::kCapacity; ++i) CHECK((all.emplace_back(new Monitored))->id >= 0);
    FakeLoop loop;
    CHECK_EQUAL(loop::monitor(&FakeLoop::uv(), loop.get(), on_closed, &closed_count), -1);
    CHECK(!loop.has_handle());
  }
}

TEST("a host without libuv, or without its idle time, is not monitored") {
  FakeLoop loop;
  CHECK_EQUAL(loop::monitor(nullptr, loop.get(), on_closed, &closed_count), -1);
  loop.refuse_metrics();
  CHECK_EQUAL(loop::monitor(&FakeLoop::uv(), loop.get(), on_closed, &closed_count), -1);
  CHECK(!loop.has_handle());
  CHECK(loop::host_uv() == nullptr);
}

TEST("no thread is ever inside a loop that has closed, and no reading is impossible") {
  constexpr int kLoopThreads = 3, kReaders = 2, kIds = 8;
  const int rounds = kUnderThreadSanitizer ? 300 : 3000;
  std::atomic<int> ids[kIds];
  for (auto& id : ids) id = -1;
  std::atomic<bool> done{false};
  std::atomic<int> impossible{0}, seen{0};
  std::atomic<int> closed{0};

  std::vector<std::thread> readers;
  for (int reader = 0; reader < kReaders; ++reader) {
    readers.emplace_back([&] {
      const auto is_possible = [](double value) { return value >= 0 && value < 60'000; };
      double fields[kLoopSlots];
      for (unsigned i = 0; !done; ++i) {
        const int id = ids[i % kIds];
        double busy = 0;
        if (loop::busy(id, monotonic_ms(), busy) && !is_possible(busy)) ++impossible;
        if (loop::read(id, fields)) {
          ++seen;
          for (const LoopField field : {LoopField::busyMs, LoopField::longestStallMs, LoopField::stallCount,
                                        LoopField::stallTotalMs, LoopField::iterations}) {
            if (!is_possible(fields[static_cast<std::size_t>(field)])) ++impossible;
          }
        }
        if (i % 64 == 0) loop::tick(monotonic_ms() + 1000);
      }
    });
  }
  std::vector<std::thread> loops;
  for (int thread = 0; thread < kLoopThreads; ++thread) {
    loops.emplace_back([&, thread] {
      std::minstd_rand random(thread + 1);
      for (int round = 0; round < rounds; ++round) {
        // On the heap and gone right after, so that a sanitizer sees a reader that comes late.
        auto loop = std::make_unique<FakeLoop>();
        const auto count = [](void* data) { ++*static_cast<std::atomic<int>*>(data); };
        const int id = loop::monitor(&FakeLoop::uv(), loop->get(), count, &closed);
        ids[random() % kIds] = id;
        for (int turn = random() % 20; turn > 0; --turn) {
          loop->begin_wait();
          if (turn % 4 == 0) std::this_thread::yield();
          loop->end_wait();
          loop->turn();
        }
        loop::unmonitor(id, loop->get());
        loop->turn();
      }
    });
  }
  for (auto& thread : loops) thread.join();
  done = true;
  for (auto& thread : readers) thread.join();
  CHECK_EQUAL(touched_after_close.load(), 0);
  CHECK_EQUAL(impossible.load(), 0);
  CHECK_EQUAL(closed.load(), kLoopThreads * rounds);
  CHECK(seen.load() > 0);
}

}  // namespace inference_health::test
