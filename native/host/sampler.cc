#include "host/sampler.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <new>

#include "host/host_reader.h"
#include "snapshot/block.h"
#include "snapshot/clock.h"

namespace inference_health::host {

namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kJoinTimeout = std::chrono::seconds(1);
// One sample's deepest frame is a few paths of 4 KiB; the default of 8 MiB would only be address space, but containers
// with overcommit off account for it.
constexpr std::size_t kStackBytes = 512 * 1024;

struct Sampler {
  // Held by whoever starts or stops; never by the thread.
  std::mutex control;
  bool running = false;
  pthread_t thread{};

  // Between the controlling thread and the sampler thread.
  std::mutex wake;
  std::condition_variable woken;
  bool stopping = false;
  bool finished = true;

  Clock::duration period{};
  void (*on_tick)(double now_ms) = nullptr;
  double samples = 0;
  HostReader reader;
};

// Never destroyed: the thread may outlive static destructors when the process exits without stopping it.
alignas(Sampler) unsigned char storage[sizeof(Sampler)];

Sampler& instance() {
  static Sampler* sampler = new (storage) Sampler;
  // Threads do not survive fork, and descriptors of /proc/self stay bound to the parent: the child starts from nothing.
  // What the copy holds is dropped, not closed: its mutexes may be locked by threads that are gone.
  static std::atomic<pid_t> owner{getpid()};
  if (const pid_t self = getpid(); owner.load(std::memory_order_relaxed) != self) {
    sampler = new (storage) Sampler;
    owner.store(self, std::memory_order_relaxed);
  }
  return *sampler;
}

void take_sample(Sampler& sampler) {
  const double started = monotonic_ms();
  sampler.reader.sample(started, wall_ms());
  auto& slots = sampler.reader.slots();
  slots[HostField::samples] = ++sampler.samples;
  slots[HostField::sampleDurationUs] = (monotonic_ms() - started) * 1e3;
  block.host.write(slots.values());
  if (!sampler.reader.cores().empty()) block.cores.write(sampler.reader.cores());
}

void* run(void* argument) {
  auto& sampler = *static_cast<Sampler*>(argument);
  auto deadline = Clock::now() + sampler.period;
  std::unique_lock lock(sampler.wake);
  while (!sampler.woken.wait_until(lock, deadline, [&] { return sampler.stopping; })) {
    lock.unlock();
    take_sample(sampler);
    if (sampler.on_tick != nullptr) sampler.on_tick(monotonic_ms());
    lock.lock();
    // Absolute deadlines do not drift; after a pause (SIGSTOP, suspend) the missed ones are skipped, not made up for.
    deadline += sampler.period;
    if (const auto now = Clock::now(); deadline <= now) deadline = now + sampler.period;
  }
  sampler.finished = true;
  sampler.woken.notify_all();
  return nullptr;
}

bool start_thread(Sampler& sampler) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  // Signals belong to the application's threads.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(&sampler.thread, &attributes, run, &sampler);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (error == 0) pthread_setname_np(sampler.thread, "health-sampler");
  return error == 0;
}

}  // namespace

StartResult start_sampler(const SamplerOptions& options) {
  auto& sampler = instance();
  std::scoped_lock lock(sampler.control);
  if (sampler.running) return StartResult::already_running;
  {
    std::scoped_lock wake(sampler.wake);
    if (!sampler.finished) return StartResult::no_thread;
  }

  // A new reader, not the old one with old descriptors: the root may be another one.
  sampler.reader.~HostReader();
  new (&sampler.reader) HostReader;
  if (!sampler.reader.configure(options.root, options.per_core)) return StartResult::root_too_long;
  sampler.period = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(1 / std::clamp(options.hz, 1.0, 100.0)));
  sampler.on_tick = options.on_tick;
  sampler.stopping = false;
  sampler.finished = false;
  take_sample(sampler);
  if (!start_thread(sampler)) {
    sampler.finished = true;
    return StartResult::no_thread;
  }
  sampler.running = true;
  return StartResult::started;
}

void stop_sampler() {
  auto& sampler = instance();
  std::scoped_lock lock(sampler.control);
  if (!sampler.running) return;
  sampler.running = false;
  std::unique_lock wake(sampler.wake);
  sampler.stopping = true;
  sampler.woken.notify_all();
  const bool finished = sampler.woken.wait_for(wake, kJoinTimeout, [&] { return sampler.finished; });
  wake.unlock();
  if (finished) {
    pthread_join(sampler.thread, nullptr);
    // Its descriptors are closed with it.
    sampler.reader.~HostReader();
    new (&sampler.reader) HostReader;
  } else {
    pthread_detach(sampler.thread);
  }
}

}  // namespace inference_health::host
