#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>

#include "signal/watch.h"
#include "snapshot/clock.h"
#include "test.h"

namespace inference_health::signals {
namespace {

std::atomic<int> plain_calls{0}, full_calls{0}, over_calls{0};
struct sigaction below_over {};

void plain(int) { ++plain_calls; }
void full(int, siginfo_t* info, void*) { full_calls += info != nullptr ? 1 : 100; }
// As crash reporters do: saves what it found and calls it.
void over(int number) {
  ++over_calls;
  if ((below_over.sa_flags & SA_SIGINFO) != 0) below_over.sa_sigaction(number, nullptr, nullptr);
}

void set_plain(int number, void (*handler)(int), struct sigaction* found = nullptr) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigaction(number, &action, found);
}

// Puts the default action back and forgets the calls.
struct Case {
  Case() { reset(); }
  ~Case() {
    unwatch();
    reset();
  }
  static void reset() {
    for (const int number : {SIGUSR1, SIGUSR2}) set_plain(number, SIG_DFL);
    plain_calls = full_calls = over_calls = 0;
  }
};

int watch_one(int number, int exit_code = -1) { return watch(std::array{number}, exit_code); }

}  // namespace

TEST("a signal is noted with its time and reaches the handler that was there") {
  const Case scope;
  set_plain(SIGUSR1, plain);
  CHECK_EQUAL(watch_one(SIGUSR1), 1);
  CHECK_EQUAL(first_at_ms(), 0.0);
  const double before = monotonic_ms();
  raise(SIGUSR1);
  CHECK(first_at_ms() >= before && first_at_ms() <= monotonic_ms());
  CHECK_EQUAL(plain_calls.load(), 1);
  clear();
  CHECK_EQUAL(first_at_ms(), 0.0);
}

TEST("a handler with three arguments gets them") {
  const Case scope;
  struct sigaction action {};
  action.sa_sigaction = full;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGUSR1, &action, nullptr);
  CHECK_EQUAL(watch_one(SIGUSR1), 1);
  raise(SIGUSR1);
  CHECK_EQUAL(full_calls.load(), 1);
}

TEST("a signal with the default action, or an ignored one, is left alone") {
  const Case scope;
  set_plain(SIGUSR2, SIG_IGN);
  CHECK_EQUAL(watch(std::array{SIGUSR1, SIGUSR2, 0, 1000}, -1), 0);
  struct sigaction found {};
  sigaction(SIGUSR1, nullptr, &found);
  CHECK(found.sa_handler == SIG_DFL);
  raise(SIGUSR2);
  CHECK_EQUAL(first_at_ms(), 0.0);
}

TEST("a handler that is installed over ours and calls it sees each signal once, and so does the one below") {
  const Case scope;
  set_plain(SIGUSR1, plain);
  watch_one(SIGUSR1);
  set_plain(SIGUSR1, over, &below_over);
  raise(SIGUSR1);
  CHECK_EQUAL(over_calls.load(), 1);
  CHECK_EQUAL(plain_calls.load(), 1);
  CHECK_EQUAL(rearm(), 1);
  CHECK_EQUAL(rearm(), 0);
  raise(SIGUSR1);
  CHECK_EQUAL(over_calls.load(), 2);
  CHECK_EQUAL(plain_calls.load(), 2);
  unwatch();
  raise(SIGUSR1);
  CHECK_EQUAL(over_calls.load(), 3);
  CHECK_EQUAL(plain_calls.load(), 3);
  CHECK_EQUAL(first_at_ms(), 0.0);
}

TEST("a handler that replaced ours and calls nothing is noted again after a re-arm") {
  const Case scope;
  set_plain(SIGUSR1, plain);
  watch_one(SIGUSR1);
  below_over = {};
  set_plain(SIGUSR1, over);
  raise(SIGUSR1);
  CHECK_EQUAL(first_at_ms(), 0.0);
  CHECK_EQUAL(rearm(), 1);
  raise(SIGUSR1);
  CHECK(first_at_ms() > 0);
  CHECK_EQUAL(over_calls.load(), 2);
  CHECK_EQUAL(plain_calls.load(), 0);
}

TEST("the end puts the handler back as it was, and a hundred cycles later each signal is still delivered once") {
  const Case scope;
  set_plain(SIGUSR1, plain);
  for (int i = 0; i < 100; ++i) {
    CHECK_EQUAL(watch_one(SIGUSR1), 1);
    if (i % 2 == 0) unwatch();
  }
  unwatch();
  struct sigaction found {};
  sigaction(SIGUSR1, nullptr, &found);
  CHECK(found.sa_handler == plain);
  CHECK_EQUAL(found.sa_flags & SA_RESTART, SA_RESTART);
  watch_one(SIGUSR1);
  // As libuv does when the last listener goes and another comes.
  for (int i = 0; i < 10; ++i) {
    set_plain(SIGUSR1, SIG_DFL);
    CHECK_EQUAL(rearm(), 0);
    set_plain(SIGUSR1, plain);
    CHECK_EQUAL(rearm(), 1);
  }
  raise(SIGUSR1);
  CHECK_EQUAL(plain_calls.load(), 1);
}

namespace {

// How a child ends that gets three signals, 250 ms apart, with so many of them seen by its main thread.
int status_after_three(int acknowledged, useconds_t pause_us, int repeats = 0) {
  const pid_t child = fork();
  if (child == 0) {
    set_plain(SIGUSR1, plain);
    watch_one(SIGUSR1, 75);
    // As of npm and a terminal that both pass one Ctrl-C on: one signal, of which the main thread hears several times.
    for (int i = 0; i < repeats; ++i) {
      raise(SIGUSR1);
      acknowledge();
    }
    if (repeats > 0) usleep(pause_us);
    for (int i = 0; i < 3; ++i) {
      raise(SIGUSR1);
      if (i < acknowledged) acknowledge();
      usleep(pause_us);
    }
    _exit(plain_calls.load());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST("a third signal ends a process whose main thread has seen none, and no other") {
  // It delivers signals late, at the next call that it intercepts, and wants no forks.
  if (test::kUnderThreadSanitizer) return;
  CHECK_EQUAL(status_after_three(0, 250'000), 75);
  CHECK_EQUAL(status_after_three(2, 250'000), 3);
  CHECK_EQUAL(status_after_three(0, 250'000, 8), 75);
  // Three at once are one.
  CHECK_EQUAL(status_after_three(0, 0), 3);
}

}  // namespace inference_health::signals
