#include "signal/watch.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstddef>

#include "snapshot/block.h"
#include "snapshot/clock.h"

namespace inference_health::signals {
namespace {

constexpr int kNumbers = 65;
constexpr std::size_t kThreads = 16;

using Plain = void (*)(int);
using Full = void (*)(int, siginfo_t*, void*);

// A handler that ours has displaced. The handler reads it on any thread while the main thread may write the next one.
struct Displaced {
  std::atomic<Plain> plain{nullptr};
  std::atomic<Full> full{nullptr};
};

// `levels` counts displaced handlers. Ours over libuv's is one level; another's over ours, and ours over that again, two.
// Whoever is at level 1 may call ours, as a well-behaved handler does with the one it found: that call must go on to level 0.
struct Watched {
  std::atomic<int> levels{0};
  std::array<Displaced, kMaxLevels> displaced{};
  bool is_out = true;  // ours is installed nowhere, so that the levels may begin anew; main thread only
  // Threads that are inside the handler, so that a nested call is told from a second thread's. No thread_local: its first
  // use in a loaded library may allocate, which a signal handler must not.
  std::array<std::atomic<pid_t>, kThreads> inside{};
  std::array<std::atomic<int>, kThreads> depth{};
};

struct Notes {
  std::atomic<double> last_at_ms{0};
  std::atomic<int> count{0};
  std::atomic<int> acknowledged{0};
  std::atomic<int> exit_code{-1};
};

static_assert(std::atomic<double>::is_always_lock_free && std::atomic<Plain>::is_always_lock_free);

// Static and never destroyed: a handler may come while the process exits.
constinit std::array<Watched, kNumbers> watched{};
constinit std::array<std::atomic<bool>, kNumbers> noting{};
constinit Notes notes{};

bool is_valid(int number) { return number > 0 && number < kNumbers; }

// Lock-free atomics, clock_gettime and _exit only.
void note() {
  const double now = monotonic_ms();
  double last = notes.last_at_ms.load();
  do {
    if (last != 0 && now - last < kRepeatMs) return;
  } while (!notes.last_at_ms.compare_exchange_weak(last, now));
  double none = 0;
  block.signal_at_ms.compare_exchange_strong(none, now);
  const int count = notes.count.fetch_add(1) + 1;
  const int exit_code = notes.exit_code.load();
  // The second was to hurry, the third to exit, and the main thread, which would do it, does not turn.
  if (exit_code >= 0 && count >= 3 && count - notes.acknowledged.load() >= 2) _exit(exit_code);
}

// The place of this thread, taken if it has none; −1 when all are taken, as by sixteen threads in the handler at once.
int enter(Watched& signal, pid_t tid) {
  for (std::size_t i = 0; i < kThreads; ++i) {
    if (signal.inside[i].load() == tid) return static_cast<int>(i);
  }
  for (std::size_t i = 0; i < kThreads; ++i) {
    pid_t nobody = 0;
    if (signal.inside[i].compare_exchange_strong(nobody, tid)) return static_cast<int>(i);
  }
  return -1;
}

void on_signal(int number, siginfo_t* info, void* context) {
  if (!is_valid(number)) return;
  const int saved_errno = errno;
  Watched& signal = watched[static_cast<std::size_t>(number)];
  const int place = enter(signal, static_cast<pid_t>(syscall(SYS_gettid)));
  const int depth = place < 0 ? 0 : signal.depth[static_cast<std::size_t>(place)].fetch_add(1);
  if (depth == 0 && noting[static_cast<std::size_t>(number)].load()) note();

  const int level = signal.levels.load() - 1 - depth;
  if (level >= 0 && level < kMaxLevels) {
    const Displaced& next = signal.displaced[static_cast<std::size_t>(level)];
    if (const Full full = next.full.load()) {
      full(number, info, context);
    } else if (const Plain plain = next.plain.load()) {
      plain(number);
    }
  }

  if (place >= 0) {
    const auto index = static_cast<std::size_t>(place);
    if (signal.depth[index].fetch_sub(1) == 1) signal.inside[index].store(0);
  }
  errno = saved_errno;
}

bool is_ours(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) != 0 && action.sa_sigaction == on_signal;
}

bool has_handler(const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) != 0 || (action.sa_handler != SIG_DFL && action.sa_handler != SIG_IGN);
}

void keep(Displaced& displaced, const struct sigaction& action) {
  const bool is_full = (action.sa_flags & SA_SIGINFO) != 0;
  displaced.full.store(is_full ? action.sa_sigaction : nullptr);
  displaced.plain.store(is_full ? nullptr : action.sa_handler);
}

bool is_same(const Displaced& displaced, const struct sigaction& action) {
  return (action.sa_flags & SA_SIGINFO) != 0 ? displaced.full.load() == action.sa_sigaction
                                             : displaced.plain.load() == action.sa_handler;
}

struct Original {
  int flags = 0;
  sigset_t mask{};
};
// Of the displaced handler on top, to put it back as it was. Main thread only.
std::array<Original, kNumbers> originals{};

// True when ours is on top afterwards because of this call.
bool install(int number) {
  struct sigaction found {};
  if (sigaction(number, nullptr, &found) != 0 || is_ours(found) || !has_handler(found)) return false;
  Watched& signal = watched[static_cast<std::size_t>(number)];
  const int levels = signal.levels.load();
  int level = signal.is_out ? 0 : levels;
  // A handler that is back (libuv's, after the last listener went and another came) calls nothing below itself.
  for (int i = level - 1; i >= 0; --i) {
    if (is_same(signal.displaced[static_cast<std::size_t>(i)], found)) level = i;
  }
  if (level >= kMaxLevels) return false;
  keep(signal.displaced[static_cast<std::size_t>(level)], found);
  // Before ours is there: a signal in between must find a handler to call.
  signal.levels.store(level + 1);
  originals[static_cast<std::size_t>(number)] = {found.sa_flags, found.sa_mask};

  struct sigaction ours {};
  ours.sa_sigaction = on_signal;
  ours.sa_mask = found.sa_mask;
  ours.sa_flags = found.sa_flags | SA_SIGINFO;
  if (sigaction(number, &ours, nullptr) != 0) {
    signal.levels.store(levels);
    return false;
  }
  signal.is_out = false;
  return true;
}

void uninstall(int number) {
  struct sigaction found {};
  if (sigaction(number, nullptr, &found) != 0 || !is_ours(found)) return;
  Watched& signal = watched[static_cast<std::size_t>(number)];
  const int level = signal.levels.load() - 1;
  if (level < 0) return;
  const Displaced& top = signal.displaced[static_cast<std::size_t>(level)];
  struct sigaction before {};
  before.sa_flags = originals[static_cast<std::size_t>(number)].flags;
  before.sa_mask = originals[static_cast<std::size_t>(number)].mask;
  if (const Full full = top.full.load()) {
    before.sa_sigaction = full;
  } else {
    before.sa_handler = top.plain.load();
  }
  if (sigaction(number, &before, nullptr) != 0) return;
  // With a level below, the handler that is on top now may go on calling ours.
  if (level > 0) signal.levels.store(level);
  // At the lowest level a call that is under way on another thread still needs what it would call: `levels` stays.
  signal.is_out = level == 0;
}

}  // namespace

int watch(std::span<const int> numbers, int exit_code) {
  unwatch();
  clear();
  notes.exit_code.store(exit_code);
  int count = 0;
  for (const int number : numbers) {
    if (!is_valid(number)) continue;
    struct sigaction found {};
    if (!install(number) && (sigaction(number, nullptr, &found) != 0 || !is_ours(found))) continue;
    noting[static_cast<std::size_t>(number)].store(true);
    ++count;
  }
  return count;
}

int rearm() {
  int count = 0;
  for (int number = 1; number < kNumbers; ++number) {
    if (noting[static_cast<std::size_t>(number)].load() && install(number)) ++count;
  }
  return count;
}

void unwatch() {
  notes.exit_code.store(-1);
  for (int number = 1; number < kNumbers; ++number) {
    if (noting[static_cast<std::size_t>(number)].exchange(false)) uninstall(number);
  }
  clear();
}

// Never more than came: repeats are not counted, but the main thread hears of each of them, and what it had acknowledged in
// advance would keep the third signal from ending the process.
void acknowledge() {
  if (notes.acknowledged.load() < notes.count.load()) notes.acknowledged.fetch_add(1);
}

void clear() {
  notes.count.store(0);
  notes.acknowledged.store(0);
  notes.last_at_ms.store(0);
  block.signal_at_ms.store(0);
}

double first_at_ms() { return block.signal_at_ms.load(); }

}  // namespace inference_health::signals
